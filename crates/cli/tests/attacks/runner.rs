//! Plays trials against a broker and judges what comes back.

use std::time::Duration;

use crate::case::{Case, Outcome, Trial};
use crate::kit::client::tcp;
use crate::kit::decode::{frame_len, reason};
use crate::kit::hex::dump;
use crate::kit::packet::PINGRESP;
use crate::kit::*;
use crate::vitals::{Limits, Vitals, target};

/// Plays a whole case file on one broker.
pub fn play(text: &str) {
    let case = Case::parse(text);
    let rows = case.row.iter().filter(|row| broker::ours() || row.debian.is_none());
    let trials: Vec<(String, Trial)> = rows
        .flat_map(|row| {
            row.trials().into_iter().map(|trial| (format!("{} on {:?}", row.name, trial.session), trial))
        })
        .collect();
    play_all(&format!("{} ({})", case.id, case.what), trials);
}

/// Plays named trials on one broker and reports every failure.
pub fn play_all(name: &str, trials: impl IntoIterator<Item = (String, Trial)>) {
    let mut broker = target().start();
    let mut vitals = Vitals::begin(&broker);
    let mut failures = Vec::new();
    let mut connections = 0;
    for (trial_name, trial) in trials {
        connections += 1;
        if let Err(complaint) = judge(&broker, &trial) {
            failures.push(format!("{trial_name}: sent {}, {complaint}", dump(&trial.bytes)));
        }
        vitals.during(&trial_name, &mut broker);
    }
    assert!(
        failures.is_empty(),
        "{name}: {} of {connections} failed\n{}",
        failures.len(),
        failures.join("\n")
    );
    vitals.finish(name, &mut broker, Limits::of_connections(connections));
}

/// One trial on a connection of its own.
pub fn judge(broker: &Broker, trial: &Trial) -> Result<(), String> {
    judge_within(broker.port(), trial, 5 * SECOND)
}

/// As [`judge`], of whoever listens on this port, with so much patience for each answer.
pub fn judge_within(port: u16, trial: &Trial, patience: Duration) -> Result<(), String> {
    let mut client = Client::over(tcp(port), trial.session.unwrap_or(V4));
    if let Some(version) = trial.session {
        client.handshake(&Connect::new(version, "attacker"));
    }
    client = client.patience(patience);
    client.send(&trial.bytes);
    outcome(&mut client, &trial.outcome)
}

/// What came back, compared with what must.
fn outcome(client: &mut Client, wanted: &Outcome) -> Result<(), String> {
    match wanted {
        Outcome::Reply(bytes) => goes_on(client, Some(bytes)),
        Outcome::Alive => goes_on(client, None),
        _ => ended(client, wanted),
    }
}

/// The session answers a ping, and besides sends `exactly` these bytes if they are given. An answer that
/// waits for other shards may come behind that to the ping.
fn goes_on(client: &mut Client, exactly: Option<&[u8]>) -> Result<(), String> {
    client.send(packet::PINGREQ);
    let expected = exactly.map_or(0, <[u8]>::len);
    let (mut sent, mut pings) = (Vec::new(), 0);
    while pings == 0 || sent.len() + (pings - 1) * PINGRESP.len() < expected {
        match client.patient_frame() {
            Some(frame) if frame == PINGRESP => pings += 1,
            Some(frame) => sent.extend(frame),
            None => {
                let answered = if pings == 0 { "no answer" } else { "an answer" };
                return Err(format!(
                    "a living session expected, got {} and {answered} to a ping",
                    dump(&sent)
                ));
            }
        }
    }
    // Answers to pings of the row itself.
    sent.extend(PINGRESP.repeat(pings - 1));
    match exactly {
        Some(bytes) if bytes != sent => Err(format!("expected {}, got {}", dump(bytes), dump(&sent))),
        _ => Ok(()),
    }
}

/// The connection ends in the wanted way.
fn ended(client: &mut Client, wanted: &Outcome) -> Result<(), String> {
    let (bytes, closed) = client.drain();
    if !closed {
        return Err(format!("the end expected ({wanted:?}), still open after {}", dump(&bytes)));
    }
    let single = !bytes.is_empty() && frame_len(&bytes) == Some(bytes.len());
    let told = if single { reason(&bytes) } else { None };
    let good = match wanted {
        Outcome::End => true,
        Outcome::SilentClose => bytes.is_empty(),
        Outcome::Close => bytes.is_empty() || told.is_some_and(|reason| reason >= 0x80),
        Outcome::Reason(reasons) => told.is_some_and(|reason| reasons.contains(&reason)),
        Outcome::Connack(codes) => codes.iter().any(|code| bytes == [0x20, 2, 0, *code]),
        Outcome::Reply(_) | Outcome::Alive => false,
    };
    if good { Ok(()) } else { Err(format!("expected {wanted:?}, got {} before the end", dump(&bytes))) }
}
