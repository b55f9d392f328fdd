//! The upgrade, on both ends.

use super::*;

fn upgrade(head: &str) -> Outcome {
    feed(&mut server(), head.as_bytes(), usize::MAX)
}

/// The usual request with one text for another.
fn with(from: &str, to: &str) -> Outcome {
    assert!(UPGRADE.contains(from));
    upgrade(&UPGRADE.replace(from, to))
}

fn refused(outcome: &Outcome, status: u16, error: WsError) {
    assert_eq!(outcome.result, Err(error));
    let head = format!("HTTP/1.1 {status} ");
    assert!(outcome.reply_text().starts_with(&head), "{}", outcome.reply_text());
    assert!(outcome.reply_text().contains("\r\nConnection: close\r\n"));
    assert!(outcome.mqtt.is_empty());
}

// RFC 6455, 1.3
#[test]
fn the_standards_example() {
    let outcome = upgrade(UPGRADE);
    assert_eq!(outcome.result, Ok(()));
    assert_eq!(
        outcome.reply_text(),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
    );
}

#[test]
fn lists_and_case_are_read_as_http_says() {
    for (from, to) in [
        ("GET /mqtt", "GET /any/path?x=1"),
        ("Connection: Upgrade", "connection: keep-alive, UPGRADE"),
        ("Connection: Upgrade", "Connection: keep-alive\r\nConnection: upgrade"),
        ("Upgrade: websocket", "UPGRADE: h2c, WebSocket"),
        ("Protocol: mqtt", "Protocol: mqttv3.1, mqtt"),
        ("Protocol: mqtt", "Protocol: chat\r\nSec-WebSocket-Protocol:mqtt"),
        ("Protocol: mqtt", "Protocol: mqtt\r\nSec-WebSocket-Extensions: permessage-deflate"),
        ("Key: dGhlIHNhbXBsZSBub25jZQ==", "Key: dGhlIHNhbXBsZSBub25jZR=="),
    ] {
        let outcome = with(from, to);
        assert_eq!(outcome.result, Ok(()), "{to}");
        assert!(outcome.reply_text().contains("\r\nSec-WebSocket-Protocol: mqtt\r\n"));
        assert!(!outcome.reply_text().contains("Extensions"));
    }
    let old = with("Protocol: mqtt", "Protocol: mqttv3.1");
    assert!(old.reply_text().contains("\r\nSec-WebSocket-Protocol: mqttv3.1\r\n"));
}

#[test]
fn g02_what_is_not_an_upgrade_gets_426() {
    for (from, to) in [("Upgrade: websocket\r\n", ""), ("Connection: Upgrade", "Connection: keep-alive")] {
        let outcome = with(from, to);
        refused(&outcome, 426, WsError::NotAnUpgrade);
        assert!(outcome.reply_text().contains("\r\nUpgrade: websocket\r\n"));
    }
    for to in ["Version: 8", "Version: 13, 8", "Version: 013"] {
        let outcome = with("Version: 13", to);
        refused(&outcome, 426, WsError::Version);
        assert!(outcome.reply_text().contains("\r\nSec-WebSocket-Version: 13\r\n"));
    }
    refused(&with("Sec-WebSocket-Version: 13\r\n", ""), 426, WsError::Version);
}

#[test]
fn g02_bad_requests_get_400() {
    for (from, to) in [
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j"),
        ("dGhlIHNhbXBsZSBub25jZQ==", "not base64 at all!!!!!=="),
        ("Host: broker.example:9001\r\n", ""),
        ("HTTP/1.1", "HTTP/1.0"),
        ("HTTP/1.1", "HTTP/2"),
        ("Host:", "Host :"),
        ("Host: broker", "Host: a\r\nHost: broker"),
        ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13"),
        ("Sec-WebSocket-Key:", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-key:"),
        ("Host: broker", "Transfer-Encoding: chunked\r\nHost: broker"),
        ("Host: broker", "Content-Length: 5\r\nHost: broker"),
        ("Host: broker", "Host: \0broker"),
        ("Host: broker", "Host: bro\rker"),
        ("Host: broker", "Host: bro\nX: ker"),
        ("Host: broker", "Host:\r\n broker"),
        ("\r\n\r\n", "\n\n"),
    ] {
        let outcome = with(from, to);
        let Err(error @ WsError::BadHead(_)) = outcome.result else { panic!("{to:?}: {outcome:?}") };
        refused(&outcome, 400, error);
    }
}

// [MQTT-6.0.0-4] [MQTT3-6.0.0-4]: nothing else is selected.
#[test]
fn g02_a_sub_protocol_of_mqtt_must_be_offered() {
    refused(&with("Sec-WebSocket-Protocol: mqtt\r\n", ""), 400, WsError::Subprotocol);
    for to in ["Protocol: chat", "Protocol: MQTT", "Protocol: mqtt5", "Protocol:"] {
        refused(&with("Protocol: mqtt", to), 400, WsError::Subprotocol);
    }
}

#[test]
fn other_protocols_are_found_out_at_their_first_bytes() {
    // An MQTT CONNECT, a TLS hello, another method.
    for start in [&b"\x10\x0c\x00\x04MQTT"[..], b"\x16\x03\x01", b"POST"] {
        let outcome = feed(&mut server(), start, usize::MAX);
        refused(&outcome, 400, WsError::NotHttp);
    }
}

#[test]
fn g02_the_head_has_a_limit() {
    let exact = UPGRADE.len();
    for (max_header_bytes, result) in [(exact, Ok(())), (exact - 1, Err(WsError::HeadTooLarge))] {
        let settings = WsSettings { max_header_bytes, ..WsSettings::default() };
        let mut ws = ServerWs::new(Arc::new(settings));
        assert_eq!(feed(&mut ws, UPGRADE.as_bytes(), 7).result, result);
    }
    let endless = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(100_000));
    refused(&upgrade(&endless), 431, WsError::HeadTooLarge);
    let many = with("Host: ", &format!("{}Host: ", "X: y\r\n".repeat(FIELDS)));
    refused(&many, 431, WsError::HeadTooLarge);
}

const FIELDS: usize = super::super::head::FIELDS_MAX;

#[test]
fn g06_origins_fail_closed() {
    let settings = WsSettings { origins: vec!["https://a.example".into()], ..WsSettings::default() };
    let settings = Arc::new(settings);
    let long = format!("https://{}", "a".repeat(2000));
    for (origin, allowed) in [
        (Some("https://a.example"), true),
        (Some("https://A.example"), true),
        (Some("https://b.example"), false),
        (Some("https://a.example.evil"), false),
        (Some("null"), false),
        (Some(&*long), false),
        (None, false),
    ] {
        let line = origin.map(|origin| format!("Origin: {origin}\r\n")).unwrap_or_default();
        let head = UPGRADE.replace("Host:", &format!("{line}Host:"));
        let outcome = feed(&mut ServerWs::new(Arc::clone(&settings)), head.as_bytes(), usize::MAX);
        if allowed {
            assert_eq!(outcome.result, Ok(()), "{origin:?}");
        } else {
            refused(&outcome, 403, WsError::Origin);
        }
    }
    assert_eq!(with("Host:", "Origin: https://anyone\r\nHost:").result, Ok(()), "no list allows any");
}

#[test]
fn a_machine_that_has_ended_reads_nothing() {
    let mut ws = server();
    assert!(feed(&mut ws, b"x", 1).result.is_err());
    let outcome = feed(&mut ws, UPGRADE.as_bytes(), usize::MAX);
    assert_eq!(outcome, Outcome { mqtt: vec![], reply: vec![], result: Err(WsError::Done) });
}

/// The answer of our server to our client, with one text for another.
fn answered(from: &str, to: &str) -> Result<(), WsError> {
    let mut client = ClientWs::new([7; 16]);
    let request = client.request("[::1]:9001", "/mqtt", &[]).unwrap();
    let answer = feed(&mut server(), &request, usize::MAX);
    assert!(answer.reply_text().contains(from));
    let mut answer = answer.reply_text().replace(from, to).into_bytes();
    let result = client.receive(&mut answer, &mut Vec::new(), &mut Vec::new());
    assert_eq!(client.is_open(), result.is_ok());
    result
}

// [MQTT-6.0.0-3] [MQTT-6.0.0-4] [MQTT3-6.0.0-3] [MQTT3-6.0.0-4]: our server agrees to what our client offers.
#[test]
fn the_client_checks_the_answer() {
    let bad_accept = WsError::BadHead("Sec-WebSocket-Accept does not match");
    let request = ClientWs::new([7; 16]).request("h:1", "/", &[]).unwrap();
    let offer = b"\r\nSec-WebSocket-Protocol: mqtt\r\n";
    assert!(request.windows(offer.len()).any(|line| line == offer));
    assert_eq!(answered("Sec-WebSocket-Protocol: mqtt\r\n", "Sec-WebSocket-Protocol: mqtt\r\n"), Ok(()));
    assert_eq!(answered("101 Switching Protocols", "404 Not Found"), Err(WsError::Refused(404)));
    assert_eq!(answered("HTTP/1.1", "HTTP/1.0"), Err(WsError::BadHead("not HTTP/1.1")));
    assert_eq!(answered("HTTP", "SSH-"), Err(WsError::NotHttp));
    assert_eq!(answered("Upgrade: websocket\r\n", ""), Err(WsError::NotAnUpgrade));
    assert_eq!(answered("Accept: ", "Accept: x"), Err(bad_accept));
    assert_eq!(answered("Sec-WebSocket-Protocol: mqtt\r\n", ""), Err(WsError::Subprotocol));
    assert_eq!(answered("Protocol: mqtt", "Protocol: mqttv3.1"), Err(WsError::Subprotocol));
    assert!(matches!(
        answered("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"),
        Err(WsError::BadHead(_))
    ));
}

#[test]
fn the_request_can_not_be_broken_out_of() {
    let client = ClientWs::new([1; 16]);
    let request = client.request("h:1", "mqtt", &[("Origin", "https://a.example")]).unwrap();
    let text = String::from_utf8(request).unwrap();
    assert!(text.starts_with("GET /mqtt HTTP/1.1\r\nHost: h:1\r\n"));
    assert!(text.ends_with("\r\nOrigin: https://a.example\r\n\r\n"));
    assert!(client.request("h\r\nX: y", "/", &[]).is_err());
    assert!(client.request("", "/", &[]).is_err());
    assert!(client.request("h", "/ HTTP/1.1", &[]).is_err());
    assert!(client.request("h", "/", &[("A", "b\r\nC: d")]).is_err());
    assert!(client.request("h", "/", &[("A: b", "c")]).is_err());
    assert_ne!(text, String::from_utf8(ClientWs::new([2; 16]).request("h:1", "mqtt", &[]).unwrap()).unwrap());
}
