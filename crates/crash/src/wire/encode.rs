//! Packets to bytes.

use super::Version;

/// What a client says at first.
#[derive(Clone, Debug)]
pub(crate) struct Hello<'a> {
    pub(crate) version: Version,
    pub(crate) client: &'a str,
    /// The session outlives the connection.
    pub(crate) kept: bool,
    pub(crate) will: Option<Will<'a>>,
}

/// A will, at QoS 2.
#[derive(Clone, Debug)]
pub(crate) struct Will<'a> {
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a [u8],
    /// With version 5 only.
    pub(crate) delay_s: u32,
}

/// What a PUBLISH says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a [u8],
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) dup: bool,
    /// Unused at QoS 0.
    pub(crate) id: u16,
}

pub(crate) const PUBACK: u8 = 0x40;
pub(crate) const PUBREC: u8 = 0x50;
pub(crate) const PUBREL: u8 = 0x62;
pub(crate) const PUBCOMP: u8 = 0x70;
pub(crate) const DISCONNECT: [u8; 2] = [0xe0, 0];

pub(crate) fn connect(hello: &Hello<'_>) -> Vec<u8> {
    let v5 = hello.version == Version::V5;
    let mut body = Vec::new();
    text(&mut body, "MQTT");
    body.push(if v5 { 5 } else { 4 });
    // QoS 2 in bits 3 and 4. A session is taken up (no clean start) exactly if it is kept.
    body.push(if hello.will.is_some() { 0x14 } else { 0 } | if hello.kept { 0 } else { 2 });
    body.extend([0, 0]);
    match (v5, hello.kept) {
        (false, _) => {}
        (true, false) => body.push(0),
        // Session Expiry Interval: without end.
        (true, true) => body.extend([5, 0x11, 0xff, 0xff, 0xff, 0xff]),
    }
    text(&mut body, hello.client);
    if let Some(will) = &hello.will {
        if v5 {
            body.extend([5, 0x18]);
            body.extend(will.delay_s.to_be_bytes());
        }
        text(&mut body, will.topic);
        binary(&mut body, will.payload);
    }
    framed(0x10, &body)
}

/// Appends a PUBLISH.
pub(crate) fn publish(to: &mut Vec<u8>, version: Version, message: &Message<'_>) {
    let mut body = Vec::with_capacity(message.topic.len() + message.payload.len() + 8);
    text(&mut body, message.topic);
    if message.qos > 0 {
        body.extend(message.id.to_be_bytes());
    }
    if version == Version::V5 {
        body.push(0);
    }
    body.extend_from_slice(message.payload);
    let flags = u8::from(message.dup) << 3 | message.qos << 1 | u8::from(message.retain);
    to.extend(framed(0x30 | flags, &body));
}

/// A SUBSCRIBE for all `filters` at one QoS.
pub(crate) fn subscribe(version: Version, id: u16, filters: &[&str], qos: u8) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    if version == Version::V5 {
        body.push(0);
    }
    for filter in filters {
        text(&mut body, filter);
        body.push(qos);
    }
    framed(0x82, &body)
}

/// An UNSUBSCRIBE for one filter.
pub(crate) fn unsubscribe(version: Version, id: u16, filter: &str) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    if version == Version::V5 {
        body.push(0);
    }
    text(&mut body, filter);
    framed(0xa2, &body)
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP of success: the same in both versions.
pub(crate) fn answer(to: &mut Vec<u8>, first: u8, id: u16) {
    let [high, low] = id.to_be_bytes();
    to.extend([first, 2, high, low]);
}

fn framed(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(body.len() + 5);
    packet.push(first);
    let mut left = body.len();
    loop {
        let more = if left >= 128 { 128 } else { 0 };
        packet.push((left % 128) as u8 | more);
        left /= 128;
        if left == 0 {
            break;
        }
    }
    packet.extend_from_slice(body);
    packet
}

fn text(to: &mut Vec<u8>, text: &str) {
    binary(to, text.as_bytes());
}

fn binary(to: &mut Vec<u8>, bytes: &[u8]) {
    let len = u16::try_from(bytes.len()).expect("topics and wills of the run are short");
    to.extend(len.to_be_bytes());
    to.extend_from_slice(bytes);
}
