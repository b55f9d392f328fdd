//! The effects of a turn, carried out: letters, records, one write a connection, closes.

use super::peer::Stage;
use super::{Pump, Ruled};
use pondhawk_broker::{ConnId, Effects, Millis};

impl<H: Ruled> Pump<H> {
    /// Carries out everything that the shard has asked for since the last time.
    pub(super) fn carry_out(&mut self) {
        let now = self.now();
        loop {
            self.store_records(now);
            for question in self.fx.questions.drain(..) {
                (self.ask)(self.id, question);
            }
            self.send_letters();
            self.write_dirty(now);
            self.close_finished(now);
            let Effects { dirty, close, persist, fetch, .. } = &self.fx;
            if dirty.is_empty() && close.is_empty() && persist.is_empty() && fetch.is_empty() {
                break;
            }
        }
        self.send_letters();
    }

    /// No letter leaves before the records that were made with it.
    fn store_records(&mut self, now: Millis) {
        self.append_records();
        let durable = self.store.durable();
        self.shard.durable(now, durable, &mut self.fx);
        self.shard.set_keeping(self.store.keeping(), &mut self.fx);
        self.shard.stored(self.store.stored());
        for fetched in self.store.fetched() {
            self.shard.fetched(now, fetched, &mut self.fx);
        }
        self.append_records();
        if !self.fx.fetch.is_empty() {
            self.store.fetch(&mut self.fx.fetch);
        }
    }

    fn append_records(&mut self) {
        if !self.fx.persist.is_empty() {
            let ticket = self.fx.ticket;
            self.store.append(&mut self.fx.persist, ticket);
        }
    }

    fn write_dirty(&mut self, now: Millis) {
        let mut dirty = std::mem::take(&mut self.fx.dirty);
        for conn in dirty.drain(..) {
            self.write_conn(conn, now);
        }
        // What was marked meanwhile is for the next round.
        if self.fx.dirty.is_empty() {
            self.fx.dirty = dirty;
        }
    }

    fn write_conn(&mut self, conn: ConnId, now: Millis) {
        let output = self.shard.take_output(conn);
        let Some(token) = self.token_of(conn) else { return };
        let Some(peer) = self.peers.get_mut(token) else {
            return;
        };
        let before = peer.stream.backlog();
        let written = peer.stream.write(&output);
        self.report.bytes_sent += output.len() as u64;
        self.shard.give_back(output);
        match written {
            Ok(backlog) => {
                if backlog != before {
                    self.shard.written(conn, backlog);
                }
                if backlog == 0 {
                    self.unblock(token);
                }
            }
            Err(error) => self.fail(token, conn, &error, now),
        }
    }

    /// A blocked socket has room again.
    pub(super) fn write_more(&mut self, token: usize) {
        let now = self.now();
        let Some(peer) = self.peers.get_mut(token) else {
            return;
        };
        let flushed = peer.stream.flush();
        let stage = match peer.stage {
            Stage::Attached(conn) => Some(conn),
            Stage::Greeting(_) | Stage::Closing => None,
        };
        match (flushed, stage) {
            (Ok(0), Some(conn)) => {
                self.shard.writable(now, conn, &mut self.fx);
                self.unblock(token);
            }
            (Ok(backlog), Some(conn)) => self.shard.written(conn, backlog),
            (Ok(0) | Err(_), None) => self.drop_peer(token),
            (Ok(_), None) => {}
            (Err(error), Some(conn)) => self.fail(token, conn, &error, now),
        }
    }

    /// The peer has taken its output: what it sent meanwhile is handled.
    fn unblock(&mut self, token: usize) {
        if let Some(peer) = self.peers.get_mut(token)
            && std::mem::take(&mut peer.blocked)
        {
            peer.busy = true;
            peer.readable = true;
            super::input::queue(&mut self.ready, token, peer);
        }
    }

    fn fail(&mut self, token: usize, conn: ConnId, error: &std::io::Error, now: Millis) {
        let Some(peer) = self.peers.get_mut(token) else {
            return;
        };
        // What the client sent before it went away is still handled: the end of its stream ends it.
        peer.error = Some(error.to_string().into());
        if peer.ended || matches!(peer.stage, Stage::Closing) {
            self.close_conn(token, conn, now);
            return;
        }
        peer.readable = true;
        peer.closed = true;
        peer.blocked = false;
        super::input::queue(&mut self.ready, token, peer);
    }

    fn close_finished(&mut self, now: Millis) {
        let mut close = std::mem::take(&mut self.fx.close);
        for conn in close.drain(..) {
            if let Some(token) = self.token_of(conn) {
                self.close_conn(token, conn, now);
            } else {
                self.shard.closed(now, conn, None, &mut self.fx);
            }
        }
        if self.fx.close.is_empty() {
            self.fx.close = close;
        }
    }

    /// The shard's connection ends; the stream goes once its output is written.
    pub(super) fn close_conn(&mut self, token: usize, conn: ConnId, now: Millis) {
        let output = self.shard.take_output(conn);
        let Some(peer) = self.peers.get_mut(token) else {
            return;
        };
        // If it cannot be written, there is nobody to read it.
        let _unread = peer.stream.write(&output);
        self.report.bytes_sent += output.len() as u64;
        let error = peer.error.take();
        peer.stage = Stage::Closing;
        peer.kept = Vec::new();
        let gone = peer.ended || peer.stream.backlog() == 0;
        self.shard.give_back(output);
        if let Some(place) = self.by_conn.get_mut(conn.index as usize) {
            *place = usize::MAX;
        }
        self.shard.closed(now, conn, error.as_deref(), &mut self.fx);
        if gone {
            self.drop_peer(token);
        } else {
            // A peer that does not take its last bytes is not waited for longer than a greeting.
            self.linger(token, now);
        }
    }

    fn linger(&mut self, token: usize, now: Millis) {
        self.lingering.push_back((now + self.settings.connect_timeout_ms, token));
    }

    /// Closes streams that had long enough to take their last bytes.
    pub(super) fn end_lingering(&mut self, now: Millis) {
        while let Some((due, token)) = self.lingering.front().copied() {
            let lingers = self.peers.get(token).is_some_and(|peer| matches!(peer.stage, Stage::Closing));
            if lingers && now < due {
                return;
            }
            self.lingering.pop_front();
            if lingers {
                self.drop_peer(token);
            }
        }
    }

    /// Closes a stream that has no connection.
    pub(super) fn drop_peer(&mut self, token: usize) {
        let Some(mut peer) = self.peers.try_remove(token) else {
            return;
        };
        peer.stream.close();
        // Closing the socket takes it out of the poll in any case.
        let _gone = self.poll.registry().deregister(peer.stream.socket().source());
        if self.accept_again.is_some() {
            // A file descriptor is free: do not wait to use it.
            self.accept_again = Some(0);
        }
    }

    fn token_of(&self, conn: ConnId) -> Option<usize> {
        let token = *self.by_conn.get(conn.index as usize)?;
        let peer = self.peers.get(token)?;
        matches!(&peer.stage, Stage::Attached(attached) if *attached == conn).then_some(token)
    }
}
