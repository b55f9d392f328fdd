//! Every cut of every packet, its remaining length rewritten, is an error, save where the standard lets the
//! packet end.

use crate::generate::sample;
use crate::model::{Model, Sample};
use crate::round_trip::{decode, front};
use crate::standard::{frame, varint};
use pondhawk_codec::{Qos, Version};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// The lengths that a body of `len` bytes may be cut down to without breaking a rule.
fn legal_ends(sample: &Sample, len: usize) -> BTreeSet<usize> {
    let block = match sample.version {
        Version::V5 => {
            let block: usize = sample.properties.iter().map(|property| property.bytes().len()).sum();
            varint(block).len() + block
        }
        _ => 0,
    };
    let v5 = sample.version == Version::V5;
    match &sample.model {
        // Code and properties may be left out. (3.4.2.1, 3.14.2.1, 3.15.2.1)
        Model::Ack(..) if v5 => BTreeSet::from([2, 3]),
        Model::Disconnect(_) | Model::Auth(_) if v5 => BTreeSet::from([0, 1]),
        // The payload is what is left.
        Model::Publish { topic, qos, .. } => {
            let id = if *qos == Qos::AtMostOnce { 0 } else { 2 };
            (2 + topic.len() + id + block..len).collect()
        }
        // A shorter list is a list.
        Model::Suback(codes) | Model::Unsuback(codes) => {
            (1..codes.len()).map(|codes| 2 + block + codes).collect()
        }
        Model::Subscribe(filters) => ends(2 + block, filters.iter().map(|(filter, _)| filter.len() + 3)),
        Model::Unsubscribe(filters) => ends(2 + block, filters.iter().map(|filter| filter.len() + 2)),
        _ => BTreeSet::new(),
    }
}

fn ends(start: usize, lens: impl Iterator<Item = usize>) -> BTreeSet<usize> {
    lens.scan(start, |at, len| {
        *at += len;
        Some(*at)
    })
    .collect()
}

/// Every cut of short bodies; of long ones the first and last hundred and some between.
fn cuts(len: usize) -> impl Iterator<Item = usize> {
    (0..len).filter(move |cut| *cut < 100 || cut + 100 > len || cut % 97 == 0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn every_cut_is_an_error_or_a_legal_end(sample in sample()) {
        let bytes = sample.encode();
        let whole = front(&bytes);
        let legal = legal_ends(&sample, whole.body.len());
        for cut in cuts(whole.body.len()) {
            let short = frame(bytes[0], &whole.body[..cut]);
            let decoded = decode(&front(&short), sample.version);
            prop_assert_eq!(decoded.is_ok(), legal.contains(&cut), "cut at {}: {:?}", cut, decoded);
        }
    }

    #[test]
    fn bytes_left_over_are_an_error_or_payload(sample in sample(), extra in 0u8..=255) {
        let bytes = sample.encode();
        let long = frame(bytes[0], &[front(&bytes).body, &[extra]].concat());
        let decoded = decode(&front(&long), sample.version);
        match sample.model {
            Model::Publish { .. } => prop_assert!(decoded.is_ok()),
            // One more code, if it is one.
            Model::Suback(_) => {}
            Model::Unsuback(_) if sample.version == Version::V5 => {}
            // An empty property block, or a success code, may follow.
            Model::Ack(..) | Model::Disconnect(_) | Model::Auth(_)
                if sample.version == Version::V5 && sample.properties.is_empty() => {}
            _ => prop_assert!(decoded.is_err(), "{:?}", decoded),
        }
    }
}
