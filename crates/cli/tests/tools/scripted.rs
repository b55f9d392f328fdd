//! What the tools make of brokers that refuse, break off, or break the rules.

use crate::kit::{SECOND, poll};
use crate::program::{Ended, Maker, run, start, start_unread, words};
use crate::server::Act::{Hear, HearAll, Say};
use crate::server::{Act, Server};

const CONNACK: Act = Say(b"\x20\x02\x00\x00");
const CONNACK_5: Act = Say(b"\x20\x03\x00\x00\x00");

/// Runs a tool of ours against a script; `{p}` stands for the port.
fn play(script: &'static [Act], line: &str) -> (Ended, Vec<u8>) {
    let server = Server::start(script);
    let line = line.replace("{p}", &format!("-p {}", server.port()));
    let ended = run(Maker::Ours, &line);
    (ended, server.end())
}

#[test]
fn refusals_are_the_exit_code() {
    let cases: [(&[Act], &str, i32, &str); 9] = [
        (
            &[Hear, Say(b"\x20\x02\x00\x01")],
            "sub {p} -t a",
            1,
            "Connection Refused: unacceptable protocol version.",
        ),
        (&[Hear, Say(b"\x20\x02\x00\x02")], "sub {p} -t a", 2, "Connection Refused: identifier rejected."),
        (&[Hear, Say(b"\x20\x02\x00\x03")], "sub {p} -t a", 3, "Connection Refused: broker unavailable."),
        (
            &[Hear, Say(b"\x20\x02\x00\x04")],
            "pub {p} -t a -m x",
            4,
            "Connection Refused: bad user name or password.\nError: The connection was refused.",
        ),
        (&[Hear, Say(b"\x20\x02\x00\x05")], "sub {p} -t a", 5, "Connection Refused: not authorised."),
        (&[Hear, Say(b"\x20\x03\x00\x87\x00")], "sub {p} -t a -V 5", 135, "Not authorized"),
        (&[Hear, Say(b"\x20\x03\x00\x8a\x00")], "rr {p} -t a -e b -m x", 138, "Banned"),
        (
            &[Hear, Say(b"\x20\x02\x00\x01")],
            "sub {p} -t a -V 5",
            132,
            "Unsupported Protocol Version. Try connecting to an MQTT v5 broker, or use MQTT v3.x mode.",
        ),
        (
            &[Hear, Say(b"\x20\x02\x00\x01")],
            "rr {p} -t a -e b -m x",
            132,
            "Unsupported Protocol Version. mosquitto_rr only supports connecting to an MQTT v5 broker",
        ),
    ];
    for (script, line, code, text) in cases {
        let (ended, _) = play(script, line);
        let err = format!("Connection error: {text}\n");
        assert_eq!(ended, Ended { code: Some(code), out: String::new(), err }, "{line}");
    }
}

#[test]
fn a_publisher_says_that_the_connection_was_lost() {
    for script in [&[][..], &[Hear], &[Hear, CONNACK, Hear]] {
        let (ended, _) = play(script, "pub {p} -t a -m x -q 1");
        let err = "Error: The connection was lost.\n".to_owned();
        assert_eq!(ended, Ended { code: Some(7), out: String::new(), err });
    }
}

#[test]
fn qos_0_is_done_when_it_is_sent() {
    let (ended, heard) = play(&[Hear, CONNACK, HearAll], "pub {p} -t a -m x -d");
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    assert!(
        ended.out.ends_with("m1, 'a', ... (1 bytes))\nClient (null) sending DISCONNECT\n"),
        "{}",
        ended.out
    );
    assert!(heard.ends_with(b"\x30\x04\x00\x01ax\xe0\x00"), "{heard:?}");
}

#[test]
fn a_publish_that_the_broker_does_not_take_is_a_warning() {
    for (script, qos) in [
        (&[Hear, CONNACK_5, Hear, Say(b"\x40\x03\x00\x01\x87"), HearAll], 1),
        (&[Hear, CONNACK_5, Hear, Say(b"\x50\x03\x00\x01\x87"), HearAll], 2),
    ] {
        let (ended, _) = play(script, &format!("pub {{p}} -t a -m x -V 5 -q {qos}"));
        let err = "Warning: Publish 1 failed: Not authorized.\n".to_owned();
        assert_eq!(ended, Ended { code: Some(0), out: String::new(), err });
    }
}

#[test]
fn what_the_broker_has_said_that_it_cannot_is_not_tried() {
    for (script, line, code, text) in [
        (
            &[Hear, Say(b"\x20\x05\x00\x00\x02\x24\x00"), HearAll],
            "pub {p} -t a -V 5 -m x -q 2",
            24,
            "Error: Message QoS not supported on broker, try a lower QoS.\n",
        ),
        (
            &[Hear, Say(b"\x20\x05\x00\x00\x02\x25\x00"), HearAll],
            "pub {p} -t a -V 5 -m x -r",
            10,
            "Error: The broker does not retain messages.\n",
        ),
        (
            &[Hear, Say(b"\x20\x08\x00\x00\x05\x27\x00\x00\x00\x0a"), HearAll],
            "pub {p} -t a -V 5 -m 'much too long for ten bytes'",
            25,
            "Error: Packet larger than supported by the server.\n",
        ),
    ] {
        let (ended, heard) = play(script, line);
        assert_eq!((ended.code, ended.err.as_str()), (Some(code), text), "{line}");
        assert!(heard.ends_with(b"\xe0\x00"), "{line}: {heard:?}");
    }
}

#[test]
fn denied_subscriptions() {
    let (ended, _) = play(&[Hear, CONNACK, Hear, Say(b"\x90\x03\x00\x01\x80"), HearAll], "sub {p} -t a");
    let err = "All subscription requests were denied.\n".to_owned();
    assert_eq!(ended, Ended { code: Some(0), out: String::new(), err });
    let script =
        &[Hear, CONNACK, Hear, Say(b"\x90\x04\x00\x01\x80\x00"), Say(b"\x30\x04\x00\x01bx"), HearAll];
    let (ended, _) = play(script, "sub {p} -t a -t b -C 1");
    assert_eq!(ended, Ended { code: Some(0), out: "x\n".to_owned(), err: String::new() });
    let script = &[Hear, CONNACK_5, Hear, Say(b"\x90\x04\x00\x01\x00\x87"), HearAll];
    let (ended, _) = play(script, "rr {p} -t a -e b -m x");
    assert_eq!(ended, Ended { code: Some(0), out: String::new(), err: "Not authorized\n".to_owned() });
}

#[test]
fn a_broker_that_breaks_the_rules_is_left() {
    for script in [
        &[Hear, Say(b"\x00\x00"), HearAll][..],
        &[Hear, Say(b"\xd0\x00"), HearAll],
        &[Hear, CONNACK, Hear, Say(b"\xff\xff"), HearAll],
    ] {
        let (ended, _) = play(script, "sub {p} -t a");
        let err = "Error: A network protocol error occurred when communicating with the broker.\n".to_owned();
        assert_eq!(ended, Ended { code: Some(2), out: String::new(), err });
    }
}

#[test]
fn a_subscriber_that_is_sent_away_ends() {
    let (ended, _) = play(&[Hear, CONNACK_5, Hear, Say(b"\xe0\x01\x8e")], "sub {p} -t a -V 5 -d");
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), "Disconnected: Session taken over.\n"));
    assert!(ended.out.ends_with("\nReceived DISCONNECT (142)\n"), "{}", ended.out);
    let (ended, _) = play(&[Hear, CONNACK_5, Hear, Say(b"\xe0\x01\x8e")], "pub {p} -t a -V 5 -m x -q 1");
    assert_eq!(
        (ended.code, ended.err.as_str()),
        (Some(4), "Error: The client is not currently connected.\n")
    );
}

#[test]
fn a_subscriber_comes_back_when_the_connection_is_lost() {
    let server = Server::start(&[Hear, CONNACK, Hear, Say(b"\x30\x04\x00\x01ax")]);
    let ended = run(Maker::Ours, &format!("sub -p {} -t a -C 2", server.port()));
    assert_eq!(ended, Ended { code: Some(0), out: "x\nx\n".to_owned(), err: String::new() });
    assert_eq!(server.connections(), 2);
    server.end();
}

#[test]
fn lines_are_sent_again_on_the_next_connection() {
    // The first connection takes the message and breaks off, as does the second; then the broker answers.
    let server = Server::start(&[Hear, CONNACK, Hear]);
    let tool = start(Maker::Ours, &words(&format!("pub -p {} -t a -l -q 1", server.port())), b"one\n");
    let came_back = poll(20 * SECOND, || (server.connections() >= 2).then_some(()));
    assert!(came_back.is_some());
    tool.terminate();
    assert_eq!(tool.wait().code, None);
    let heard = server.end();
    let message = b"\x00\x01a\x00\x01one";
    assert!(heard.windows(message.len()).filter(|bytes| bytes == message).count() >= 1);
}

#[test]
fn signals_end_a_subscriber_in_order() {
    let server = Server::start(&[Hear, CONNACK, HearAll]);
    let tool = start(Maker::Ours, &words(&format!("sub -p {} -t a -k 5 -d", server.port())), b"");
    // Once its CONNECT is there it listens to signals; while it connects, a signal ends it at once.
    assert!(poll(20 * SECOND, || (server.acts() == 2).then_some(())).is_some());
    tool.terminate();
    let ended = tool.wait();
    // 255 if the signal came before CONNACK.
    assert!(matches!(ended.code, Some(0 | 255)), "{ended:?}");
    if ended.code == Some(0) {
        assert!(ended.out.ends_with("Client (null) sending DISCONNECT\n"), "{}", ended.out);
    }
    server.end();
}

/// `mosquitto_sub … | head -1`
// [MQTT3-4.8.0-2]
#[test]
fn a_reader_that_goes_away_ends_a_subscriber_quietly() {
    let server = Server::start(&[Hear, CONNACK, Hear, Say(b"\x30\x04\x00\x01ax"), HearAll]);
    let line = words(&format!("sub -p {} -t a", server.port()));
    let (code, err) = start_unread(&line);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(server.end().ends_with(b"\xe0\x00"));
}

#[test]
fn a_timeout_before_connack_is_another_code() {
    let (ended, _) = play(&[HearAll], "sub {p} -t a -W 1");
    assert_eq!(ended, Ended { code: Some(255), out: String::new(), err: String::new() });
}

#[test]
fn through_a_proxy() {
    const GRANTED: Act = Say(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x01");
    let server = Server::start(&[Hear, Say(b"\x05\x00"), Hear, GRANTED, Hear, CONNACK, HearAll]);
    let line = format!("pub -h broker.invalid -t a -m x --proxy socks5h://127.0.0.1:{}", server.port());
    assert_eq!(run(Maker::Ours, &line), Ended { code: Some(0), out: String::new(), err: String::new() });
    let heard = server.end();
    assert!(heard.starts_with(b"\x05\x01\x00\x05\x01\x00\x03\x0ebroker.invalid\x07\x5b\x10"), "{heard:?}");

    let server =
        Server::start(&[Hear, Say(b"\x05\x00"), Hear, Say(b"\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00")]);
    let line = format!("pub -h broker.invalid -t a -m x --proxy socks5h://127.0.0.1:{}", server.port());
    let ended = run(Maker::Ours, &line);
    assert_eq!((ended.code, ended.err.as_str()), (Some(16), "Error: Proxy error: connection refused.\n"));
    server.end();
}

#[test]
fn a_server_without_websockets_is_named() {
    let (ended, heard) = play(&[Hear, Say(b"HTTP/1.1 404 Not Found\r\n\r\n"), HearAll], "sub {p} -t a --ws");
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.starts_with("Error: WebSocket: ") && ended.err.contains("404"), "{}", ended.err);
    assert!(heard.starts_with(b"GET /mqtt HTTP/1.1\r\n"));
}
