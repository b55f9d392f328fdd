//! A file that is to be imported. Whatever it has, it is refused or comes to sessions that a broker can take over.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pondhawk_broker::{Restored, RestoredSession};
use pondhawk_import::{Imported, Surroundings, read};
use std::collections::HashSet;

const NOW_MS: u64 = 1_700_000_000_000;

fuzz_target!(|data: &[u8]| {
    let surroundings = Surroundings { now_ms: NOW_MS, listener_of: &|port| port % 3 };
    let Ok(Imported { records, report }) = read(data, &surroundings) else {
        return;
    };
    // The smallest chunk is longer than what comes of it.
    assert!(records.len() * 8 <= data.len(), "{} records of {} bytes", records.len(), data.len());
    let mut restored = Restored::default();
    records.into_iter().for_each(|record| restored.apply(record));
    let sessions = || restored.sessions.values();
    assert_eq!(report.sessions, sessions().count());
    assert_eq!(report.queued, sessions().map(|session| session.queue.len()).sum::<usize>());
    assert_eq!(report.received, sessions().map(|session| session.inbox.len()).sum::<usize>());
    assert_eq!(report.retained, restored.retained.len());
    sessions().for_each(check);
    for message in restored.retained.values() {
        assert!(message.payload_len() > 0 && !message.view().is_expired(NOW_MS));
    }
    assert!(report.left_out_lines().all(|line| !line.contains('\n')));
});

fn check(session: &RestoredSession) {
    assert!(session.kept.unclaimed && session.kept.expiry_s > 0);
    assert!(session.kept.ends_at.is_some_and(|at| at > NOW_MS));
    let in_flight = session.queue.range(..=session.kept.sent).map(|(seq, _)| seq.packet_id());
    let ids: Vec<_> = in_flight.collect();
    assert_eq!(
        ids.iter().collect::<HashSet<_>>().len(),
        ids.len(),
        "two messages in flight have one identifier"
    );
    assert!(!session.inbox.contains_key(&0));
}
