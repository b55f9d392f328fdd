//! From the first byte to a complete CONNECT: whose shard is it?

use super::peer::{Peer, Stage};
use super::{Adopted, Letter, Pump, Ruled};
use pondhawk_broker::{Millis, ShardId};
use pondhawk_codec::PacketType;
use pondhawk_codec::frame::{self, Step};
use pondhawk_codec::packet::Connect;

/// What the bytes of a greeting say.
enum Verdict {
    /// Not enough yet.
    Wait,
    /// The shard at hand takes it: it is at home here, or is no CONNECT that has a home.
    Stay,
    /// It is at home elsewhere.
    Move(ShardId),
}

impl<H: Ruled> Pump<H> {
    /// Looks at what a greeting has sent so far; true if the peer is now attached to this pump's shard.
    pub(super) fn greet(&mut self, token: usize, bytes: &[u8], now: Millis) -> bool {
        let Some(listener) = self.peers.get(token).map(|peer| peer.listener) else {
            return false;
        };
        match self.judge(listener, bytes) {
            Verdict::Wait => {
                if self.peers.get(token).is_some_and(|peer| peer.ended) {
                    self.drop_peer(token);
                }
                false
            }
            Verdict::Stay => {
                self.attach(token, now);
                true
            }
            Verdict::Move(home) => {
                self.hand_over(token, home, bytes);
                false
            }
        }
    }

    fn judge(&self, listener: u16, bytes: &[u8]) -> Verdict {
        let frame = match frame::next(bytes, self.settings.max_connect_packet_size as usize) {
            Ok(Step::Frame(frame)) if frame.packet_type == PacketType::Connect => frame,
            // The first byte is enough to see that it is something else. [MQTT-3.1.4-1] [MQTT3-3.1.4-1]
            Ok(Step::Need(_))
                if bytes.first().is_none_or(|first| *first == PacketType::Connect.first_byte()) =>
            {
                return Verdict::Wait;
            }
            _ => return Verdict::Stay,
        };
        let Ok(connect) = Connect::decode(&frame) else {
            return Verdict::Stay;
        };
        let rules = self.settings.listeners.get(usize::from(listener));
        let by_name = rules.is_some_and(|rules| rules.use_username_as_client_id);
        let client_id = if by_name { connect.username.unwrap_or_default() } else { connect.client_id };
        // An assigned client id is made so that its home is here.
        match self.homes.of_client(client_id) {
            home if home == self.id || client_id.is_empty() => Verdict::Stay,
            home => Verdict::Move(home),
        }
    }

    /// Makes the peer a connection of this pump's shard.
    pub(super) fn attach(&mut self, token: usize, now: Millis) {
        let Some(peer) = self.peers.get_mut(token) else {
            return;
        };
        let Stage::Greeting(greeting) = std::mem::replace(&mut peer.stage, Stage::Closing) else {
            return;
        };
        let opened = self.shard.open(now, peer.listener, greeting.address);
        peer.stage = Stage::Attached(opened.conn);
        let index = opened.conn.index as usize;
        if self.by_conn.len() <= index {
            self.by_conn.resize(index + 1, usize::MAX);
        }
        self.by_conn[index] = token;
    }

    fn hand_over(&mut self, token: usize, home: ShardId, bytes: &[u8]) {
        let Some(mut peer) = self.peers.try_remove(token) else {
            return;
        };
        // It was registered, so this can only fail if it is gone; its new home will notice.
        let _gone = self.poll.registry().deregister(peer.stream.socket().source());
        let Stage::Greeting(greeting) = peer.stage else {
            return;
        };
        let adopted = Adopted {
            stream: peer.stream,
            listener: peer.listener,
            peer: greeting.address,
            kept: bytes.to_vec(),
            ended: peer.ended,
            place: peer.place,
        };
        self.outgoing[usize::from(home.0)].push(Letter::Adopt(Box::new(adopted)));
    }

    /// A connection arrives at its home.
    pub(super) fn adopt(&mut self, now: Millis, adopted: Adopted) {
        self.opened += 1;
        let greeting = super::peer::Greeting { address: adopted.peer, serial: self.opened };
        let mut peer = Peer::new(adopted.stream, adopted.listener, Stage::Greeting(Box::new(greeting)));
        peer.kept = adopted.kept;
        peer.busy = true;
        peer.ended = adopted.ended;
        peer.place = adopted.place;
        if let Some(token) = self.register(peer) {
            self.attach(token, now);
        }
    }

    /// Greetings have a deadline that no dripping of bytes extends.
    pub(super) fn end_old_greetings(&mut self, now: Millis) {
        while let Some((due, token, serial)) = self.greetings.front().copied() {
            let current = self.peers.get(token).is_some_and(
                |peer| matches!(&peer.stage, Stage::Greeting(greeting) if greeting.serial == serial),
            );
            if current && now < due {
                return;
            }
            self.greetings.pop_front();
            if current {
                self.drop_peer(token);
            }
        }
    }
}
