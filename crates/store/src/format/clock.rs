//! Times on disk are those of the wall; the shards count from their start.

use pondhawk_session::server::Millis;

/// How the shards' clock stands to the wall's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Milliseconds from 1970 to the shards' moment 0.
    pub wall_at_zero_ms: u64,
}

impl Clock {
    /// The wall's time at `moment`. A moment that never comes stays that.
    #[must_use]
    pub fn to_wall(self, moment: Millis) -> u64 {
        moment.saturating_add(self.wall_at_zero_ms)
    }

    /// The shards' time; what was before their start is their start.
    #[must_use]
    pub fn from_wall(self, wall_ms: u64) -> Millis {
        if wall_ms == u64::MAX { Millis::MAX } else { wall_ms.saturating_sub(self.wall_at_zero_ms) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_while_the_broker_is_down() {
        let before = Clock { wall_at_zero_ms: 1_000_000 };
        let after = Clock { wall_at_zero_ms: 1_060_000 };
        for (moment, later) in [(90_000, 30_000), (60_000, 0), (5, 0), (Millis::MAX, Millis::MAX)] {
            assert_eq!(after.from_wall(before.to_wall(moment)), later);
        }
    }
}
