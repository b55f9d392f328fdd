//! Messages of QoS 1 and 2 on their way to the server, in the order in which they were published.
//!
//! ```text
//!              QoS 1:  Waiting ── PUBLISH ──▶ Puback ── PUBACK ──▶ done
//!              QoS 2:  Waiting ── PUBLISH ──▶ Pubrec ── PUBREC, PUBREL ──▶ Pubcomp ── PUBCOMP ──▶ done
//!   connection lost:   Waiting (DUP) ◀── Puback, Pubrec          Pubcomp: PUBREL again
//! ```

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use pondhawk_codec::{PacketId, PropertiesBuf, Qos};
use pondhawk_plants::planted;

/// What is awaited for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Room in the window.
    Waiting,
    /// PUBACK.
    Puback,
    /// PUBREC.
    Pubrec,
    /// PUBCOMP.
    Pubcomp,
}

/// A message of QoS 1 or 2, kept until the server has answered for it.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub(super) id: PacketId,
    pub(super) stage: Stage,
    /// It was sent on an earlier connection of the same session. [MQTT-3.3.1-1] [MQTT3-3.3.1-1]
    pub(super) dup: bool,
    pub(super) qos: Qos,
    pub(super) retain: bool,
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) properties: PropertiesBuf,
}

impl Outgoing {
    fn bytes(&self) -> usize {
        self.topic.len() + self.payload.len() + self.properties.as_properties().as_bytes().len()
    }
}

/// The messages, oldest first.
#[derive(Debug, Default)]
pub(super) struct Inflight {
    /// Gaps are messages that were answered out of order.
    slots: VecDeque<Option<Outgoing>>,
    /// The number of the first slot; numbers go up for ever.
    base: u64,
    by_id: BTreeMap<PacketId, u64>,
    /// No slot below this number is waiting.
    cursor: u64,
    /// How many are sent and unanswered.
    active: usize,
    bytes: usize,
}

impl Inflight {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn contains(&self, id: PacketId) -> bool {
        self.by_id.contains_key(&id)
    }

    pub(super) fn push(&mut self, message: Outgoing) {
        let number = self.base + self.slots.len() as u64;
        self.by_id.insert(message.id, number);
        self.bytes += message.bytes();
        self.slots.push_back(Some(message));
    }

    pub(super) fn stage(&self, id: PacketId) -> Option<Stage> {
        let number = *self.by_id.get(&id)?;
        self.slot(number).map(|message| message.stage)
    }

    /// The next message to send, if fewer than `window` are unanswered. [MQTT-4.9.0-1] [MQTT-4.9.0-2]
    pub(super) fn next_waiting(&mut self, window: usize) -> Option<&mut Outgoing> {
        if self.active >= window {
            return None;
        }
        let end = self.base + self.slots.len() as u64;
        self.cursor = self.cursor.max(self.base);
        while self.cursor < end
            && self.slot(self.cursor).is_none_or(|message| message.stage != Stage::Waiting)
        {
            self.cursor += 1;
        }
        let index = usize::try_from(self.cursor - self.base).ok()?;
        self.slots.get_mut(index)?.as_mut()
    }

    /// The message that [`next_waiting`](Self::next_waiting) gave was sent.
    pub(super) fn sent(&mut self) {
        let index = usize::try_from(self.cursor - self.base).unwrap_or(usize::MAX);
        if let Some(Some(message)) = self.slots.get_mut(index) {
            message.stage = match message.qos {
                Qos::ExactlyOnce => Stage::Pubrec,
                Qos::AtMostOnce | Qos::AtLeastOnce => Stage::Puback,
            };
            self.active += 1;
            self.cursor += 1;
        }
    }

    /// PUBREC came: what is kept from here on is the identifier, and PUBLISH is not sent again. [MQTT-4.3.3-5]
    /// [MQTT-4.3.3-6] [MQTT3-4.3.3-1]
    pub(super) fn received(&mut self, id: PacketId) {
        let Some(index) = self.by_id.get(&id).and_then(|n| usize::try_from(n - self.base).ok()) else {
            return;
        };
        if let Some(Some(message)) = self.slots.get_mut(index) {
            self.bytes -= message.bytes();
            message.topic = String::new();
            message.payload = Vec::new();
            message.properties = PropertiesBuf::new();
            message.stage = Stage::Pubcomp;
        }
    }

    /// The message is answered for, or given up: its identifier is free. [MQTT-4.3.2-3] [MQTT-4.3.3-3]
    /// [MQTT-4.4.0-2] [MQTT3-2.3.1-3] [MQTT3-4.3.2-1]
    pub(super) fn remove(&mut self, id: PacketId) {
        let Some(number) = self.by_id.remove(&id) else {
            return;
        };
        let index = usize::try_from(number - self.base).unwrap_or(usize::MAX);
        if let Some(message) = self.slots.get_mut(index).and_then(Option::take) {
            self.bytes -= message.bytes();
            if message.stage != Stage::Waiting {
                self.active -= 1;
            }
        }
        while let Some(None) = self.slots.front() {
            self.slots.pop_front();
            self.base += 1;
        }
    }

    /// A new connection: messages that were sent wait again. Returns the identifiers of those that only want
    /// their PUBREL sent again.
    pub(super) fn resume(&mut self, dup: bool) -> Vec<PacketId> {
        let mut released = Vec::new();
        self.cursor = self.base;
        for message in self.slots.iter_mut().flatten() {
            match message.stage {
                Stage::Waiting => message.dup &= dup,
                Stage::Puback | Stage::Pubrec => {
                    message.stage = Stage::Waiting;
                    message.dup = dup && !planted!(ClientDupNotSet);
                }
                Stage::Pubcomp => released.push(message.id),
            }
        }
        self.active = released.len();
        released
    }

    fn slot(&self, number: u64) -> Option<&Outgoing> {
        let index = usize::try_from(number.checked_sub(self.base)?).ok()?;
        self.slots.get(index)?.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: u16, qos: Qos) -> Outgoing {
        Outgoing {
            id: PacketId::new(id).expect("not zero"),
            stage: Stage::Waiting,
            dup: false,
            qos,
            retain: false,
            topic: String::from("t"),
            payload: Vec::from(*b"payload"),
            properties: PropertiesBuf::new(),
        }
    }

    fn send_all(inflight: &mut Inflight, window: usize) -> Vec<(u16, bool)> {
        let mut sent = Vec::new();
        while let Some(message) = inflight.next_waiting(window) {
            sent.push((message.id.get(), message.dup));
            inflight.sent();
        }
        sent
    }

    #[test]
    fn the_window_moves_with_the_answers() {
        let mut inflight = Inflight::default();
        for id in 1..=5 {
            inflight.push(message(id, Qos::AtLeastOnce));
        }
        assert_eq!(send_all(&mut inflight, 2), [(1, false), (2, false)]);
        inflight.remove(PacketId::new(2).expect("not zero"));
        assert_eq!(send_all(&mut inflight, 2), [(3, false)]);
        inflight.remove(PacketId::new(1).expect("not zero"));
        inflight.remove(PacketId::new(3).expect("not zero"));
        assert_eq!(send_all(&mut inflight, 2), [(4, false), (5, false)]);
        assert_eq!((inflight.len(), inflight.bytes()), (2, 16));
    }

    #[test]
    fn a_new_connection_keeps_the_order() {
        let mut inflight = Inflight::default();
        for id in 1..=4 {
            inflight.push(message(id, Qos::ExactlyOnce));
        }
        send_all(&mut inflight, 3);
        let second = PacketId::new(2).expect("not zero");
        inflight.received(second);
        assert_eq!(inflight.resume(true), [second]);
        assert_eq!(send_all(&mut inflight, 3), [(1, true), (3, true)]);
        assert_eq!(inflight.stage(second), Some(Stage::Pubcomp));
        inflight.remove(second);
        assert_eq!(send_all(&mut inflight, 3), [(4, false)]);
    }
}
