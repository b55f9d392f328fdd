//! Files that Mosquitto itself has written: 1.6.9 in format 5 and 2.1.2 in format 6. Of 2.0.11 the interop tests make one
//! each time, and these two were made by the same test with the other programs in its place: a reader with one message that
//! it has, two in flight and one queued, clients without a name, a sender whose message is not released, one retained.

use super::{left_out, try_read};
use pondhawk_broker::{Persist, Restored};
use pondhawk_codec::Qos;

const FILES: [(&str, &[u8], u32); 2] = [
    ("1.6.9", include_bytes!("written/mosquitto-1.6.9.db"), 5),
    ("2.1.2", include_bytes!("written/mosquitto-2.1.2.db"), 6),
];

#[test]
fn what_mosquitto_has_written_is_there() {
    for (version, bytes, format) in FILES {
        let imported = try_read(bytes).unwrap_or_else(|error| panic!("{version}: {error}"));
        let report = &imported.report;
        let counts = [report.sessions, report.subscriptions, report.queued, report.in_flight];
        assert_eq!((report.format, counts), (format, [6, 5, 8, 3]), "{version}");
        assert_eq!((report.received, report.retained, left_out(report)), (1, 1, vec![]), "{version}");
        let mut restored = Restored::default();
        imported.records.into_iter().for_each(|record: Persist| restored.apply(record));
        let reader = &restored.sessions["reader"];
        assert_eq!(reader.subscriptions["a/#"].1, 77, "{version}");
        let queue: Vec<_> = reader
            .queue
            .iter()
            .map(|(seq, (message, delivery))| (seq.0, message.as_ref().map(|m| m.topic()), delivery.qos))
            .collect();
        let expected = [
            (1, None, Qos::ExactlyOnce),
            (2, Some("a/2"), Qos::ExactlyOnce),
            (3, Some("a/3"), Qos::AtLeastOnce),
            (4, Some("a/4"), Qos::AtLeastOnce),
        ];
        assert_eq!((queue.as_slice(), reader.kept.sent.0), (&expected[..], 3), "{version}");
        let (queued, delivery) = reader.queue.values().last().expect("four");
        let queued = queued.as_ref().expect("a message").view();
        assert_eq!((queued.payload, delivery.ids.as_slice()), (&b"queued"[..], &[77][..]), "{version}");
        for wanted in [&b"\x03\0\x06text/x"[..], b"\x26\0\x01k\0\x01v"] {
            assert!(queued.properties.windows(wanted.len()).any(|found| found == wanted), "{version}");
        }
        assert_eq!(restored.retained["kept"].view().payload, b"on", "{version}");
        assert_eq!(restored.sessions["sender"].inbox[&9].view().payload, b"released later", "{version}");
        for name in ["named", "nameless1", "nameless2", "nameless3"] {
            assert_eq!(restored.sessions[name].queue.len(), 1, "{version}: {name}");
        }
    }
}
