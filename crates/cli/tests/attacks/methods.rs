//! B07 to its end: enhanced authentication with a method that is there.
//!
//! The binary has no method of its own, so this program is the broker as well: started with a broker's arguments
//! behind `--`, the test serves with the method plugged in.

use std::ffi::OsString;
use std::sync::Arc;

use pondhawk_server::authenticator::{AuthMethod, ExchangeState, Said, Step};

use crate::kit::packet::{PUBACK, ack, block, packet, prop};
use crate::kit::*;
use crate::vitals::{Limits, Vitals, target};

/// The test below, by its whole name.
const HERE: &str = "methods::b07_a_method_to_its_end";

/// Asks once, and lets in who answers `because`, as `carol`.
struct Riddle;

impl AuthMethod for Riddle {
    fn name(&self) -> &str {
        "RIDDLE"
    }

    fn step(&self, state: &mut ExchangeState, said: &Said<'_>) -> Step {
        if state.replace(Box::new(())).is_none() {
            return Step::Continue(b"why".to_vec());
        }
        match said.data {
            b"because" => Step::Accept { username: Some("carol".to_owned()), data: Some(b"so".to_vec()) },
            _ => Step::Refuse(pondhawk_codec::reason::NOT_AUTHORIZED),
        }
    }
}

/// Serves instead of testing, if this process was started as a broker.
fn serve_if_asked() {
    let mut arguments = std::env::args_os().skip_while(|argument| argument != "--").skip(1).peekable();
    if arguments.peek().is_some() {
        let arguments: Vec<OsString> = arguments.collect();
        std::process::exit(pondhawk_server::run_with(arguments, vec![Arc::new(Riddle)]));
    }
}

/// AUTH with a reason, a method and data.
fn auth(reason: u8, method: &str, data: &str) -> Vec<u8> {
    packet(0xF0, [&[reason][..], &block(&[prop::text(0x15, method), prop::text(0x16, data)])].concat())
}

/// A client that has said which method it wants, and was asked.
#[track_caller]
fn asked(broker: &Broker, id: &str) -> Client {
    let mut client = Client::raw(broker, V5);
    client.send(Connect::new(V5, id).property(prop::text(0x15, "RIDDLE")).bytes());
    client.expect(auth(0x18, "RIDDLE", "why"));
    client
}

/// A client that has answered, and is in.
#[track_caller]
fn accepted(broker: &Broker, id: &str) -> Client {
    let mut client = asked(broker, id);
    client.send(auth(0x18, "RIDDLE", "because"));
    let connack = client.frame();
    assert_eq!((connack[0], decode::reason(&connack)), (0x20, Some(0)));
    let properties = decode::connack_properties(&connack);
    let said = |id: u8, text: &str| {
        properties.iter().any(|(found, value)| *found == id && value[2..] == *text.as_bytes())
    };
    assert!(said(0x15, "RIDDLE") && said(0x16, "so"), "{properties:?}");
    client
}

/// CONNACK or DISCONNECT with this reason, and the end.
#[track_caller]
fn turned_away(mut client: Client, reasons: &[u8]) {
    let (bytes, closed) = client.drain();
    let told = if bytes.is_empty() { None } else { decode::reason(&bytes) };
    assert!(closed && told.is_some_and(|reason| reasons.contains(&reason)), "{}", hex::dump(&bytes));
}

// B07, S: the exchange at CONNECT, out of turn, given up and repeated; rights are those of the name it found.
#[test]
fn b07_a_method_to_its_end() {
    serve_if_asked();
    if !broker::ours() {
        return; // Has no method.
    }
    // `{dir}/acl` is the target's own, with other rules in it.
    let rules = "topic readwrite $SYS/#
topic readwrite $honest/#
user carol
topic readwrite carol/#
";
    let mut broker = target().line("connect_timeout 2").file("acl", rules).within(HERE).start();
    let vitals = Vitals::begin(&broker);

    let mut carol = accepted(&broker, "carol");
    carol.subscribe("carol/x", 0);
    carol.publish("carol/x", "m", 0);
    carol.receive("carol/x", "m");

    // Out of turn.
    let mut wrong = asked(&broker, "x");
    wrong.send(auth(0x18, "RIDDLE", "no idea"));
    turned_away(wrong, &[0x87]);
    for bytes in
        [auth(0x18, "OTHER", "because"), auth(0x19, "RIDDLE", "because"), auth(0x00, "RIDDLE", "because")]
    {
        let mut client = asked(&broker, "x");
        client.send(bytes);
        turned_away(client, &[0x82, 0x8C]);
    }
    for bytes in [
        Publish::new(V5, "carol/x", "never").bytes(),
        packet::PINGREQ.to_vec(),
        Connect::new(V5, "x").bytes(),
    ] {
        let mut client = asked(&broker, "x");
        client.send(bytes);
        assert!(client.drain().1, "only AUTH may come");
    }
    // Given up: the time limit of the greeting holds, whatever drips.
    assert!(asked(&broker, "x").drain().1);
    carol.expect_silence();

    // Again on a living session: it works on meanwhile.
    carol.send(auth(0x19, "RIDDLE", "again"));
    carol.expect(auth(0x18, "RIDDLE", "why"));
    carol.publish("carol/x", "meanwhile", 0);
    carol.receive("carol/x", "meanwhile");
    carol.send(auth(0x18, "RIDDLE", "because"));
    carol.expect(auth(0x00, "RIDDLE", "so"));
    carol.expect_silence();
    for (answer, reasons) in
        [(auth(0x18, "RIDDLE", "no idea"), &[0x87][..]), (auth(0x18, "OTHER", "because"), &[0x82, 0x8C])]
    {
        let mut client = accepted(&broker, "carol-again");
        client.send(auth(0x19, "RIDDLE", "again"));
        client.expect(auth(0x18, "RIDDLE", "why"));
        client.send(answer);
        turned_away(client, reasons);
    }
    let mut other = accepted(&broker, "carol-again");
    other.send(auth(0x19, "OTHER", "again"));
    turned_away(other, &[0x82, 0x8C]);
    // Never finished: the session ends at the time limit, though it lives otherwise.
    let mut unfinished = accepted(&broker, "carol-again");
    unfinished.send(auth(0x19, "RIDDLE", "again"));
    unfinished.expect(auth(0x18, "RIDDLE", "why"));
    unfinished.send(Publish::new(V5, "carol/x", "alive").qos(1, 1).bytes());
    unfinished.expect(ack(PUBACK, 1));
    carol.receive("carol/x", "alive");
    assert!(unfinished.drain().1, "it goes on for ever");
    carol.disconnect();
    vitals.finish("B07 (a method to its end)", &mut broker, Limits::of_connections(12));
}
