//! A cursor over one frame's body; every read says where it failed.

use crate::PacketId;
use crate::error::{Kind, Malformed};
use crate::text;
use crate::varint;
use pondhawk_plants::planted;

#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(body: &'a [u8]) -> Self {
        Reader { body, at: 0 }
    }

    /// An error of `kind` at the present place.
    pub(crate) fn fail(&self, kind: Kind) -> Malformed {
        Malformed::new(kind, self.at)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.at >= self.body.len()
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.body.len());
        let end = end.ok_or_else(|| self.fail(Kind::Truncated))?;
        let bytes = &self.body[self.at..end];
        self.at = end;
        Ok(bytes)
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        let bytes = &self.body[self.at..];
        self.at = self.body.len();
        bytes
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        let b = self.take(2)?;
        Ok(u16::from_be_bytes([b[0], b[1]]))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        let b = self.take(4)?;
        Ok(u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
    }

    /// A variable byte integer in its shortest form. [MQTT-1.5.5-1]
    pub(crate) fn varint(&mut self) -> Result<u32, Malformed> {
        match varint::read(&self.body[self.at..]) {
            Ok(Some((value, len))) if len == varint::len(value as usize) => {
                self.at += len;
                Ok(value)
            }
            Ok(Some(_)) => Err(self.fail(Kind::VarintNotMinimal)),
            Ok(None) => Err(self.fail(Kind::Truncated)),
            Err(_) => Err(self.fail(Kind::PropertyLength)),
        }
    }

    /// Binary data: two bytes of length, then the bytes.
    pub(crate) fn binary(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.u16()?;
        self.take(usize::from(len))
    }

    /// A UTF-8 string. [MQTT-1.5.4-1] [MQTT-1.5.4-2] [MQTT3-1.5.3-1] [MQTT3-1.5.3-2]
    pub(crate) fn string(&mut self) -> Result<&'a str, Malformed> {
        let at = self.at;
        let bytes = self.binary()?;
        text::str_of(bytes).ok_or_else(|| Malformed::new(Kind::Utf8, at))
    }

    /// A packet identifier, which is not zero. [MQTT3-2.3.1-1]
    pub(crate) fn packet_id(&mut self) -> Result<PacketId, Malformed> {
        let at = self.at;
        PacketId::new(self.u16()?).ok_or_else(|| Malformed::new(Kind::PacketIdZero, at))
    }

    /// Nothing may be left.
    pub(crate) fn end(&self) -> Result<(), Malformed> {
        if self.is_empty() || planted!(BytesBehindThePacket) {
            Ok(())
        } else {
            Err(self.fail(Kind::TrailingBytes))
        }
    }
}
