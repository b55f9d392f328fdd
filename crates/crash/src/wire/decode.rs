//! Bytes to packets. Nothing here trusts the broker.

use super::Version;
use std::io;

/// What a broker sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Packet {
    ConnAck { present: bool, code: u8 },
    Publish { topic: String, payload: Vec<u8>, qos: u8, retain: bool, dup: bool, id: u16 },
    PubAck { id: u16, reason: u8 },
    PubRec { id: u16, reason: u8 },
    PubRel { id: u16 },
    PubComp { id: u16 },
    SubAck { codes: Vec<u8> },
    UnsubAck { codes: Vec<u8> },
    PingResp,
    Disconnect { reason: u8 },
}

/// The first packet and its length; `None` if it is not whole.
pub(crate) fn packet(bytes: &[u8], version: Version) -> io::Result<Option<(Packet, usize)>> {
    let mut len = 0;
    let mut head = 1;
    loop {
        let Some(&byte) = bytes.get(head) else { return Ok(None) };
        len |= usize::from(byte & 0x7f) << (7 * (head - 1));
        head += 1;
        if byte & 0x80 == 0 {
            break;
        }
        if head > 4 {
            return Err(bad("a remaining length of more than four bytes"));
        }
    }
    let Some(body) = bytes.get(head..head + len) else { return Ok(None) };
    let packet = Body { bytes: body, version }.read(bytes[0])?;
    Ok(Some((packet, head + len)))
}

struct Body<'a> {
    bytes: &'a [u8],
    version: Version,
}

impl<'a> Body<'a> {
    fn read(mut self, first: u8) -> io::Result<Packet> {
        Ok(match first >> 4 {
            2 => Packet::ConnAck { present: self.byte()? & 1 == 1, code: self.byte()? },
            3 => self.publish(first)?,
            4 => Packet::PubAck { id: self.number()?, reason: self.reason() },
            5 => Packet::PubRec { id: self.number()?, reason: self.reason() },
            6 => Packet::PubRel { id: self.number()? },
            7 => Packet::PubComp { id: self.number()? },
            9 => {
                self.number()?;
                self.skip_properties()?;
                Packet::SubAck { codes: self.bytes.to_vec() }
            }
            11 => {
                self.number()?;
                self.skip_properties()?;
                Packet::UnsubAck { codes: self.bytes.to_vec() }
            }
            13 => Packet::PingResp,
            14 => Packet::Disconnect { reason: self.reason() },
            _ => return Err(bad("a packet that no broker sends here")),
        })
    }

    fn publish(&mut self, first: u8) -> io::Result<Packet> {
        let qos = first >> 1 & 3;
        let len = usize::from(self.number()?);
        let topic = String::from_utf8_lossy(self.take(len)?).into_owned();
        let id = if qos > 0 { self.number()? } else { 0 };
        self.skip_properties()?;
        let (retain, dup) = (first & 1 == 1, first & 8 == 8);
        Ok(Packet::Publish { topic, payload: self.bytes.to_vec(), qos, retain, dup, id })
    }

    /// 0 where it is left out, as the standard has it.
    fn reason(&self) -> u8 {
        self.bytes.first().copied().unwrap_or(0)
    }

    fn skip_properties(&mut self) -> io::Result<()> {
        if self.version == Version::V311 {
            return Ok(());
        }
        let mut len = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.byte()?;
            len |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return self.take(len).map(drop);
            }
        }
        Err(bad("a property length of more than four bytes"))
    }

    fn byte(&mut self) -> io::Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn number(&mut self) -> io::Result<u16> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn take(&mut self, len: usize) -> io::Result<&'a [u8]> {
        let (taken, rest) =
            self.bytes.split_at_checked(len).ok_or_else(|| bad("a packet that ends early"))?;
        self.bytes = rest;
        Ok(taken)
    }
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the broker has sent {what}"))
}

#[cfg(test)]
mod tests {
    use super::super::encode::{self, Message};
    use super::*;

    #[test]
    fn what_is_written_is_read_in_both_versions_and_not_before_it_is_whole() {
        for version in [Version::V311, Version::V5] {
            let payload = vec![7; 300];
            let message =
                Message { topic: "a/b", payload: &payload, qos: 2, retain: true, dup: true, id: 513 };
            let mut bytes = Vec::new();
            encode::publish(&mut bytes, version, &message);
            for end in 0..bytes.len() {
                assert_eq!(packet(&bytes[..end], version).expect("no error"), None);
            }
            let expected =
                Packet::Publish { topic: "a/b".into(), payload, qos: 2, retain: true, dup: true, id: 513 };
            assert_eq!(packet(&bytes, version).expect("no error"), Some((expected, bytes.len())));
        }
    }

    #[test]
    fn reasons_are_success_where_they_are_left_out() {
        let read = |bytes: &[u8]| packet(bytes, Version::V5).expect("no error").expect("whole").0;
        assert_eq!(read(&[0x40, 2, 0, 9]), Packet::PubAck { id: 9, reason: 0 });
        assert_eq!(read(&[0x40, 3, 0, 9, 0x97]), Packet::PubAck { id: 9, reason: 0x97 });
        assert_eq!(read(&[0xe0, 0]), Packet::Disconnect { reason: 0 });
        assert!(packet(&[0x40, 1, 0], Version::V5).is_err());
    }
}
