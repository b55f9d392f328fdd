//! Packets that a shard has let go: each is checked against what the model knows.

use super::session::{IdUse, Session};
use super::{Moment, SYSTEM, Shadow};
use crate::client::packets::{Delivery, Got};
use crate::plan::MOUNT;
use crate::sometimes;
use crate::world::host::Right;
use pondhawk_codec::{PacketType, Version};

impl Shadow {
    /// A shard has let a whole packet go to a connection.
    pub fn emitted(&mut self, link: usize, got: &mut Got, at: &Moment<'_>) {
        self.packets[1][packet_type(got) as usize] += 1;
        match got {
            Got::Connack(present, code, ..) => self.connack(link, (*present, *code), at),
            Got::Publish(delivery) => self.delivered(link, delivery, at),
            Got::Ack(PacketType::Pubrel, id, _) => self.pubrel(link, *id, at),
            Got::Ack(packet_type, id, code) => self.ack(link, (*packet_type, *id, *code), at),
            Got::Suback(id, codes) => self.suback(link, *id, codes, at),
            Got::Unsuback(id, codes) => self.unsuback(link, *id, codes, at),
            Got::Pingresp | Got::Disconnect(_) => {}
        }
    }

    /// I5: session present is the truth.
    fn connack(&mut self, link: usize, (present, code): (bool, u8), at: &Moment<'_>) {
        if let Some(session) = self.links[link].session {
            self.check_durable(session, self.sessions[session].began, ("CONNACK", at));
        }
        let state = &mut self.links[link];
        let client = &self.clients[state.client];
        let expected = state.present && client.version != Version::V31 && !state.refused;
        state.greeted = true;
        let text = if (code == 0) == state.refused {
            format!("CONNACK to {} has code {code:#x}, but refused is {}", client.id, state.refused)
        } else if present != expected {
            format!("CONNACK to {} says session present {present}, the truth is {expected}", client.id)
        } else {
            return;
        };
        self.fail("I5", text);
    }

    /// What a kept session is told is durable before.
    fn check_durable(&mut self, session: usize, step: u64, (what, at): (&str, &Moment<'_>)) {
        let Session { keep_s, client, .. } = self.sessions[session];
        if self.persistent && keep_s > 0 && step > at.durable {
            let id = &self.clients[client].id;
            let text = format!("{what} to {id} for what happened in step {step}; durable is {}", at.durable);
            self.fail("I1", text);
        }
    }

    fn suback(&mut self, link: usize, id: u16, codes: &[u8], at: &Moment<'_>) {
        let Some((taken, owed)) = self.links[link].subacks.remove(&id) else {
            return self.fail("I9", format!("SUBACK {id} answers nothing"));
        };
        if !owed.iter().map(|(_, code)| *code).eq(codes.iter().copied()) {
            let client = &self.clients[self.links[link].client].id;
            return self
                .fail("I8", format!("SUBACK {id} to {client} has the codes {codes:?}, owed were {owed:?}"));
        }
        let Some(session) = self.links[link].session else { return };
        if owed.iter().any(|(filter, _)| !filter.is_empty()) {
            self.check_durable(session, taken, ("SUBACK", at));
        }
        if taken < at.step {
            sometimes!(self.reached, "SUBACK waited for another shard");
        }
        for (filter, _) in owed {
            // It may have been replaced by a later SUBSCRIBE, which has an answer of its own.
            if let Some(sub) = self.sessions[session].sub_mut(&filter).filter(|sub| sub.from <= taken) {
                sub.sure.get_or_insert(at.step);
            }
        }
    }

    fn unsuback(&mut self, link: usize, id: u16, codes: &[u8], at: &Moment<'_>) {
        let Some(owed) = self.links[link].unsubacks.remove(&id) else {
            return self.fail("I9", format!("UNSUBACK {id} answers nothing"));
        };
        if let Some(session) = self.links[link].session {
            let ends = owed.iter().flatten().filter_map(|at| self.sessions[session].subs[*at].end);
            if let Some(last) = ends.max() {
                self.check_durable(session, last, ("UNSUBACK", at));
            }
        }
        let codes_owed = owed.iter().map(|sub| if sub.is_some() { 0 } else { 0x11 });
        if self.clients[self.links[link].client].version == Version::V5
            && !codes_owed.eq(codes.iter().copied())
        {
            self.fail("I6", format!("UNSUBACK {id} has the codes {codes:?}, and there were {owed:?}"));
        }
    }

    /// An acknowledgement to a publisher.
    fn ack(&mut self, link: usize, (packet_type, id, code): (PacketType, u16, u8), at: &Moment<'_>) {
        let Some(session) = self.links[link].session else { return };
        let Some(number) = self.sessions[session].published.get(&id).copied() else {
            return self.fail("I9", format!("{} {id} answers nothing", packet_type.name()));
        };
        let v5 = self.clients[self.links[link].client].version == Version::V5;
        let message = &mut self.messages[number as usize];
        let refused = code >= 0x80;
        if v5 && packet_type != PacketType::Pubcomp && refused != message.refused {
            let text = format!("{} {id} of message {number} has code {code:#x}", packet_type.name());
            return self.fail("I8", text);
        }
        let fits = match packet_type {
            PacketType::Puback => message.qos == 1,
            _ => message.qos == 2,
        };
        if !fits {
            let text = format!("{} {id} for a message of QoS {}", packet_type.name(), message.qos);
            return self.fail("I9", text);
        }
        let held = self.sessions[session].held.iter().rev().find(|held| held.message == number);
        if let (PacketType::Pubrec, Some(from)) = (packet_type, held.map(|held| held.from)) {
            self.check_durable(session, from, ("PUBREC", at));
        }
        let message = &mut self.messages[number as usize];
        if packet_type != PacketType::Pubrec && !message.refused {
            message.acked = Some(at.step);
        }
    }

    fn pubrel(&mut self, link: usize, id: u16, _at: &Moment<'_>) {
        let Some(session) = self.links[link].session else { return };
        let Some(known) = self.sessions[session].ids.get_mut(&id) else { return };
        let again = known.released && known.link != link;
        (known.released, known.link) = (true, link);
        let (qos, order) = (known.qos, known.order);
        if again {
            sometimes!(self.reached, "PUBREL from the broker sent again");
            self.check_again(link, (1, order), id);
        }
        if qos != 2 {
            self.fail("I9", format!("PUBREL {id} for a message of QoS {qos}"));
        }
    }

    /// I3: what is sent again keeps its order.
    fn check_again(&mut self, link: usize, (kind, order): (usize, u64), id: u16) {
        let last = std::mem::replace(&mut self.links[link].again[kind], order);
        if last > order {
            self.fail("I3", format!("packet {id} is sent again behind one that was sent later"));
        }
    }

    /// A PUBLISH to a client.
    fn delivered(&mut self, link: usize, delivery: &mut Delivery, at: &Moment<'_>) {
        let Some(session) = self.links[link].session else {
            return self.fail("I5", "PUBLISH to a client that was not let in".into());
        };
        let client = self.links[link].client;
        self.resolve_alias(link, delivery);
        let topic = match self.clients[client].listener {
            0 => delivery.topic.clone(),
            _ => {
                sometimes!(self.reached, "message under a mount point delivered");
                format!("{MOUNT}{}", delivery.topic)
            }
        };
        let allowed = self.rules[at.since.1..=at.rules.version]
            .iter()
            .any(|rules| rules.allow(&self.clients[client].id, Right::Receive, &topic));
        if !allowed {
            let text = format!("{} was sent {topic} without the right to it", self.clients[client].id);
            self.fail("I8", text);
        }
        // What a connection is sent after its end was made before, and its session may be another's by now.
        if delivery.qos > 0 && self.links[link].live {
            self.check_id((link, session), delivery, &topic);
        }
        self.check_content((link, session), delivery, &topic, at);
        delivery.topic = topic;
    }

    fn resolve_alias(&mut self, link: usize, delivery: &mut Delivery) {
        let Some(alias) = delivery.alias else { return };
        sometimes!(self.reached, "topic alias from the broker");
        let plan = &self.clients[self.links[link].client];
        if alias > plan.aliases {
            let text = format!("alias {alias} to {}, who takes {}", plan.id, plan.aliases);
            self.fail("I9", text);
        }
        if !delivery.topic.is_empty() {
            self.links[link].aliases.insert(alias, delivery.topic.clone());
        } else if let Some(topic) = self.links[link].aliases.get(&alias) {
            delivery.topic.clone_from(topic);
        } else {
            self.fail("I9", format!("alias {alias} was never set"));
        }
    }

    /// I9: packet identifiers are unique in flight, and no more are in flight than the client takes.
    fn check_id(&mut self, (link, session): (usize, usize), delivery: &Delivery, topic: &str) {
        let id = delivery.id;
        let state = &mut self.sessions[session];
        let known = state.ids.get(&id).cloned();
        let again = match &known {
            None => false,
            Some(known) if known.link == link => {
                return self.fail("I9", format!("packet identifier {id} is used twice on one connection"));
            }
            Some(known) => known.message == delivery.message && known.topic == topic,
        };
        let order = match &known {
            Some(known) if again && !known.doubtful => known.order,
            _ => {
                state.deliveries += 1;
                state.deliveries
            }
        };
        let message = delivery.message;
        let (qos, topic) = (delivery.qos, topic.to_string());
        state.ids.insert(id, IdUse { message, qos, link, released: false, order, doubtful: false, topic });
        let state = &mut self.links[link];
        state.inflight.insert(id);
        let (inflight, window) = (state.inflight.len(), state.window);
        if inflight == window {
            sometimes!(self.reached, "receive maximum reached by the broker");
        }
        if inflight > window {
            self.fail("I9", format!("{inflight} messages in flight to a client that takes {window}"));
        }
        if again {
            sometimes!(self.reached, "delivery sent again with DUP");
            if known.as_ref().is_some_and(|known| !known.doubtful) {
                self.check_again(link, (0, order), id);
            }
        }
        // Output that waited for the store, or for its socket, when its connection ended was not seen.
        let attempted = self.links[link].present;
        let unknown = |known: &IdUse| known.doubtful && known.qos == 1;
        let excused = if delivery.dup { attempted } else { known.as_ref().is_some_and(unknown) };
        if again != delivery.dup && !excused {
            self.fail("I9", format!("PUBLISH {id} has DUP {}, but was sent before: {again}", delivery.dup));
        }
        match known {
            Some(known) if known.released => {
                self.fail("I2", format!("PUBLISH {id} behind its own PUBREL"));
            }
            Some(known) if !again && !unknown(&known) => self.check_dropped((session, id), &known),
            _ => {}
        }
    }

    /// An unfinished delivery may be given up only if its client must not have it any more.
    fn check_dropped(&mut self, (session, id): (usize, u16), known: &IdUse) {
        let client = self.sessions[session].client;
        if self.always_allowed(0, client, Right::Receive, &known.topic) {
            let text = format!("packet identifier {id} stands for another message than before");
            self.fail("I9", text);
        }
    }

    /// That the message is what was published, to whom it may go, and when.
    fn check_content(
        &mut self,
        (link, session): (usize, usize),
        delivery: &Delivery,
        topic: &str,
        at: &Moment<'_>,
    ) {
        let who = &self.clients[self.links[link].client].id;
        let Some(number) = delivery.message else {
            let subs = &self.sessions[session].subs;
            if !subs.iter().any(|sub| sub.matches(topic)) {
                let text = format!("{who} was sent a deletion of {topic} without a subscription");
                self.fail("I8", text);
            }
            return;
        };
        let Some(message) = self.messages.get(number as usize) else {
            return self.fail("I1", format!("message {number} was never written"));
        };
        let what = format!("message {number} ({topic}) to {who}");
        if message.topic != *topic || message.len + 4 != delivery.len {
            let text = format!("{what} had the topic {} and {} bytes", message.topic, message.len + 4);
            return self.fail("I1", text);
        }
        if message.routed.is_none() {
            return self.fail("I8", format!("{what} was not to be routed, or not yet"));
        }
        if delivery.qos > message.qos {
            let qos = message.qos;
            return self.fail("I8", format!("{what} at QoS {}, published at {qos}", delivery.qos));
        }
        if message.publisher == SYSTEM {
            sometimes!(self.reached, "$SYS message delivered");
        }
        // It may have been made earlier, and have waited for the store.
        if message.expires_at <= at.since.0 && !delivery.dup {
            self.fail("I8", format!("{what} has expired"));
        }
        self.check_expiry(number, delivery, &what, at);
        self.check_subscription((session, number), delivery, &what);
    }

    /// The expiry interval that is left is what was published, less the time since.
    fn check_expiry(&mut self, number: u32, delivery: &Delivery, what: &str, at: &Moment<'_>) {
        let message = &self.messages[number as usize];
        let Some(left) = delivery.expiry_s else { return };
        let seconds = |now: u64| message.expires_at.saturating_sub(now).div_ceil(1000);
        let (least, most) = (seconds(at.now), seconds(at.since.0));
        // What was published again expires later, and its first copy does not.
        if message.routings == 1 && !(least..=most).contains(&u64::from(left)) {
            self.fail("I8", format!("{what} says that {left} s are left, and they are {least} to {most}"));
        }
    }

    /// A subscription must ask for it, and its identifiers must be those of such subscriptions.
    fn check_subscription(&mut self, (session, number): (usize, u32), delivery: &Delivery, what: &str) {
        let message = &self.messages[number as usize];
        let (routed, until) = (message.routed.unwrap_or(0), self.routed_until(message));
        let state = &self.sessions[session];
        let matching = || state.subs.iter().filter(|sub| sub.matches(&message.topic));
        let live = |sub: &super::session::Sub| {
            let end = match sub.end {
                // The group's home may still send what it chose before it heard of the end.
                Some(end) if sub.shared => self.settled(end).unwrap_or(u64::MAX),
                end => end.unwrap_or(u64::MAX),
            };
            sub.from <= until && end >= routed && !(sub.no_local && message.publisher == state.client)
        };
        let found = if delivery.retain && !matching().any(|sub| sub.as_published) {
            matching().any(|sub| !sub.shared)
        } else {
            // An old retained message comes with RETAIN too.
            matching().any(|sub| live(sub) || delivery.retain)
        };
        let known = delivery.ids.iter().all(|id| matching().any(|sub| sub.id == *id));
        let stale =
            delivery.retain && !matching().any(|sub| sub.as_published) && self.is_stale(session, number);
        if !delivery.ids.is_empty() {
            sometimes!(self.reached, "subscription identifier delivered");
        }
        if !found {
            self.fail("I8", format!("{what} without a subscription that asks for it"));
        } else if !known {
            self.fail("I8", format!("{what} with the subscription identifiers {:?}", delivery.ids));
        } else if stale {
            self.fail("I4", format!("{what} as retained, long after it was replaced or deleted"));
        }
    }

    /// True if a retained message was replaced for good before the session ever subscribed.
    fn is_stale(&self, session: usize, number: u32) -> bool {
        let message = &self.messages[number as usize];
        let subs =
            self.sessions[session].subs.iter().filter(|sub| !sub.shared && sub.matches(&message.topic));
        let Some(first) = subs.map(|sub| sub.from).min() else { return false };
        let Some(writes) = self.retained.get(&message.topic) else { return true };
        let by = self.retained_by(number);
        writes.iter().any(|other| {
            let sure = self.messages[*other as usize].sure;
            *other != number && sure.is_some_and(|sure| sure > by) && self.retained_by(*other) < first
        })
    }
}

fn packet_type(got: &Got) -> PacketType {
    match got {
        Got::Connack(..) => PacketType::Connack,
        Got::Publish(_) => PacketType::Publish,
        Got::Ack(packet_type, ..) => *packet_type,
        Got::Suback(..) => PacketType::Suback,
        Got::Unsuback(..) => PacketType::Unsuback,
        Got::Pingresp => PacketType::Pingresp,
        Got::Disconnect(_) => PacketType::Disconnect,
    }
}
