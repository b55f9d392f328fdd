//! Readable sockets: bytes in, to the shard, and what it leaves is kept.

use super::peer::{Peer, Stage};
use super::{Pump, Ruled};
use pondhawk_broker::{ConnId, Consumed, Millis, ReadState};
use pondhawk_net::Input;
use std::collections::VecDeque;

/// Kept bytes beyond which a peer's next bytes are read behind them, not into the scratch buffer.
const COPY_MAX: usize = 32 << 10;
/// Bytes kept for a connection whose authentication takes its time.
const WAITING_MAX: usize = 128 << 10;
/// Reads of one turn at the most, so that mail and output get their turn too.
const READS_MAX: usize = 256;

impl<H: Ruled> Pump<H> {
    /// Reads each ready peer once.
    pub(super) fn read_ready(&mut self, now: Millis) {
        if self.is_pressed() {
            return;
        }
        let turns = self.ready.len().min(READS_MAX);
        for _ in 0..turns {
            let Some(token) = self.ready.pop_front() else {
                return;
            };
            let Some(peer) = self.peers.get_mut(token) else {
                continue;
            };
            peer.queued = false;
            self.read_peer(token, now);
            if let Some(peer) = self.peers.get_mut(token)
                && (peer.readable && !peer.ended || peer.busy)
                && !peer.blocked
                && !peer.queued
            {
                peer.queued = true;
                self.ready.push_back(token);
            }
        }
    }

    fn read_peer(&mut self, token: usize, now: Millis) {
        let Some(peer) = self.peers.get_mut(token) else {
            return;
        };
        if matches!(peer.stage, Stage::Closing) {
            peer.readable = false;
            peer.busy = false;
            return;
        }
        if peer.blocked {
            // It is read again once it has taken its output.
            return;
        }
        let again = std::mem::take(&mut peer.busy);
        if again && !peer.kept.is_empty() {
            let kept = std::mem::take(&mut peer.kept);
            self.handle_kept(token, kept, now);
        } else if peer.stream.is_wrapped() {
            self.read_wrapped(token, now);
        } else if peer.kept.len() > COPY_MAX {
            self.read_behind_kept(token, now);
        } else {
            self.read_plain(token, now);
        }
        self.end_if_over(token, now);
    }

    /// Reads into the scratch buffer, behind what is kept.
    fn read_plain(&mut self, token: usize, now: Millis) {
        let mut scratch = std::mem::take(&mut self.scratch);
        if let Some(peer) = self.peers.get_mut(token) {
            let kept = std::mem::take(&mut peer.kept);
            scratch[..kept.len()].copy_from_slice(&kept);
            let read = read_once(peer, &mut scratch[kept.len()..]);
            self.report.bytes_received += read as u64;
            let len = kept.len() + read;
            if read == 0 {
                peer.kept = kept;
            } else {
                self.handle(token, &scratch[..len], now);
            }
        }
        self.scratch = scratch;
    }

    /// Reads behind the kept part of a large packet, without copying that.
    fn read_behind_kept(&mut self, token: usize, now: Millis) {
        let Some(peer) = self.peers.get_mut(token) else {
            return;
        };
        let mut kept = std::mem::take(&mut peer.kept);
        let len = kept.len();
        // It grows with what has arrived, never with what a length field says.
        kept.resize(len + super::SCRATCH.max(len), 0);
        let read = read_once(peer, &mut kept[len..]);
        self.report.bytes_received += read as u64;
        kept.truncate(len + read);
        if read == 0 {
            peer.kept = kept;
        } else {
            self.handle_kept(token, kept, now);
        }
    }

    /// Reads outer bytes and handles the MQTT bytes in them.
    fn read_wrapped(&mut self, token: usize, now: Millis) {
        let mut scratch = std::mem::take(&mut self.scratch);
        if let Some(peer) = self.peers.get_mut(token) {
            let read = read_once(peer, &mut scratch);
            self.report.bytes_received += read as u64;
            let mut mqtt = std::mem::take(&mut peer.kept);
            if let Err(error) = peer.stream.unwrap(&mut scratch[..read], &mut mqtt) {
                peer.ended = true;
                if !error.is_orderly() {
                    peer.error = Some(error.to_string().into());
                }
            }
            if read > 0 {
                self.handle_kept(token, mqtt, now);
            } else {
                peer.kept = mqtt;
            }
        }
        self.scratch = scratch;
    }

    /// Handles bytes that belong to the peer, and keeps the rest in the same memory.
    fn handle_kept(&mut self, token: usize, mut bytes: Vec<u8>, now: Millis) {
        let used = self.handle_bytes(token, &bytes, now);
        if let Some(peer) = self.peers.get_mut(token)
            && used < bytes.len()
        {
            bytes.drain(..used);
            if bytes.capacity() > 4 * bytes.len().max(1024) {
                bytes.shrink_to(bytes.len());
            }
            peer.kept = bytes;
        }
    }

    /// Handles bytes of the scratch buffer, and keeps a copy of the rest.
    fn handle(&mut self, token: usize, bytes: &[u8], now: Millis) {
        let used = self.handle_bytes(token, bytes, now);
        if let Some(peer) = self.peers.get_mut(token)
            && used < bytes.len()
        {
            peer.kept = bytes[used..].to_vec();
        }
    }

    /// Gives bytes to the greeting or to the shard: how many of them are done with.
    fn handle_bytes(&mut self, token: usize, bytes: &[u8], now: Millis) -> usize {
        let greeting = match self.peers.get(token).map(|peer| &peer.stage) {
            Some(Stage::Greeting(_)) => true,
            Some(Stage::Attached(_)) => false,
            Some(Stage::Closing) | None => return bytes.len(),
        };
        if greeting && !self.greet(token, bytes, now) {
            // Moved away with its bytes, or not complete.
            return if self.peers.contains(token) { 0 } else { bytes.len() };
        }
        let Some(Stage::Attached(conn)) = self.peers.get(token).map(|peer| &peer.stage) else {
            return bytes.len();
        };
        let Consumed { used, state } = self.shard.receive(now, *conn, bytes, &mut self.fx);
        let Some(peer) = self.peers.get_mut(token) else {
            return bytes.len();
        };
        peer.busy = state == ReadState::Busy;
        peer.blocked = state == ReadState::Blocked;
        if state == ReadState::Waiting && bytes.len() - used >= WAITING_MAX {
            // More of it stays in the socket until the answer is there.
            peer.readable = false;
        }
        used
    }

    /// The answer is there: what was kept meanwhile is handled.
    pub(super) fn resume_input(&mut self, conn: ConnId) {
        let Some(token) = self.by_conn.get(conn.index as usize).copied() else {
            return;
        };
        let Some(peer) = self.peers.get_mut(token) else {
            return;
        };
        if !matches!(&peer.stage, Stage::Attached(attached) if *attached == conn) {
            return;
        }
        peer.busy = true;
        peer.readable = true;
        queue(&mut self.ready, token, peer);
    }

    /// The peer's last byte has been handled: its connection is over, unless an answer is still pending.
    fn end_if_over(&mut self, token: usize, now: Millis) {
        let Some(peer) = self.peers.get(token) else { return };
        if !peer.ended || peer.busy {
            return;
        }
        match peer.stage {
            Stage::Greeting(_) => self.drop_peer(token),
            Stage::Attached(conn) => {
                if !self.shard.is_waiting(conn) {
                    self.close_conn(token, conn, now);
                }
            }
            Stage::Closing => {}
        }
    }
}

/// Reads once and notes what that says about the socket: how many bytes came.
fn read_once(peer: &mut Peer, buffer: &mut [u8]) -> usize {
    match peer.stream.read(buffer) {
        Ok(Input::More(len)) => len,
        Ok(Input::Drained(len)) => {
            // If the other end is closed, there is an end to be read, of which no event will tell again.
            peer.readable = peer.closed && len > 0;
            len
        }
        Ok(Input::End) => {
            peer.ended = true;
            peer.readable = false;
            0
        }
        Err(error) => {
            peer.ended = true;
            peer.readable = false;
            peer.error = Some(error.to_string().into());
            0
        }
    }
}

pub(super) fn queue(ready: &mut VecDeque<usize>, token: usize, peer: &mut Peer) {
    if !peer.queued {
        peer.queued = true;
        ready.push_back(token);
    }
}
