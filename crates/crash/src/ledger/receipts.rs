//! What one durable subscriber got, and what is wrong with it.

use super::fault::Kind;
use super::payload::{self, Origin};
use super::{Due, Ledger};

/// The book of one subscriber.
#[derive(Debug)]
pub(crate) struct Receipts {
    name: String,
    qos: u8,
    /// Several subscribers share the messages: each has its part in order, which is not looked at.
    is_shared: bool,
    /// From which message of each stream on it must have all: those that were sent after its SUBACK.
    from: Vec<u64>,
    /// The same for the wills of each testator.
    wills_from: Vec<u64>,
    /// How often each message of each stream came.
    seen: Vec<Vec<u8>>,
    /// The last of each stream and topic that came for the first time.
    highest: Vec<Vec<Option<u64>>>,
    wills: Vec<Vec<u8>>,
    /// Messages that came, and among them those that had come before.
    pub(crate) received: u64,
    pub(crate) repeated: u64,
}

/// A message as it came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delivery<'a> {
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a [u8],
    pub(crate) qos: u8,
}

impl Receipts {
    pub(crate) fn new(name: &str, qos: u8, ledger: &Ledger) -> Self {
        Receipts {
            name: name.to_owned(),
            qos,
            is_shared: false,
            // Nothing is owed before the SUBACK.
            from: vec![u64::MAX; ledger.plans().len()],
            wills_from: vec![u64::MAX; ledger.testators()],
            seen: vec![Vec::new(); ledger.plans().len()],
            highest: ledger.plans().iter().map(|plan| vec![None; plan.topics as usize]).collect(),
            wills: vec![Vec::new(); ledger.testators()],
            received: 0,
            repeated: 0,
        }
    }

    /// The book of a group of subscribers that share the messages.
    pub(crate) fn shared(self) -> Self {
        Receipts { is_shared: true, ..self }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The SUBACK has come: what is sent from now on is owed. One for a session that was lost forgives nothing.
    pub(crate) fn subscribed(&mut self, ledger: &Ledger) {
        if self.is_subscribed() {
            return;
        }
        for (stream, from) in self.from.iter_mut().enumerate() {
            *from = ledger.sent(stream);
        }
        for (testator, from) in self.wills_from.iter_mut().enumerate() {
            *from = ledger.wills(testator).len() as u64;
        }
    }

    /// True once [`subscribed`](Self::subscribed) was called.
    pub(crate) fn is_subscribed(&self) -> bool {
        !self.from.contains(&u64::MAX)
    }

    /// A message has come for a subscription (not as a retained one).
    pub(crate) fn receive(&mut self, ledger: &Ledger, delivery: &Delivery<'_>) {
        self.received += 1;
        match payload::origin(delivery.payload) {
            Some(Origin::Message { stream, number })
                if stream < ledger.plans().len() && number < ledger.sent(stream) =>
            {
                self.message(ledger, delivery, (stream, number));
            }
            Some(Origin::Will { testator, number })
                if testator < ledger.testators() && number < ledger.wills(testator).len() as u64 =>
            {
                self.will(ledger, testator, number);
            }
            _ => {
                let start = String::from_utf8_lossy(&delivery.payload[..delivery.payload.len().min(40)]);
                let text = format!("{}: nobody sent what came on {}: {start:?}", self.name, delivery.topic);
                ledger.fault(Kind::Wrong, text);
            }
        }
    }

    fn message(&mut self, ledger: &Ledger, delivery: &Delivery<'_>, (stream, number): (usize, u64)) {
        let plan = ledger.plans()[stream];
        let name = &self.name;
        let qos = plan.qos.min(self.qos);
        if delivery.topic != ledger.topic(stream, number) || delivery.qos != qos {
            let text = format!(
                "{name}: message {number} of stream {stream} on {} at QoS {}",
                delivery.topic, delivery.qos
            );
            ledger.fault(Kind::Wrong, text);
        }
        let times = count(&mut self.seen[stream], number);
        if times > 1 {
            self.repeated += 1;
            if qos == 2 {
                let text = format!("{name}: message {number} of stream {stream} came {times} times at QoS 2");
                ledger.fault(Kind::Twice, text);
            }
            return;
        }
        let highest = &mut self.highest[stream][(number % plan.topics) as usize];
        if let Some(last) = *highest
            && last > number
            && !self.is_shared
        {
            let text = format!("{name}: message {number} of stream {stream} came after {last}");
            ledger.fault(Kind::Order, text);
            return;
        }
        *highest = Some(number);
    }

    fn will(&mut self, ledger: &Ledger, testator: usize, number: u64) {
        let times = count(&mut self.wills[testator], number);
        if times > 1 {
            self.repeated += 1;
            if self.qos == 2 {
                let text = format!("{}: will {number} of testator {testator} came {times} times", self.name);
                ledger.fault(Kind::Will, text);
            }
        }
    }

    /// How much is owed and has not come.
    pub(crate) fn missing(&self, ledger: &Ledger) -> u64 {
        let mut missing = 0;
        self.each_missing(ledger, |_, _| missing += 1);
        missing
    }

    /// Reports what has not come and what should not have.
    pub(crate) fn judge(&self, ledger: &Ledger) {
        self.each_missing(ledger, |kind, text| ledger.fault(kind, format!("{}: {text}", self.name)));
        for (testator, times) in self.wills.iter().enumerate() {
            for (number, due) in ledger.wills(testator).iter().enumerate() {
                if *due == Due::Never && times.get(number).is_some_and(|times| *times > 0) {
                    let text = format!(
                        "{}: will {number} of testator {testator} came, and was called off",
                        self.name
                    );
                    ledger.fault(Kind::Will, text);
                }
            }
        }
    }

    fn each_missing(&self, ledger: &Ledger, mut found: impl FnMut(Kind, String)) {
        for (stream, seen) in self.seen.iter().enumerate() {
            let mut missing = Vec::new();
            ledger.promised(stream, self.from[stream], |number| {
                if seen.get(number as usize).is_none_or(|times| *times == 0) {
                    missing.push(number);
                }
            });
            for number in missing {
                found(
                    Kind::Lost,
                    format!("message {number} of stream {stream} was acknowledged and is lost"),
                );
            }
        }
        for (testator, times) in self.wills.iter().enumerate() {
            let from = usize::try_from(self.wills_from[testator]).unwrap_or(usize::MAX);
            for (number, due) in ledger.wills(testator).iter().enumerate().skip(from) {
                if *due == Due::Must && times.get(number).is_none_or(|times| *times == 0) {
                    found(Kind::Will, format!("will {number} of testator {testator} has not come"));
                }
            }
        }
    }
}

/// Counts one more; how many there are now.
fn count(times: &mut Vec<u8>, number: u64) -> u8 {
    let at = number as usize;
    if times.len() <= at {
        times.resize(at + 1, 0);
    }
    times[at] = times[at].saturating_add(1);
    times[at]
}

#[cfg(test)]
mod tests {
    use super::super::Plan;
    use super::*;

    fn ledger() -> Ledger {
        let plan = |qos| Plan { qos, retain: false, topics: 2 };
        Ledger::new(vec![plan(1), plan(2)], 1)
    }

    /// A ledger with ten acknowledged messages in each stream, and the book of a subscriber that owes itself all.
    fn full(qos: u8) -> (Ledger, Receipts) {
        let ledger = ledger();
        let mut receipts = Receipts::new("s", qos, &ledger);
        receipts.subscribed(&ledger);
        for stream in [0, 1] {
            for _ in 0..10 {
                let number = ledger.send(stream);
                ledger.acked(stream, number);
            }
        }
        (ledger, receipts)
    }

    fn deliver(receipts: &mut Receipts, ledger: &Ledger, (stream, number): (usize, u64)) {
        let payload = payload::of(Origin::Message { stream, number });
        let qos = (stream as u8 + 1).min(receipts.qos);
        receipts.receive(ledger, &Delivery { topic: &ledger.topic(stream, number), payload: &payload, qos });
    }

    #[test]
    fn all_in_order_is_no_fault() {
        let (ledger, mut receipts) = full(2);
        assert_eq!(receipts.missing(&ledger), 20);
        for number in 0..10 {
            deliver(&mut receipts, &ledger, (0, number));
            deliver(&mut receipts, &ledger, (1, number));
        }
        receipts.judge(&ledger);
        assert_eq!((receipts.missing(&ledger), ledger.faults().total()), (0, 0));
    }

    #[test]
    fn what_is_acknowledged_and_does_not_come_is_lost_and_what_is_not_acknowledged_is_not() {
        let (ledger, mut receipts) = full(2);
        ledger.send(0);
        let refused = ledger.send(0);
        ledger.refused(0, refused);
        for number in 0..10 {
            deliver(&mut receipts, &ledger, (0, number));
            if number != 7 {
                deliver(&mut receipts, &ledger, (1, number));
            }
        }
        receipts.judge(&ledger);
        assert_eq!(ledger.faults().count(Kind::Lost), 1);
        assert_eq!(
            ledger.faults().texts().next(),
            Some("s: message 7 of stream 1 was acknowledged and is lost")
        );
    }

    #[test]
    fn twice_is_a_fault_only_where_both_sides_are_at_qos_2() {
        for (qos, faults) in [(1, 0), (2, 1)] {
            let (ledger, mut receipts) = full(qos);
            for stream in [0, 0, 1, 1] {
                deliver(&mut receipts, &ledger, (stream, 0));
            }
            assert_eq!(ledger.faults().count(Kind::Twice), faults);
            assert_eq!(receipts.repeated, 2);
        }
    }

    #[test]
    fn order_counts_within_a_topic_and_for_first_copies() {
        let (ledger, mut receipts) = full(2);
        // 0 and 2 are on one topic, 1 on the other; 0 comes again after 2, as QoS 1 allows.
        for number in [1, 0, 2, 0, 3, 2, 4] {
            deliver(&mut receipts, &ledger, (0, number));
        }
        assert_eq!(ledger.faults().total(), 0);
        deliver(&mut receipts, &ledger, (0, 8));
        deliver(&mut receipts, &ledger, (0, 6));
        assert_eq!(ledger.faults().count(Kind::Order), 1);
    }

    #[test]
    fn what_nobody_sent_is_wrong() {
        let (ledger, mut receipts) = full(2);
        deliver(&mut receipts, &ledger, (0, 10));
        let mut payload = payload::of(Origin::Message { stream: 0, number: 0 });
        payload[50] ^= 1;
        receipts.receive(&ledger, &Delivery { topic: "crash/s0/0", payload: &payload, qos: 1 });
        let payload = payload::of(Origin::Message { stream: 0, number: 1 });
        receipts.receive(&ledger, &Delivery { topic: "crash/s0/0", payload: &payload, qos: 1 });
        receipts.receive(&ledger, &Delivery { topic: "crash/s0/1", payload: &payload, qos: 0 });
        assert_eq!(ledger.faults().count(Kind::Wrong), 4);
    }

    #[test]
    fn who_subscribes_later_is_owed_what_is_sent_later() {
        let (ledger, _) = full(2);
        let mut late = Receipts::new("late", 2, &ledger);
        assert_eq!(late.missing(&ledger), 0);
        late.subscribed(&ledger);
        let number = ledger.send(0);
        ledger.acked(0, number);
        assert_eq!((number, late.missing(&ledger)), (10, 1));
        // Once more, because the session was lost: what was owed is still owed.
        late.subscribed(&ledger);
        assert_eq!(late.missing(&ledger), 1);
    }

    #[test]
    fn wills_come_exactly_as_they_must() {
        let (ledger, mut receipts) = full(1);
        for due in [Due::Must, Due::Must, Due::Never, Due::May] {
            let number = ledger.will(0);
            ledger.decide(0, number, due);
        }
        for number in [0, 2, 3] {
            let payload = payload::of(Origin::Will { testator: 0, number });
            receipts.receive(&ledger, &Delivery { topic: "crash/w0", payload: &payload, qos: 2 });
        }
        receipts.judge(&ledger);
        let wills: Vec<String> =
            ledger.faults().texts().filter(|text| text.contains("will")).map(str::to_owned).collect();
        assert_eq!(
            wills,
            ["s: will 1 of testator 0 has not come", "s: will 2 of testator 0 came, and was called off"]
        );
    }

    #[test]
    fn a_retained_message_may_be_no_older_than_the_last_promised_before_what_is_under_way() {
        let (ledger, _) = full(2);
        assert_eq!(ledger.retained_floor(0, 0), Some(8));
        let (first, second) = (ledger.send(0), ledger.send(0));
        let third = ledger.send(0);
        ledger.acked(0, third);
        assert_eq!((first, second, ledger.retained_floor(0, 0)), (10, 11, Some(8)));
        ledger.acked(0, first);
        ledger.acked(0, second);
        assert_eq!(ledger.retained_floor(0, 0), Some(12));
    }
}
