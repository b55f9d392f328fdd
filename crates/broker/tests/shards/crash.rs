//! The broker crashes at any moment, and starts again with another number of shards and other homes. The store has
//! kept what it said was durable and any part of what came after, in the order of turns. Publishers and subscribers
//! go on as if nothing had been: what [`chaos`](crate::chaos) checks must hold over any number of crashes.

use crate::chaos::Chaos;
use crate::net::Rng;

impl Chaos {
    /// What is left of everything after a crash of which the store has kept `cut` turns.
    fn crashed(&self, cut: usize, seed: u64) -> Chaos {
        let mut rng = Rng::new(seed);
        let shards = 1 + rng.below(8) as u8;
        let mut peers = self.peers.clone();
        for peer in &mut peers {
            peer.lose();
        }
        Chaos { net: self.net.after_crash(cut, shards, seed), rng, peers }
    }

    /// Some clients handle what had come before the crash, others find their connection broken first.
    fn listen_a_last_time(&mut self) {
        for peer in &mut self.peers {
            if self.rng.below(2) == 0 {
                peer.listen(&mut self.net);
            }
        }
    }
}

/// Crashes at moments that the seed chooses, one life after the other.
fn live(shards: u8, seed: u64, steps: usize) {
    let mut chaos = Chaos::new(shards, seed, true);
    for n in 0..steps as u64 {
        chaos.act();
        if chaos.rng.below(40) == 0 {
            chaos.listen_a_last_time();
            let cuts: Vec<usize> = chaos.net.cuts().collect();
            let cut = cuts[chaos.rng.below(cuts.len())];
            chaos = chaos.crashed(cut, seed ^ n << 32);
        }
    }
    chaos.finish(&format!("{shards} shards, seed {seed}, {steps} steps"));
}

/// One life, which ends once at every turn that was not durable yet.
fn fork(shards: u8, seed: u64, steps: usize) {
    let mut chaos = Chaos::new(shards, seed, true);
    for _ in 0..steps {
        chaos.act();
    }
    chaos.net.store_stalls = true;
    for _ in 0..20 {
        chaos.act();
        chaos.net.store_stalls = true;
    }
    chaos.listen_a_last_time();
    for cut in chaos.net.cuts() {
        let mut after = chaos.crashed(cut, seed ^ (cut as u64) << 32);
        for _ in 0..20 {
            after.act();
        }
        after.finish(&format!("{shards} shards, seed {seed}, {steps} steps, {cut} turns kept"));
    }
}

#[test]
fn promises_hold_over_crashes() {
    for shards in crate::SHARDS {
        for seed in 1..=8 {
            live(shards, seed, 300);
        }
    }
}

#[test]
fn promises_hold_after_any_last_turn() {
    for shards in crate::SHARDS {
        for seed in 1..=2 {
            fork(shards, seed, 60);
        }
    }
}

mod random {
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

        #[test]
        fn promises_hold_over_crashes(seed in any::<u64>(), steps in 1usize..400, shards in 1u8..9) {
            super::live(shards, seed, steps);
        }
    }
}
