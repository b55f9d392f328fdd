//! What one client sends, from CONNECT on, cut into reads in different ways. First comes how it is cut.
//!
//! The shard says the same to the client and to an observer however the bytes are cut, and is left with nothing.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pondhawk_broker::{Answer, Settings};
use pondhawk_codec::{Version, reason};
use pondhawk_fuzz::lone::Lone;
use pondhawk_fuzz::{pieces, wire};

/// What became of a connection.
#[derive(Debug, PartialEq)]
struct Outcome {
    told: Vec<u8>,
    open: bool,
    observed: Vec<u8>,
}

fuzz_target!(|data: &[u8]| {
    let Some((lengths, bytes)) = pieces::lengths(data) else {
        return;
    };
    let whole = play(&[bytes]);
    assert_eq!(whole, play(&pieces::cut(bytes, lengths)), "{bytes:02x?}");
});

fn play(pieces: &[&[u8]]) -> Outcome {
    let mut lone = Lone::new(settings());
    // Nobody gets in by an exchange, because what follows one in a read may be handled before its answer.
    lone.answer = Answer::Refuse(reason::NOT_AUTHORIZED);
    let observer = lone.open(0);
    lone.send(observer, &wire::v5("observer").encode());
    lone.send(observer, &wire::subscribe(Version::V5, 1, &[("#", 0)], 0));
    let client = lone.open(0);
    for piece in pieces {
        lone.send(client, piece);
    }
    let open = lone.wire(client).open;
    lone.cut(client);
    let outcome = Outcome {
        told: lone.wire(client).output.clone(),
        open,
        observed: lone.wire(observer).output.clone(),
    };
    lone.assert_left_nothing();
    outcome
}

/// Where something happens after the turn, a turn's length would show: what is retained, and output without room.
fn settings() -> Settings {
    Settings {
        retain_available: false,
        max_output_bytes: usize::MAX / 4,
        persistent_client_expiration_s: Some(60),
        ..Settings::default()
    }
}
