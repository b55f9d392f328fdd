//! Waiting with a deadline: the only place where the tests let time pass.

use std::time::{Duration, Instant};

/// One second, the unit the tests count their deadlines in.
pub const SECOND: Duration = Duration::from_secs(1);

/// How long a peer waits for bytes that must come. Generous: a loaded machine must not decide a test.
pub const REPLY: Duration = Duration::from_secs(10);

/// Asks `probe` again and again until it gives a value or `deadline` has passed.
pub fn poll<T>(deadline: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + deadline;
    loop {
        if let Some(value) = probe() {
            return Some(value);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::park_timeout(Duration::from_millis(2));
    }
}
