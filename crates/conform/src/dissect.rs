//! Bytes in words and in hexadecimal, for reports.

use crate::packet::frame_len;

const NAMES: [&str; 16] = [
    "type 0",
    "CONNECT",
    "CONNACK",
    "PUBLISH",
    "PUBACK",
    "PUBREC",
    "PUBREL",
    "PUBCOMP",
    "SUBSCRIBE",
    "SUBACK",
    "UNSUBSCRIBE",
    "UNSUBACK",
    "PINGREQ",
    "PINGRESP",
    "DISCONNECT",
    "AUTH",
];

/// Hexadecimal, cut after 64 bytes.
#[must_use]
pub fn dump(bytes: &[u8]) -> String {
    let shown: Vec<String> = bytes.iter().take(64).map(|byte| format!("{byte:02X}")).collect();
    let cut = if bytes.len() > 64 { format!(" … ({} bytes)", bytes.len()) } else { String::new() };
    format!("[{}{cut}]", shown.join(" "))
}

/// The packets in `bytes`, as far as they are packets: names, flags, identifiers, topics, codes.
#[must_use]
pub fn describe(bytes: &[u8]) -> String {
    let (mut words, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        if words.len() == 8 {
            words.push(format!("and {} bytes more", rest.len()));
            break;
        }
        match frame_len(rest) {
            Ok(Some(len)) if len <= rest.len() => {
                words.push(describe_frame(&rest[..len]));
                rest = &rest[len..];
            }
            Ok(Some(len)) => {
                words.push(format!("{} of {len} bytes of {}", rest.len(), NAMES[usize::from(rest[0] >> 4)]));
                break;
            }
            _ => {
                words.push(format!("{} bytes that begin no packet", rest.len()));
                break;
            }
        }
    }
    words.join(", ")
}

fn describe_frame(frame: &[u8]) -> String {
    let (kind, flags) = (frame[0] >> 4, frame[0] & 0x0F);
    let header = 2 + frame[1..].iter().take_while(|byte| **byte & 0x80 != 0).count();
    let body = &frame[header..];
    let name = NAMES[usize::from(kind)];
    let usual = if matches!(kind, 6 | 8 | 10) { 2 } else { 0 };
    let mut words = vec![name.to_owned()];
    if kind != 3 && flags != usual {
        words.push(format!("with flags {flags:X}"));
    }
    words.extend(match kind {
        2 => body.get(..2).map(|bytes| {
            format!("{:02X}{}", bytes[1], if bytes[0] & 1 == 1 { " session present" } else { "" })
        }),
        3 => Some(describe_publish(flags, body)),
        4..=7 => id(body)
            .map(|id| format!("{id}{}", body.get(2).map_or(String::new(), |code| format!(" {code:02X}")))),
        8..=11 => id(body).map(|id| format!("{id} {}", dump(body.get(2..).unwrap_or(&[])))),
        14 | 15 => Some(body.first().map_or("00".to_owned(), |code| format!("{code:02X}"))),
        _ => None,
    });
    words.join(" ")
}

fn id(body: &[u8]) -> Option<u16> {
    body.get(..2).map(|bytes| u16::from(bytes[0]) << 8 | u16::from(bytes[1]))
}

fn describe_publish(flags: u8, body: &[u8]) -> String {
    let topic_len = id(body).map_or(0, usize::from);
    let Some(topic) = body.get(2..2 + topic_len) else { return format!("flags {flags:X} {}", dump(body)) };
    let shown: String = String::from_utf8_lossy(topic).chars().take(40).collect();
    let mut words = vec![format!("q{}", flags >> 1 & 3)];
    words.extend((flags & 8 != 0).then(|| "dup".to_owned()));
    words.extend((flags & 1 != 0).then(|| "retain".to_owned()));
    let rest = &body[2 + topic_len..];
    if flags & 6 != 0
        && let Some(id) = id(rest)
    {
        words.push(format!("id {id}"));
    }
    words.push(format!("{shown:?}"));
    words.push(dump(rest));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_in_words() {
        let cases: [(&[u8], &str); 7] = [
            (&[0x20, 2, 1, 0], "CONNACK 00 session present"),
            (&[0x40, 3, 0, 1, 0x10, 0xC0, 0], "PUBACK 1 10, PINGREQ"),
            (&[0xE0, 1, 0x81], "DISCONNECT 81"),
            (&[0x83, 2, 0, 1], "SUBSCRIBE with flags 3 1 []"),
            (b"\x33\x06\0\x01t\0\x02x", "PUBLISH q1 retain id 2 \"t\" [00 02 78]"),
            (&[0x30, 9, 0], "3 of 11 bytes of PUBLISH"),
            (&[0x30, 0xFF, 0xFF, 0xFF, 0xFF], "5 bytes that begin no packet"),
        ];
        for (bytes, words) in cases {
            assert_eq!(describe(bytes), words);
        }
    }
}
