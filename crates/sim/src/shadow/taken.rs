//! Packets that a shard has taken: what they change.

use super::session::{Held, Session, Sub};
use super::{Moment, Shadow};
use crate::client::packets::{Sent, Wanted, expires_at};
use crate::sometimes;
use crate::world::host::Right;
use pondhawk_codec::topic::SubscriptionFilter;
use pondhawk_codec::{PacketType, Version};

impl Shadow {
    /// A shard has taken a whole packet of a connection.
    pub fn taken(&mut self, link: usize, sent: &Sent, at: &Moment<'_>) {
        // A connection that is being closed is not listened to.
        let state = &self.links[link];
        let heard = state.live || matches!(sent, Sent::Connect(_)) && !state.ending;
        if let Some(packet_type) = packet_type(sent).filter(|_| heard) {
            self.packets[0][packet_type as usize] += 1;
        }
        if let Sent::Connect(hello) = sent {
            self.links[link].hello = Some((**hello).clone());
            if hello.user.is_none() {
                self.admit(link, at);
            }
            return;
        }
        let Some(session) = self.links[link].session.filter(|_| self.links[link].live) else { return };
        match sent {
            Sent::Connect(_) | Sent::Ping => {}
            Sent::Publish { message, id } => self.published((link, session), (*message, *id), at),
            Sent::Pubrel { id } => self.released(session, *id, at),
            Sent::Ack(packet_type, id) => self.acknowledged((link, session), (*packet_type, *id)),
            Sent::Subscribe(id, wanted) => self.subscribed((link, session), (*id, wanted), at),
            Sent::Unsubscribe(id, filters) => self.unsubscribed((link, session), (*id, filters), at),
            Sent::Disconnect(code, expiry_s) => {
                if let Some(seconds) = expiry_s {
                    self.sessions[session].keep_s = *seconds;
                    self.sessions[session].keep.push((at.step, *seconds));
                }
                if *code == 0 && self.links[link].will.take().is_some() {
                    sometimes!(self.reached, "will dropped by DISCONNECT");
                }
                if *code == 4 && self.links[link].will.is_some() {
                    sometimes!(self.reached, "DISCONNECT with will");
                }
                self.links[link].ending = true;
                self.finish(link, at);
            }
            Sent::Poison(_) => {
                sometimes!(self.reached, "protocol error punished");
                self.links[link].ending = true;
                self.finish(link, at);
            }
        }
    }

    /// The authenticator has answered.
    pub fn answered(&mut self, link: usize, accepted: bool, at: &Moment<'_>) {
        if accepted {
            self.admit(link, at);
        } else {
            sometimes!(self.reached, "connection refused");
            (self.links[link].refused, self.links[link].ending) = (true, true);
        }
    }

    fn published(&mut self, (_, session): (usize, usize), (number, id): (u32, u16), at: &Moment<'_>) {
        let client = self.sessions[session].client;
        let message = &mut self.messages[number as usize];
        let allowed = at.rules.allow(&self.clients[client].id, Right::Publish, &message.topic);
        let qos = message.qos;
        if qos > 0 {
            self.sessions[session].published.insert(id, number);
        }
        if qos == 2 && self.sessions[session].inbox.contains_key(&id) {
            sometimes!(self.reached, "QoS 2 message received again");
            return;
        }
        if !allowed {
            sometimes!(self.reached, "publish refused");
            (message.refused, message.was_refused) = (true, true);
            return;
        }
        message.refused = false;
        message.expires_at = expires_at(at.now, message.expiry_s);
        if qos == 2 {
            self.sessions[session].inbox.insert(id, number);
            let held = Held { id, message: number, from: at.step, until: None };
            self.sessions[session].held.push(held);
        } else {
            self.route(number, at);
        }
    }

    fn released(&mut self, session: usize, id: u16, at: &Moment<'_>) {
        let Some(number) = self.sessions[session].inbox.remove(&id) else { return };
        let Session { client, keep_s, held, .. } = &mut self.sessions[session];
        let (client, kept) = (*client, *keep_s > 0);
        for held in held.iter_mut().filter(|held| held.id == id && held.until.is_none()) {
            held.until = Some(at.step);
        }
        let message = &mut self.messages[number as usize];
        message.transaction = kept;
        if at.rules.allow(&self.clients[client].id, Right::Publish, &message.topic) {
            self.route(number, at);
        } else {
            sometimes!(self.reached, "right to publish revoked between PUBLISH and PUBREL");
            message.refused = true;
        }
    }

    fn acknowledged(&mut self, (link, session): (usize, usize), (packet_type, id): (PacketType, u16)) {
        if packet_type != PacketType::Pubrec {
            self.links[link].inflight.remove(&id);
            self.sessions[session].ids.remove(&id);
        }
    }

    fn subscribed(
        &mut self,
        (link, session): (usize, usize),
        (id, wanted): (u16, &[Wanted]),
        at: &Moment<'_>,
    ) {
        let client = self.sessions[session].client;
        let mut owed = Vec::new();
        for one in wanted {
            let filter = self.mounted(client, &one.filter);
            let inner = SubscriptionFilter::parse(&filter).map_or("", |parsed| parsed.filter).to_string();
            let qos = one.options.qos.as_u8();
            if !at.rules.allow(&self.clients[client].id, Right::Subscribe, &inner) {
                sometimes!(self.reached, "subscribe refused");
                let code = match self.clients[client].version {
                    Version::V31 => qos,
                    Version::V311 => 0x80,
                    Version::V5 => 0x87,
                };
                // A subscription that was there before stays as it was.
                owed.push((String::new(), code));
                continue;
            }
            owed.push((filter.clone(), qos));
            let sub = Sub {
                shared: inner != filter,
                inner,
                qos,
                no_local: one.options.no_local,
                as_published: one.options.retain_as_published,
                id: one.id,
                from: at.step,
                sure: None,
                end: None,
                filter,
            };
            self.add_sub(session, sub);
        }
        self.links[link].subacks.insert(id, (at.step, owed));
    }

    /// A subscription takes the place of the one with the same filter. If it says the same, that one goes on.
    fn add_sub(&mut self, session: usize, sub: Sub) {
        if let Some(old) = self.sessions[session].sub_mut(&sub.filter) {
            let same = (old.qos, old.no_local, old.as_published, old.id)
                == (sub.qos, sub.no_local, sub.as_published, sub.id);
            if same {
                return;
            }
            old.end = Some(sub.from);
        }
        self.sessions[session].subs.push(sub);
    }

    fn unsubscribed(
        &mut self,
        (link, session): (usize, usize),
        (id, filters): (u16, &[String]),
        at: &Moment<'_>,
    ) {
        let client = self.sessions[session].client;
        let mut owed = Vec::new();
        for filter in filters {
            let filter = self.mounted(client, filter);
            let state = &mut self.sessions[session];
            let under_way = !state.ids.is_empty();
            let there = state.subs.iter().position(|sub| sub.end.is_none() && sub.filter == filter);
            owed.push(there);
            if let Some(place) = there {
                state.subs[place].end = Some(at.step);
                if under_way {
                    sometimes!(self.reached, "unsubscribed with messages under way");
                }
            }
        }
        self.links[link].unsubacks.insert(id, owed);
    }
}

/// The type of a packet, if a shard counts it.
fn packet_type(sent: &Sent) -> Option<PacketType> {
    Some(match sent {
        Sent::Connect(_) => PacketType::Connect,
        Sent::Publish { .. } => PacketType::Publish,
        Sent::Pubrel { .. } => PacketType::Pubrel,
        Sent::Ack(packet_type, _) => *packet_type,
        Sent::Subscribe(..) => PacketType::Subscribe,
        Sent::Unsubscribe(..) => PacketType::Unsubscribe,
        Sent::Ping => PacketType::Pingreq,
        Sent::Disconnect(..) => PacketType::Disconnect,
        Sent::Poison(counted) => return *counted,
    })
}
