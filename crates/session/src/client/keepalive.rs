//! Time: how long CONNACK may take, when to send PINGREQ, how long its answer may take.

use super::event::{Cause, Trace, TracedPacket};
use super::{Client, State};
use pondhawk_codec::{Packet, PacketType};

/// What is due, and when.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct KeepAlive {
    /// The interval of the connection in milliseconds; 0 turns it off.
    interval_ms: u64,
    /// The last time that a packet went out or came in, whichever was longer ago.
    sent_at: u64,
    received_at: u64,
    /// When the PINGREQ that waits for its answer was sent.
    ping_at: Option<u64>,
    /// When CONNACK is late.
    connack_by: Option<u64>,
}

/// What time demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Nothing,
    Ping,
    Late(Which),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    Connack,
    Pingresp,
}

impl KeepAlive {
    /// CONNECT is sent: CONNACK has until `timeout_ms` from now, 0 for ever.
    pub(super) fn handshake(&mut self, now: u64, timeout_ms: u64) {
        *self = KeepAlive {
            sent_at: now,
            received_at: now,
            connack_by: (timeout_ms > 0).then(|| now.saturating_add(timeout_ms)),
            ..KeepAlive::default()
        };
    }

    /// CONNACK came: the interval is ours, or the server's if it named one. [MQTT-3.2.2-21]
    pub(super) fn online(&mut self, seconds: u16) {
        self.connack_by = None;
        self.interval_ms = u64::from(seconds) * 1000;
    }

    pub(super) fn sent(&mut self, now: u64) {
        self.sent_at = now;
    }

    pub(super) fn received(&mut self, now: u64) {
        self.received_at = now;
    }

    pub(super) fn pong(&mut self) {
        self.ping_at = None;
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        if self.connack_by.is_some() {
            return self.connack_by;
        }
        if self.interval_ms == 0 {
            return None;
        }
        let since = self.ping_at.unwrap_or(self.sent_at.min(self.received_at));
        Some(since.saturating_add(self.interval_ms))
    }

    fn due(&self, now: u64) -> Due {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            Due::Nothing
        } else if self.connack_by.is_some() {
            Due::Late(Which::Connack)
        } else if self.ping_at.is_some() {
            Due::Late(Which::Pingresp)
        } else {
            Due::Ping
        }
    }
}

impl Client {
    /// Time has passed. Sends PINGREQ when nothing went out, or nothing came in, for the keep-alive interval
    /// [MQTT-3.1.2-20] [MQTT3-3.1.2-23], and ends the connection when an answer is late by as much.
    pub fn tick(&mut self, now: u64) {
        if self.state == State::Offline {
            return;
        }
        match self.keep_alive.due(now) {
            Due::Nothing => {}
            Due::Late(Which::Connack) => self.end(Cause::ConnectTimeout),
            Due::Late(Which::Pingresp) => self.end(Cause::KeepAliveTimeout),
            Due::Ping => {
                self.trace(|| Trace::Sent(TracedPacket::Plain(PacketType::Pingreq)));
                self.write_small(&Packet::Pingreq, now);
                self.keep_alive.ping_at = Some(now);
            }
        }
    }
}
