//! What was sent, acknowledged and received, known to nobody but the test.

use std::collections::BTreeMap;

/// A publisher's messages are numbered from 1.
#[derive(Debug, Default)]
struct Account {
    sent: u64,
    acknowledged: Vec<u64>,
    received: Vec<u64>,
}

/// One account a topic.
#[derive(Debug, Default)]
pub struct Ledger {
    accounts: BTreeMap<String, Account>,
}

impl Ledger {
    pub fn sent(&mut self, topic: &str, number: u64) {
        self.accounts.entry(topic.to_owned()).or_default().sent = number;
    }

    pub fn acknowledged(&mut self, topic: &str, number: u64) {
        self.accounts.entry(topic.to_owned()).or_default().acknowledged.push(number);
    }

    pub fn received(&mut self, topic: &str, number: u64) {
        self.accounts.entry(topic.to_owned()).or_default().received.push(number);
    }

    /// Everything that was sent has been acknowledged and received by now: publishers repeat until it is.
    pub fn has_everything(&self) -> bool {
        self.accounts.iter().all(|(topic, account)| {
            account.acknowledged.last() == Some(&account.sent)
                && (topic == "state" || account.received.contains(&account.sent))
        })
    }

    /// Nothing lost, order kept, and nothing doubled at QoS 2.
    pub fn check(&self, retained: u64) {
        for (topic, account) in self.accounts.iter().filter(|(topic, _)| *topic != "state") {
            let mut first_times = Vec::new();
            let mut seen = std::collections::BTreeSet::new();
            for number in &account.received {
                if seen.insert(*number) {
                    first_times.push(*number);
                }
            }
            for number in &account.acknowledged {
                assert!(seen.contains(number), "{topic}: {number} was acknowledged and is lost");
            }
            assert!(first_times.is_sorted(), "{topic}: out of order");
            if topic == "exactly" {
                assert_eq!(first_times.len(), account.received.len(), "{topic}: doubled");
                let all: Vec<u64> = (1..=account.sent).collect();
                assert_eq!(first_times, all, "{topic}: not each once");
            }
        }
        let state = &self.accounts["state"];
        assert_eq!(Some(&retained), state.acknowledged.last(), "the retained message is another one");
    }

    pub fn summary(&self) -> String {
        let line = |(topic, account): (&String, &Account)| {
            let Account { sent, acknowledged, received } = account;
            format!("{topic}: {sent} sent, {} acknowledged, {} received", acknowledged.len(), received.len())
        };
        self.accounts.iter().map(line).collect::<Vec<_>>().join("; ")
    }
}
