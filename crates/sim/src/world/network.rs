//! Bytes on their way between clients and broker.

use super::World;
use super::wire::Wire;
use crate::shadow::session::Link;
use crate::sometimes;
use pondhawk_codec::frame;

impl World {
    /// A client opens a connection.
    pub fn dial(&mut self, client: usize) -> usize {
        self.wires.push(Wire::new(client, self.now));
        self.shadow.links.push(Link::new(client, self.now));
        let wire = self.wires.len() - 1;
        self.open.push(wire);
        wire
    }

    /// Bytes go up: one, some or all.
    pub(super) fn rise(&mut self, index: usize) {
        let count = self.portion(self.wires[index].up.len());
        let wire = &mut self.wires[index];
        if count == 1 && wire.up.len() > 1 {
            sometimes!(self.shadow.reached, "one byte at a time");
        }
        wire.rise(count);
        self.note(|world| format!("{count} bytes rise from {}", world.name(index)));
        let wire = &self.wires[index];
        if wire.conn.is_none() && matches!(frame::next(&wire.read, usize::MAX), Ok(frame::Step::Frame(_))) {
            self.adopt(index);
        }
    }

    /// Bytes go down: one, some or all. The client handles what has become whole.
    pub(super) fn sink(&mut self, index: usize) {
        let wire = &self.wires[index];
        let count = self.portion_of(wire.taken - wire.arrived);
        let wire = &mut self.wires[index];
        wire.arrived += count;
        let backlog = wire.backlog();
        self.note(|world| format!("{count} bytes sink to {}", world.name(index)));
        while let Some(got) = self.wires[index].next_arrived() {
            self.hear(index, got);
        }
        let wire = &mut self.wires[index];
        if backlog > 0 {
            wire.taken = wire.emitted.min(wire.arrived + self.plan.socket_bytes as u64);
            self.unblocked(index);
        } else if wire.closed && wire.arrived == wire.emitted && wire.open {
            wire.open = false;
            self.hung_up(index);
        }
    }

    fn portion_of(&mut self, most: u64) -> u64 {
        self.portion(usize::try_from(most).unwrap_or(usize::MAX)) as u64
    }

    /// How much of `most` bytes moves at once.
    fn portion(&mut self, most: usize) -> usize {
        match self.rng.below(8) {
            0 => most.min(1),
            1 | 2 => self.rng.between(most.min(1), most),
            _ => most,
        }
    }

    /// Forgets connections that nothing can happen to any more.
    pub fn sweep(&mut self) {
        let wires = &self.wires;
        self.open.retain(|index| !wires[*index].closed || wires[*index].open);
    }
}
