//! One client's session: what it holds, in the records of a shard.
//!
//! A message's packet identifier follows from its number in the session, so messages in flight get the numbers that give
//! them the identifiers under which the client knows them: QoS 2 stays exactly once across the import.

use crate::chunk::{Client, Entry, Subscription};
use crate::gather::Surroundings;
use crate::message::{Messages, moment, subscription_ids};
use crate::report::Report;
use pondhawk_broker::{Kept, Persist};
use pondhawk_codec::topic::check_filter;
use pondhawk_codec::{Qos, text};
use pondhawk_session::server::{Delivery, Millis, Seq};
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// How many packet identifiers there are.
const IDS: u64 = 65_535;
/// No Local and Retain As Published, where MQTT has them.
const OPTIONS: u8 = 0x0c;

/// Mosquitto's names for what an entry waits for.
mod state {
    pub(super) const PUBLISH_QOS1: u8 = 2;
    pub(super) const WAIT_FOR_PUBREC: u8 = 5;
    pub(super) const RESEND_PUBREL: u8 = 6;
    pub(super) const RESEND_PUBCOMP: u8 = 8;
    pub(super) const WAIT_FOR_PUBCOMP: u8 = 9;
}

/// A client's chunks.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    pub(crate) client: Client<'a>,
    pub(crate) subscriptions: Vec<Subscription<'a>>,
    pub(crate) entries: Vec<Entry<'a>>,
}

/// Where records and counts go while sessions are taken over.
#[derive(Debug)]
pub(crate) struct Takeover<'a, 's> {
    pub(crate) surroundings: &'s Surroundings<'s>,
    pub(crate) messages: Messages<'a>,
    pub(crate) records: Vec<Persist>,
    pub(crate) report: Report,
}

/// How far a message to the client is.
enum Progress {
    /// The client has not seen it.
    Queued,
    /// The client may have it.
    Sent,
    /// The client has it, and waits for PUBREL.
    Recorded,
}

impl Entry<'_> {
    fn progress(&self) -> Progress {
        match self.state {
            state::PUBLISH_QOS1..=state::WAIT_FOR_PUBREC => Progress::Sent,
            state::RESEND_PUBREL | state::WAIT_FOR_PUBCOMP => Progress::Recorded,
            _ => Progress::Queued,
        }
    }
}

impl Takeover<'_, '_> {
    /// Takes a session over, unless it has ended.
    pub(crate) fn session(&mut self, session: &Session<'_>) {
        let name = || format!("session of {}", shown(session.client.client_id));
        let client_id = match text::str_of(session.client.client_id) {
            Some(client_id) if !client_id.is_empty() => Arc::<str>::from(client_id),
            _ => return self.report.leave_out("the client identifier is not a valid one", name),
        };
        let now = self.surroundings.now_ms;
        if session.client.expiry_s == 0 {
            return self.report.leave_out("it ended with its connection", name);
        }
        let ends_at = match (session.client.expiry_s, moment(session.client.ends_at_s)) {
            (u32::MAX, _) => Millis::MAX,
            (_, Some(at)) => at,
            (seconds, None) => now + u64::from(seconds) * 1000,
        };
        if ends_at <= now {
            return self.report.leave_out("its time is over", name);
        }
        self.report.sessions += 1;
        let entries: Vec<&Entry<'_>> =
            session.entries.iter().filter(|entry| self.is_for_keeping(entry)).collect();
        let (in_flight, others): (Vec<&Entry<'_>>, Vec<&Entry<'_>>) = entries
            .into_iter()
            .partition(|entry| !entry.from_client && !matches!(entry.progress(), Progress::Queued));
        let packet_ids: Vec<u16> = in_flight.iter().map(|entry| entry.packet_id).collect();
        let mut in_flight: Vec<_> = numbers(&packet_ids).into_iter().zip(in_flight).collect();
        in_flight.sort_by_key(|(number, _)| *number);
        let sent = in_flight.last().map_or(0, |(number, _)| *number);
        let kept = Kept {
            username: text::str_of(session.client.username).filter(|name| !name.is_empty()).map(Arc::from),
            listener: (self.surroundings.listener_of)(session.client.port),
            expiry_s: session.client.expiry_s,
            ends_at: Some(ends_at),
            sent: Seq(sent),
            doubtful: Seq(0),
            unclaimed: true,
        };
        self.records.push(Persist::Session { client_id: client_id.clone(), kept });
        for subscription in &session.subscriptions {
            self.subscription(&client_id, subscription);
        }
        for (number, entry) in in_flight {
            self.outgoing(&client_id, entry, Seq(number));
        }
        self.others(&client_id, &others, sent);
    }

    /// Messages that the client has not seen, and those that it has not released.
    fn others(&mut self, client_id: &Arc<str>, entries: &[&Entry<'_>], sent: u64) {
        let mut last = sent;
        let mut received = HashSet::new();
        for entry in entries {
            if !entry.from_client {
                last += 1;
                self.outgoing(client_id, entry, Seq(last));
            } else if entry.packet_id != 0 && received.insert(entry.packet_id) {
                self.received(client_id, entry);
            } else {
                self.report.leave_out("the packet identifier is not a valid one", || name_of(entry));
            }
        }
    }

    /// Whether an entry says anything that outlives a connection.
    fn is_for_keeping(&mut self, entry: &Entry<'_>) -> bool {
        match (entry.from_client, entry.qos) {
            // Acknowledged, and routed.
            (true, 0 | 1) => false,
            (true, 2) => entry.state != state::RESEND_PUBCOMP,
            (false, 1 | 2) => true,
            (_, 0) => {
                self.report.leave_out("messages of QoS 0 do not outlive the broker", || name_of(entry));
                false
            }
            _ => {
                self.report.leave_out("the entry has no valid QoS", || name_of(entry));
                false
            }
        }
    }

    fn subscription(&mut self, client_id: &Arc<str>, subscription: &Subscription<'_>) {
        let filter = text::str_of(subscription.filter).filter(|filter| check_filter(filter).is_ok());
        let (Some(filter), 0..=2) = (filter, subscription.qos) else {
            let example = || format!("subscription {} of {client_id:?}", shown(subscription.filter));
            return self.report.leave_out("the filter or the QoS is not a valid one", example);
        };
        self.report.subscriptions += 1;
        let options = subscription.qos | subscription.options & OPTIONS;
        self.records.push(Persist::Subscribed {
            client_id: client_id.clone(),
            filter: filter.into(),
            options,
            id: subscription.id,
        });
    }

    fn outgoing(&mut self, client_id: &Arc<str>, entry: &Entry<'_>, seq: Seq) {
        let is_recorded = matches!(entry.progress(), Progress::Recorded) && entry.qos == 2;
        let queued = match self.queued(client_id, entry, seq) {
            Ok(queued) => queued,
            Err(why) => return self.report.leave_out(why, || name_of(entry)),
        };
        self.report.queued += 1;
        self.report.in_flight += usize::from(!matches!(entry.progress(), Progress::Queued));
        self.records.push(queued);
        if is_recorded {
            self.records.push(Persist::Recorded { client_id: client_id.clone(), seq });
        }
    }

    fn queued(&mut self, client_id: &Arc<str>, entry: &Entry<'_>, seq: Seq) -> Result<Persist, &'static str> {
        let message = self.messages.get(entry.message, self.surroundings.listener_of)?;
        let is_waiting = matches!(entry.progress(), Progress::Queued);
        if is_waiting && message.view().is_expired(self.surroundings.now_ms) {
            return Err("the message has expired");
        }
        let qos = if entry.qos == 2 { Qos::ExactlyOnce } else { Qos::AtLeastOnce };
        let delivery = Delivery { qos, retain: entry.retain, ids: subscription_ids(entry.properties)? };
        Ok(Persist::Queued { client_id: client_id.clone(), seq, message, delivery })
    }

    fn received(&mut self, client_id: &Arc<str>, entry: &Entry<'_>) {
        match self.messages.get(entry.message, self.surroundings.listener_of) {
            Ok(message) => {
                self.report.received += 1;
                let (client_id, packet_id) = (client_id.clone(), entry.packet_id);
                self.records.push(Persist::Received { client_id, packet_id, message });
            }
            Err(why) => self.report.leave_out(why, || name_of(entry)),
        }
    }
}

/// Numbers that give messages in flight these packet identifiers, ascending with them. Identifiers that no broker gives
/// out are not kept.
fn numbers(packet_ids: &[u16]) -> Vec<u64> {
    let distinct: BTreeSet<u16> = packet_ids.iter().copied().filter(|id| *id != 0).collect();
    if distinct.len() < packet_ids.len() {
        return (1..=packet_ids.len() as u64).collect();
    }
    let mut numbers: Vec<u64> = Vec::with_capacity(packet_ids.len());
    for id in packet_ids.iter().copied().map(u64::from) {
        let before = numbers.last().copied().unwrap_or(0);
        let same_round = before.saturating_sub(1) / IDS * IDS + id;
        numbers.push(if same_round > before { same_round } else { same_round + IDS });
    }
    let span = numbers.last().zip(numbers.first()).map_or(0, |(last, first)| last - first);
    if span >= IDS {
        // Out of their order: the identifiers count, as QoS 2 stands on them.
        return packet_ids.iter().copied().map(u64::from).collect();
    }
    numbers
}

fn name_of(entry: &Entry<'_>) -> String {
    let whose = shown(entry.client_id);
    if entry.from_client {
        format!("message {} from {whose}", entry.packet_id)
    } else {
        format!("message {} for {whose}", entry.packet_id)
    }
}

/// Bytes of the file for people.
pub(crate) fn shown(bytes: &[u8]) -> String {
    const MAX: usize = 80;
    format!("{:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(MAX)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn identifiers_are_kept_across_their_last_one() {
        assert_eq!(numbers(&[]), [] as [u64; 0]);
        assert_eq!(numbers(&[7, 8, 20]), [7, 8, 20]);
        assert_eq!(numbers(&[65_534, 65_535, 1, 2]), [65_534, 65_535, 65_536, 65_537]);
        assert_eq!(numbers(&[5, 4]), [5, 4 + IDS]);
        // Nobody gives them out like this.
        assert_eq!(numbers(&[5, 7, 6]), [5, 7, 6]);
        assert_eq!(numbers(&[5, 5]), [1, 2]);
        assert_eq!(numbers(&[0, 9]), [1, 2]);
    }

    proptest! {
        #[test]
        fn numbers_are_unique_and_give_their_identifiers(ids in prop::collection::btree_set(1u16.., 0..40), turn in 0usize..40) {
            let mut ids: Vec<u16> = ids.into_iter().collect();
            let len = ids.len();
            ids.rotate_left(if len == 0 { 0 } else { turn % len });
            let numbers = numbers(&ids);
            for (id, number) in ids.iter().zip(&numbers) {
                prop_assert_eq!(Seq(*number).packet_id().get(), *id);
            }
            prop_assert!(numbers.is_sorted());
        }
    }
}
