//! Packets from the broker, answered as a client must.

use super::packets::{self, Delivery, Got, Sent};
use super::{Asked, Phase};
use crate::sometimes;
use crate::world::World;
use pondhawk_codec::{PacketType, Version};

impl World {
    /// A packet has arrived at its client.
    pub fn hear(&mut self, wire: usize, got: Got) {
        let number = self.wires[wire].client;
        if self.clients[number].wire != Some(wire) {
            // The client has another connection by now and does not read this one any more.
            return;
        }
        match got {
            Got::Connack(present, code, receive, aliases, alive) => {
                self.greeted(number, (present, code), (receive, aliases, alive));
            }
            Got::Publish(delivery) => self.publish_arrived(number, &delivery),
            Got::Ack(PacketType::Pubrec, id, code) => self.pubrec(number, id, code),
            Got::Ack(PacketType::Pubrel, id, _) => {
                self.clients[number].held.remove(&id);
                self.owe(number, PacketType::Pubcomp, id);
            }
            Got::Ack(_, id, _) => {
                self.clients[number].out.retain(|out| out.id != id);
                self.flush(number);
            }
            Got::Suback(id, codes) => self.suback(number, id, &codes),
            Got::Unsuback(id, _) => {
                let client = &mut self.clients[number];
                if let Some(Asked::Unsubscribe(filters)) = client.asked.remove(&id) {
                    client.subs.retain(|filter, _| !filters.contains(filter));
                }
            }
            Got::Pingresp => self.clients[number].pinged = None,
            Got::Disconnect(_) => {}
        }
    }

    fn greeted(
        &mut self,
        number: usize,
        (present, code): (bool, u8),
        (receive, aliases, alive): (Option<u16>, u16, Option<u16>),
    ) {
        let client = &mut self.clients[number];
        if code != 0 {
            return;
        }
        client.phase = Phase::Ready;
        client.kept = client.asked_s > 0;
        client.must_start_clean = false;
        client.window = usize::from(receive.unwrap_or(u16::MAX));
        client.aliases_max = aliases;
        client.keep_alive = alive.unwrap_or(client.keep_alive);
        client.said = self.now;
        // MQTT 3.1 does not say whether the session was there; it was, unless the client started clean.
        if !present && client.plan.version != Version::V31 {
            client.forget();
        }
        self.flush(number);
    }

    fn publish_arrived(&mut self, number: usize, delivery: &Delivery) {
        let wire = self.clients[number].wire.expect("it has just heard something");
        let fresh = delivery.qos < 2 || self.clients[number].held.insert(delivery.id);
        if fresh {
            self.shadow.received(wire, delivery);
            self.pass_on(number, delivery);
        }
        match delivery.qos {
            0 => {}
            1 => self.owe(number, PacketType::Puback, delivery.id),
            _ => self.owe(number, PacketType::Pubrec, delivery.id),
        }
    }

    fn pubrec(&mut self, number: usize, id: u16, code: u8) {
        let client = &mut self.clients[number];
        if code >= 0x80 {
            client.out.retain(|out| out.id != id);
            self.flush(number);
            return;
        }
        if let Some(out) = client.out.iter_mut().find(|out| out.id == id) {
            out.recorded = true;
        }
        self.say(number, &packets::ack(self.version(number), PacketType::Pubrel, id), Sent::Pubrel { id });
    }

    fn suback(&mut self, number: usize, id: u16, codes: &[u8]) {
        let client = &mut self.clients[number];
        let Some(Asked::Subscribe(wanted)) = client.asked.remove(&id) else { return };
        for (one, code) in wanted.into_iter().zip(codes) {
            if *code < 0x80 {
                client.subs.insert(one.filter.clone(), one);
            }
        }
    }

    /// An acknowledgement is owed: it is sent at once, or when the client finds the time.
    fn owe(&mut self, number: usize, packet_type: PacketType, id: u16) {
        let bytes = packets::ack(self.version(number), packet_type, id);
        let client = &mut self.clients[number];
        client.answers.push_back((bytes, Sent::Ack(packet_type, id)));
        if !client.plan.slow {
            self.client_answers(number);
        }
    }

    /// A client sends the acknowledgements that it owes, or some of them.
    pub fn client_answers(&mut self, number: usize) {
        let owed = self.clients[number].answers.len();
        let count = if self.clients[number].plan.slow { self.rng.between(1, owed.max(1)) } else { owed };
        for _ in 0..count {
            let Some((bytes, sent)) = self.clients[number].answers.pop_front() else { return };
            self.say(number, &bytes, sent);
        }
    }

    /// The broker has closed a client's connection, and everything that came before has been read.
    pub fn hung_up(&mut self, wire: usize) {
        let number = self.wires[wire].client;
        self.wires[wire].cut(0);
        if self.clients[number].wire == Some(wire) {
            if !self.clients[number].answers.is_empty() {
                sometimes!(self.shadow.reached, "cut with acknowledgements under way");
            }
            self.clients[number].leave();
        }
    }

    /// The version that a client speaks.
    #[must_use]
    pub fn version(&self, number: usize) -> Version {
        self.plan.clients[number].version
    }
}
