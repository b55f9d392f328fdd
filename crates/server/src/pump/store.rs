//! Where a shard's records go. The null store keeps nothing and says so at once.

use pondhawk_broker::{Fetch, Fetched, Keeping, Persist, Ticket};

/// Takes records and says which of them are durable.
pub trait Store: Send {
    /// Takes the records up to `ticket`, leaving `records` empty.
    fn append(&mut self, records: &mut Vec<Persist>, ticket: Ticket);

    /// Everything up to this ticket is durable.
    fn durable(&mut self) -> Ticket;

    /// Whether it keeps what it is given.
    fn keeping(&self) -> Keeping {
        Keeping::Works
    }

    /// Everything up to this ticket can be read back.
    fn stored(&mut self) -> Ticket;

    /// Reads what is asked for, leaving `fetches` empty.
    fn fetch(&mut self, fetches: &mut Vec<Fetch>);

    /// What has been read since the last call.
    fn fetched(&mut self) -> Vec<Fetched>;
}

/// A store that keeps nothing: what is asked to be durable lives as long as the process.
#[derive(Debug, Default)]
pub struct NullStore {
    last: Ticket,
}

impl Store for NullStore {
    fn append(&mut self, records: &mut Vec<Persist>, ticket: Ticket) {
        records.clear();
        self.last = ticket;
    }

    fn durable(&mut self) -> Ticket {
        self.last
    }

    fn stored(&mut self) -> Ticket {
        Ticket(0)
    }

    fn fetch(&mut self, fetches: &mut Vec<Fetch>) {
        // Nobody was told that anything can be read.
        fetches.clear();
    }

    fn fetched(&mut self) -> Vec<Fetched> {
        Vec::new()
    }
}
