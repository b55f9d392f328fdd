//! What waits for a client goes out: order, window, expiry, size, and the members of shared groups.

use super::Broker;
use super::publish::parse;
use super::sent::{Outgoing, Sent};
use super::session::{Connection, Inflight, Message, Millis, Queued, Session};
use pondhawk_codec::{PacketType, Version};
use std::rc::Rc;

/// A message for one member of a shared group, as long as nobody has seen which one got it.
#[derive(Debug)]
pub(super) struct Undecided {
    /// Those of whom one gets it: client identifier, and the message as it would get it. [MQTT-4.8.2-3]
    candidates: Vec<(String, Queued)>,
    /// It may have been dropped lawfully, with the session, say, of the member that got it.
    excused: bool,
}

impl Undecided {
    /// Members whose client is there come first: see `docs/mqtt.md`.
    pub(super) fn new(sessions: &[Session], group: &str, message: &Rc<Message>) -> Undecided {
        debug_assert!(parse(group).share.is_some());
        let member = |session: &&Session| session.subscriptions.iter().any(|one| one.filter == group);
        let members: Vec<&Session> = sessions.iter().filter(member).collect();
        let any_there = members.iter().any(|session| session.connection.is_some());
        let mut undecided = Undecided { candidates: Vec::new(), excused: false };
        for session in members.iter().filter(|session| session.connection.is_some() == any_there) {
            for subscription in session.subscriptions.iter().filter(|one| one.filter == group) {
                let entry = Queued::live(subscription, message);
                // It is not kept for a client that is away, but that client may be on its way back.
                undecided.excused |= !any_there && entry.qos == 0;
                undecided.candidates.push((session.client.clone(), entry));
            }
        }
        undecided
    }

    /// The client's session is gone, and maybe the message with it. [MQTT-4.8.2-5]
    pub(super) fn forget(&mut self, client: &str) {
        let before = self.candidates.len();
        self.candidates.retain(|(candidate, _)| candidate != client);
        self.excused |= self.candidates.len() < before;
    }
}

impl Broker {
    /// How many messages are held for clients, at least and at the most: retained messages that a subscription is
    /// still to get need not be taken from their place before it is their turn.
    #[must_use]
    pub fn held(&self) -> (usize, usize) {
        let inflight: usize = self.sessions.iter().map(|session| session.inflight.len()).sum();
        let queue = || self.sessions.iter().flat_map(|session| &session.queue);
        let least = inflight + queue().filter(|entry| !entry.optional && !entry.replay).count();
        (least, inflight + queue().count() + self.undecided.len())
    }

    /// Everything that can be sent is sent; what is seen to be decided is decided.
    pub(super) fn settle(&mut self) {
        for at in 0..self.sessions.len() {
            self.serve(at);
        }
        self.decide();
        for session in &mut self.sessions {
            let window = session.connection.map(|connection| self.connections[connection].window);
            if window.is_some_and(|window| session.has_room(window) && session.is_idle()) {
                session.close();
            }
        }
        self.witness = super::Witness::default();
    }

    /// What waits for the client of a connection.
    pub(super) fn serve_connection(&mut self, connection: usize) {
        let client = self.connections[connection].client.clone();
        if let Some(at) = client.and_then(|client| self.find_session(&client)) {
            self.serve(at);
        }
    }

    fn serve(&mut self, at: usize) {
        let Some(connection) = self.sessions[at].connection else {
            return;
        };
        self.resend(at, connection);
        while let Some(entry) = self.next(at, connection) {
            let mut packet = entry.packet(self.now, self.connections[connection].version);
            let seen = self.witness.followed(connection, &packet);
            if packet.qos > 0 {
                packet.id = self.sessions[at].free_id(seen);
                self.sessions[at].inflight.push(Inflight {
                    id: packet.id,
                    entry,
                    released: false,
                    sent: true,
                });
            }
            self.send(connection, Sent::Publish(packet));
        }
    }

    /// What was not finished on an earlier connection, in order, as far as the window goes.
    /// [MQTT-4.4.0-1] [MQTT-3.3.1-1] [MQTT-4.3.3-6]
    fn resend(&mut self, at: usize, connection: usize) {
        let mut index = 0;
        while index < self.sessions[at].inflight.len().min(self.connections[connection].window) {
            let entry = &mut self.sessions[at].inflight[index];
            let sent = std::mem::replace(&mut entry.sent, true);
            let (id, released) = (entry.id, entry.released);
            index += 1;
            if sent {
                continue;
            }
            if released {
                self.send(connection, Sent::Ack(PacketType::Pubrel, id, 0));
                continue;
            }
            let state = &self.connections[connection];
            let mut packet = entry.entry.packet(self.now, state.version);
            if packet.frame_len(state.version) > state.packet_max {
                // As if it had been sent [MQTT-3.1.2-25]; of QoS 2 the client may have had it, so that it needs PUBREL.
                index -= 1;
                if packet.qos == 2 {
                    let entry = &mut self.sessions[at].inflight[index];
                    (entry.released, entry.sent) = (true, false);
                } else {
                    self.sessions[at].inflight.remove(index);
                }
                continue;
            }
            (packet.id, packet.dup) = (id, true);
            self.witness.followed(connection, &packet);
            self.send(connection, Sent::Publish(packet));
        }
    }

    /// Takes the next message that may go out to the session's client.
    fn next(&mut self, at: usize, connection: usize) -> Option<Queued> {
        let (now, state, session) = (self.now, &self.connections[connection], &mut self.sessions[at]);
        for entry in &mut session.queue {
            // Both are dropped when it is their turn. [MQTT-3.1.2-25] [MQTT-3.3.2-5]
            entry.optional |= entry.is_too_large(now, state) || entry.message.is_expired(now);
        }
        let room = session.has_room(state.window);
        let may_go = |entry: &Queued| (entry.qos == 0 || room) && !entry.message.is_expired(now);
        let seen = self.witness.next(connection);
        let wanted = |entry: &Queued| {
            seen.is_some_and(|seen| {
                may_go(entry)
                    && !entry.is_too_large(now, state)
                    && entry.packet(now, state.version).is_like(seen)
            })
        };
        let queue = &session.queue;
        let in_turn = |index: &usize| !queue[..*index].iter().any(|earlier| earlier.precedes(&queue[*index]));
        let seen_next = |optional: bool| {
            let fits = |index: &usize| queue[*index].optional == optional && wanted(&queue[*index]);
            (0..queue.len()).find(|index| fits(index) && in_turn(index))
        };
        if let Some(index) = seen_next(false) {
            return Some(session.queue.remove(index));
        }
        let client = &session.client;
        let shared = |undecided: &Undecided| {
            undecided.candidates.iter().position(|(candidate, entry)| candidate == client && wanted(entry))
        };
        let shared = self.undecided.iter().enumerate().find_map(|(n, one)| Some((n, shared(one)?)));
        if let Some((n, member)) = shared {
            return Some(self.undecided.remove(n).candidates.swap_remove(member).1);
        }
        if let Some(index) = seen_next(true) {
            return Some(session.queue.remove(index));
        }
        // Nothing seen, or nothing lawful: its own choice.
        let free = |entry: &Queued| may_go(entry) && !entry.optional && (room || !entry.replay);
        let index = (0..queue.len()).find(|index| free(&queue[*index]) && in_turn(index))?;
        Some(session.queue.remove(index))
    }

    /// A message that every candidate could have taken at once, and none did, goes to the first of them.
    fn decide(&mut self) {
        let (now, sessions) = (self.now, &self.sessions);
        let idle = |client: &String| {
            let session = sessions.iter().find(|session| session.client == *client);
            session.is_some_and(|session| {
                session.connection.is_some_and(|connection| {
                    session.is_idle() && session.has_room(self.connections[connection].window)
                })
            })
        };
        let too_large = |(client, entry): &(String, Queued)| {
            let session = sessions.iter().find(|session| session.client == *client);
            let connection = session.and_then(|session| session.connection);
            connection.is_some_and(|connection| entry.is_too_large(now, &self.connections[connection]))
        };
        let mut given = Vec::new();
        self.undecided.retain_mut(|undecided| {
            let Some((first, entry)) = undecided.candidates.first() else {
                return false;
            };
            undecided.excused |= undecided.candidates.iter().any(too_large) || entry.message.is_expired(now);
            let all_idle = undecided.candidates.iter().all(|(client, _)| idle(client));
            if all_idle && !undecided.excused {
                given.push((first.clone(), entry.clone()));
            }
            !all_idle
        });
        for (client, entry) in given {
            let at = self.find_session(&client).expect("an idle candidate has a session");
            self.sessions[at].queue.push(entry);
            self.serve(at);
        }
    }
}

impl Session {
    /// The window is open. [MQTT-3.3.4-9]
    fn has_room(&self, window: usize) -> bool {
        self.inflight.len() < window && self.inflight.iter().all(|entry| entry.sent)
    }

    /// Nothing waits for the client.
    fn is_idle(&self) -> bool {
        self.queue.iter().all(|entry| entry.optional) && self.inflight.iter().all(|entry| entry.sent)
    }

    /// Once the client has all that waited for it, nothing that was optional is sent any more.
    fn close(&mut self) {
        self.queue.clear();
        for subscription in &mut self.subscriptions {
            subscription.replaying = false;
        }
    }

    /// A packet id that is not in use: the one that was seen, if it is one. [MQTT-2.2.1-4]
    fn free_id(&self, seen: Option<u16>) -> u16 {
        let free = |id: &u16| *id != 0 && self.inflight.iter().all(|entry| entry.id != *id);
        let own = || (1..=u16::MAX).find(free).expect("a window is smaller");
        seen.filter(free).unwrap_or_else(own)
    }
}

impl Queued {
    /// The PUBLISH, without its packet id.
    fn packet(&self, now: Millis, version: Version) -> Outgoing {
        let message = &self.message;
        let v5 = version == Version::V5;
        // [MQTT-3.3.2-6]
        let left = |at: Millis| u32::try_from(at.saturating_sub(now).div_ceil(1000)).unwrap_or(u32::MAX);
        Outgoing {
            topic: message.topic.clone(),
            payload: message.payload.clone(),
            qos: self.qos,
            retain: self.retain,
            dup: false,
            id: 0,
            // [MQTT-3.3.4-3] [MQTT-3.3.4-5]
            subscriptions: self.subscription.into_iter().filter(|_| v5).collect(),
            expiry_s: message.expires_at.filter(|_| v5).map(left),
            properties: if v5 { message.properties.clone() } else { Vec::new() },
        }
    }

    /// [MQTT-3.1.2-24]
    fn is_too_large(&self, now: Millis, connection: &Connection) -> bool {
        self.packet(now, connection.version).frame_len(connection.version) > connection.packet_max
    }

    /// True if this one, which came before `later`, must also go before it: the order of one publisher, topic and
    /// QoS, for one subscription. [MQTT-4.6.0-5]
    fn precedes(&self, later: &Queued) -> bool {
        !self.optional
            && self.replay == later.replay
            && self.filter == later.filter
            && self.qos == later.qos
            && self.message.publisher == later.message.publisher
            && self.message.topic == later.message.topic
    }
}
