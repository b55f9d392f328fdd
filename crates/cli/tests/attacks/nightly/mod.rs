//! Cases of the second priority: those that load the broker or take their time.
