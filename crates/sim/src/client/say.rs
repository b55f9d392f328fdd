//! What clients do of their own accord: connect, publish, subscribe, ping, leave.

use super::packets::{self, Delivery, Greeting, Hello, Letter, Sent, Wanted};
use super::{Asked, OUT_MAX, Out, Phase};
use crate::plan::{BRIDGED, MOUNT, Role};
use crate::shadow::message::Message;
use crate::sometimes;
use crate::world::World;
use crate::world::wire::Trouble;
use pondhawk_broker::Millis;
use pondhawk_codec::{PacketType, Version};

/// A message that a client is to publish, its topic as the client writes it.
#[derive(Clone, Debug)]
pub struct Published<'a> {
    /// The topic.
    pub topic: &'a str,
    /// QoS.
    pub qos: u8,
    /// RETAIN.
    pub retain: bool,
    /// Without a payload.
    pub empty: bool,
    /// Bytes of payload behind the number.
    pub len: usize,
    /// Message expiry interval.
    pub expiry_s: Option<u32>,
}

impl World {
    /// A client writes a packet.
    pub fn say(&mut self, number: usize, bytes: &[u8], sent: Sent) {
        let client = &mut self.clients[number];
        let Some(wire) = client.wire else { return };
        client.said = self.now;
        self.note(|world| format!("{} writes {sent:?}", world.name(wire)));
        self.wires[wire].write(bytes, sent);
    }

    /// A client connects, whether it has a connection or not.
    pub fn connect(&mut self, number: usize, clean: bool, will: Option<(u32, u32)>) {
        if self.clients[number].wire.is_some_and(|wire| self.wires[wire].trouble.dead) {
            sometimes!(self.shadow.reached, "half-open connection left for a new one");
        }
        self.give_up_greeting(number);
        self.clients[number].leave();
        let wire = self.dial(number);
        let client = &mut self.clients[number];
        client.wire = Some(wire);
        client.phase = Phase::Greeting;
        client.keep_alive = client.plan.keep_alive;
        // Before MQTT 5.0 a session starts clean if and only if it is not kept.
        let v5 = client.plan.version == Version::V5;
        let clean = clean || client.must_start_clean || !v5 && client.keep_s() == 0;
        let keep_s = if clean && !v5 { 0 } else { client.keep_s() };
        client.asked_s = keep_s;
        if clean || !client.kept {
            client.forget();
        }
        client.must_start_clean = clean;
        let user = client.plan.asked.then(|| self.rng.chance(7, 8));
        let hello = Hello { clean, keep_s, keep_alive: client.plan.keep_alive, will, user };
        let plan = client.plan.clone();
        let mut payload = Vec::new();
        let will = match will {
            None => None,
            Some((message, _)) => {
                let written = &self.shadow.messages[message as usize];
                payload = packets::payload(message, written.len);
                Some((self.own_name(number, &written.topic), written.qos, written.retain))
            }
        };
        let greeting = Greeting {
            version: plan.version,
            client_id: &plan.id,
            bridge: plan.role == Role::Bridge,
            receive_max: plan.receive_max,
            aliases: plan.aliases,
            will: will.as_ref().map(|(topic, qos, retain)| (&**topic, *qos, *retain, &*payload)),
        };
        let bytes = packets::connect(&hello, &greeting);
        self.say(number, &bytes, Sent::Connect(Box::new(hello)));
    }

    /// A CONNECT that is overtaken by the client's next one would end that one's session behind its back, and no
    /// client could know: one that was not answered is not sent at all.
    fn give_up_greeting(&mut self, number: usize) {
        let Some(wire) = self.clients[number].wire else { return };
        if self.clients[number].phase == Phase::Greeting && self.shadow.links[wire].hello.is_none() {
            let way = &mut self.wires[wire];
            way.cut(0);
            way.read.clear();
            way.sent.clear();
            way.trouble = Trouble::default();
        }
    }

    /// A client has a message to publish: at QoS 0 it goes at once, else as the broker's receive maximum lets it.
    pub fn publish(&mut self, number: usize, published: &Published<'_>) {
        let client = &self.clients[number];
        if !client.is_ready() || client.out.len() >= OUT_MAX {
            return;
        }
        let topic = self.shadow.mounted(number, published.topic);
        let message = Message {
            retain: published.retain,
            empty: published.empty,
            len: published.len,
            expiry_s: published.expiry_s.filter(|_| client.plan.version == Version::V5),
            ..Message::new(topic, published.qos, number)
        };
        self.shadow.messages.push(message);
        let message = self.shadow.messages.len() as u32 - 1;
        if published.qos == 0 {
            self.write_publish(number, &Out { id: 0, message, recorded: false, sent: false, again: false });
            return;
        }
        let id = self.clients[number].new_id();
        self.clients[number].out.push_back(Out { id, message, recorded: false, sent: false, again: false });
        self.flush(number);
    }

    /// A topic as a client writes it.
    fn own_name(&self, number: usize, topic: &str) -> String {
        match self.plan.clients[number].listener {
            0 => topic.into(),
            _ => topic.strip_prefix(MOUNT).unwrap_or(topic).into(),
        }
    }

    /// Sends what the receive maximum lets go, in order.
    pub fn flush(&mut self, number: usize) {
        let client = &self.clients[number];
        if !client.is_ready() {
            return;
        }
        let under_way = client.out.iter().filter(|out| out.sent).count();
        let mut room = client.window.saturating_sub(under_way);
        for at in 0..self.clients[number].out.len() {
            let out = self.clients[number].out[at].clone();
            if out.sent {
                continue;
            }
            if room == 0 {
                sometimes!(self.shadow.reached, "receive maximum reached by a client");
                return;
            }
            room -= 1;
            self.clients[number].out[at].sent = true;
            if out.recorded {
                sometimes!(self.shadow.reached, "PUBREL sent again");
                let bytes = packets::ack(self.version(number), PacketType::Pubrel, out.id);
                self.say(number, &bytes, Sent::Pubrel { id: out.id });
            } else {
                if out.again {
                    sometimes!(self.shadow.reached, "PUBLISH sent again");
                }
                self.write_publish(number, &out);
            }
        }
    }

    fn write_publish(&mut self, number: usize, out: &Out) {
        let message = self.shadow.messages[out.message as usize].clone();
        let own = &*self.own_name(number, &message.topic);
        let client = &mut self.clients[number];
        let mut alias = 0;
        if client.aliases_max > 0 && self.rng.chance(1, 3) {
            alias = self.rng.between(1, usize::from(client.aliases_max)) as u16;
        }
        let known = alias > 0 && client.aliases.get(&alias).is_some_and(|topic| topic == own);
        if alias > 0 {
            sometimes!(self.shadow.reached, "topic alias to the broker");
            client.aliases.insert(alias, own.to_string());
        }
        let payload = if message.empty { Vec::new() } else { packets::payload(out.message, message.len) };
        let letter = Letter {
            topic: if known { "" } else { own },
            payload: &payload,
            qos: message.qos,
            retain: message.retain,
            dup: out.again,
            id: out.id,
            alias,
            expiry_s: message.expiry_s,
        };
        let bytes = packets::publish(&letter, self.version(number));
        self.say(number, &bytes, Sent::Publish { message: out.message, id: out.id });
    }

    /// A client subscribes. All filters of one packet have one subscription identifier.
    pub fn subscribe(&mut self, number: usize, mut wanted: Vec<Wanted>) {
        let client = &mut self.clients[number];
        let known = wanted.len() == 1 && client.subs.get(&wanted[0].filter) == Some(&wanted[0]);
        if !known {
            client.next_sub += 1;
            let number = if wanted[0].id > 0 { client.next_sub } else { 0 };
            wanted.iter_mut().for_each(|one| one.id = number);
        }
        let id = client.new_id();
        client.asked.insert(id, Asked::Subscribe(wanted.clone()));
        let bytes = packets::subscribe(self.version(number), id, &wanted);
        self.say(number, &bytes, Sent::Subscribe(id, wanted));
    }

    /// A client unsubscribes.
    pub fn unsubscribe(&mut self, number: usize, filters: Vec<String>) {
        let client = &mut self.clients[number];
        let id = client.new_id();
        client.asked.insert(id, Asked::Unsubscribe(filters.clone()));
        let bytes = packets::unsubscribe(self.version(number), id, &filters);
        self.say(number, &bytes, Sent::Unsubscribe(id, filters));
    }

    /// A client leaves in order; before MQTT 5.0 there are neither codes nor an expiry.
    pub fn disconnect(&mut self, number: usize, code: u8, expiry_s: Option<u32>) {
        let version = self.version(number);
        let v5 = version == Version::V5;
        let (code, expiry_s) = if v5 { (code, expiry_s) } else { (0, None) };
        let Some(wire) = self.clients[number].wire else { return };
        let bytes = packets::disconnect(version, code, expiry_s);
        self.say(number, &bytes, Sent::Disconnect(code, expiry_s));
        if expiry_s == Some(0) {
            self.clients[number].kept = false;
            self.clients[number].must_start_clean = true;
        }
        let way = &mut self.wires[wire];
        way.cut(way.up.len());
        self.clients[number].leave();
    }

    /// A client's connection breaks: what was on its way up arrives in part, what was on its way down is lost.
    pub fn cut(&mut self, wire: usize) {
        let kept = self.rng.between(0, self.wires[wire].up.len());
        self.note(|world| format!("{} is cut, {kept} bytes still rise", world.name(wire)));
        let way = &mut self.wires[wire];
        way.cut(kept);
        let number = way.client;
        if way.waiting {
            sometimes!(self.shadow.reached, "cut while a question was pending");
        }
        if self.clients[number].wire == Some(wire) {
            if !self.clients[number].answers.is_empty() {
                sometimes!(self.shadow.reached, "cut with acknowledgements under way");
            }
            self.clients[number].leave();
        }
    }

    /// Time has passed for a client: it pings, or gives up on a broker that does not answer.
    pub fn client_clock(&mut self, number: usize) {
        let client = &mut self.clients[number];
        if client.deadline().is_none_or(|deadline| deadline > self.now) {
            return;
        }
        if client.pinged.is_some() {
            let wire = client.wire.expect("it is connected");
            self.cut(wire);
            return;
        }
        client.pinged = Some(self.now);
        let bytes = packets::ping(self.version(number));
        self.say(number, &bytes, Sent::Ping);
    }

    /// A bridge passes on what it hears, at the same QoS, to where nobody else publishes.
    pub(super) fn pass_on(&mut self, number: usize, delivery: &Delivery) {
        let passes = self.clients[number].plan.role == Role::Bridge && delivery.message.is_some();
        let Some(rest) = delivery.topic.strip_prefix("u/").filter(|_| passes) else { return };
        sometimes!(self.shadow.reached, "bridge passed a message on");
        let topic = format!("{BRIDGED}{rest}");
        let (qos, expiry_s) = (delivery.qos, None);
        self.publish(
            number,
            &Published { topic: &topic, qos, retain: false, empty: false, len: delivery.len - 4, expiry_s },
        );
    }

    /// Milliseconds since a client last wrote something.
    #[must_use]
    pub fn silence(&self, number: usize) -> Millis {
        self.now - self.clients[number].said
    }
}
