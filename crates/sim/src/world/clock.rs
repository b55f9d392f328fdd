//! The simulated time: it stands still until somebody lets it pass, and stops at no deadline by itself.

use super::World;
use pondhawk_broker::Millis;

impl World {
    /// Lets time pass. Timers that are due fire in their shards' next turns.
    pub fn pass(&mut self, ms: Millis) {
        self.now += ms;
        for client in 0..self.clients.len() {
            self.client_clock(client);
        }
    }

    /// The next moment at which a shard or a client has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Millis> {
        let shards = self.broker.shards.iter().filter_map(|station| station.shard.deadline());
        let clients = self.clients.iter().filter_map(super::Client::deadline);
        shards.chain(clients).min()
    }
}
