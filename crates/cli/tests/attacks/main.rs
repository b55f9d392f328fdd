//! The attack catalogue: hostile input, what it must get, and what must hold all the while.
//!
//! One test is one case of the catalogue. Cases of "these bytes get that answer" are data in
//! `cases/ID.toml` ([`case`] reads them, [`runner`] plays them); cases with logic are functions. Around
//! every case [`vitals`] watches the broker: it lives, it serves an honest client without delay, it leaks
//! neither memory nor descriptors nor sessions, it tells nobody what they may not read, and its log stays
//! small and printable.
//!
//! `catalogue.toml` lists all cases, and why one is not there; `cargo xtask attack` prints it with what came of
//! each. Those in [`nightly`] are left out of the usual run of tests. Loads of the catalogue's "1 000 000" kind
//! are scaled to two cores; each says its scale.

#![allow(clippy::unwrap_used)]

#[path = "../kit/mod.rs"]
mod kit;

mod case;
mod catalogue;
mod disk;
mod exhaustion;
mod files;
mod framing;
mod heart;
mod identity;
mod methods;
mod nightly;
mod properties;
mod qos;
mod report;
mod runner;
mod self_test;
mod storage;
mod topics;
mod vitals;

/// Makes a test out of each data file.
macro_rules! data_cases {
    ($($name:ident = $id:literal),+ $(,)?) => {
        /// The text of every file.
        pub const FILES: &[&str] = &[$(include_str!(concat!("cases/", $id, ".toml"))),+];
        $(
        #[test]
        fn $name() {
            crate::runner::play(include_str!(concat!("cases/", $id, ".toml")));
        }
        )+
    };
}

mod from_data {
    data_cases! {
        a01_five_byte_length = "A01",
        a02_non_minimal_length = "A02",
        a03_huge_packet_before_connect = "A03",
        a04_huge_connect = "A04",
        a06_reserved_packet_types = "A06",
        a07_wrong_header_flags = "A07",
        a08_qos_3 = "A08",
        a09_dup_at_qos_0 = "A09",
        a11_inner_length_beyond_the_packet = "A11",
        a12_bytes_left_over = "A12",
        a13_second_connect = "A13",
        a14_packets_only_a_server_sends = "A14",
        a17_protocol_names_and_levels = "A17",
        a18_connect_flags = "A18",
        a19_empty_client_ids = "A19",
        a20_long_connect_fields = "A20",
        a23_other_protocols = "A23",
        a24_packets_before_connect = "A24",
        b02_unknown_properties = "B02",
        b04_property_lengths = "B04",
        b05_illegal_property_values = "B05",
        b07_authentication = "B07",
        b08_subscription_id_in_publish = "B08",
        b09_topic_aliases = "B09",
        b10_response_topics = "B10",
        b14_illegal_disconnects = "B14",
        b17_no_local_in_a_shared_subscription = "B17",
        c01_empty_topic = "C01",
        c02_wildcards_in_topic_names = "C02",
        c03_many_levels = "C03",
        c04_bad_filters = "C04",
        c05_bad_shared_filters = "C05",
        c06_bad_subscribes = "C06",
        c07_packet_id_0 = "C07",
        d03_acknowledgements_of_nothing = "D03",
    }
}
