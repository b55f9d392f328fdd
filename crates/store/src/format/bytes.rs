//! Numbers and strings as bytes, and back without trust.

use std::fmt;

/// Why bytes are not what this program wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The checksum is another one.
    Checksum,
    /// A value's layout has this number, which is not known here.
    Layout(u8),
    /// They end too early.
    Short,
    /// They go on behind the end.
    Long,
    /// A string is not UTF-8.
    Text,
    /// A field has a value that it cannot have.
    Field(&'static str),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Damage::Checksum => f.write_str("its checksum differs"),
            Damage::Layout(found) => write!(f, "its layout {found} is not known"),
            Damage::Short => f.write_str("it ends too early"),
            Damage::Long => f.write_str("it goes on behind its end"),
            Damage::Text => f.write_str("it is not UTF-8"),
            Damage::Field(name) => write!(f, "its {name} cannot be"),
        }
    }
}

/// Appends fields. Numbers are little-endian, strings have their length in front.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    pub(crate) bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn u8(&mut self, value: u8) -> &mut Self {
        self.bytes.push(value);
        self
    }

    pub(crate) fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(crate) fn block(&mut self, value: &[u8]) -> &mut Self {
        let len = u32::try_from(value.len()).expect("an MQTT packet has less than 256 MiB");
        self.u32(len);
        self.bytes.extend_from_slice(value);
        self
    }

    pub(crate) fn str(&mut self, value: &str) -> &mut Self {
        self.block(value.as_bytes())
    }

    pub(crate) fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) -> &mut Self {
        self.u8(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
        self
    }
}

/// Takes fields from the front.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Reader { left: bytes }
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], Damage> {
        let (taken, left) = self.left.split_at_checked(len).ok_or(Damage::Short)?;
        self.left = left;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        let (taken, left) = self.left.split_first_chunk().ok_or(Damage::Short)?;
        self.left = left;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Damage> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Damage> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Damage> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Damage> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A number of a key: big-endian, so that keys sort by it.
    pub(crate) fn u64_ordered(&mut self) -> Result<u64, Damage> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub(crate) fn u16_ordered(&mut self) -> Result<u16, Damage> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(crate) fn bool(&mut self, name: &'static str) -> Result<bool, Damage> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Damage::Field(name)),
        }
    }

    pub(crate) fn block(&mut self) -> Result<&'a [u8], Damage> {
        let len = self.u32()?;
        self.take(len as usize)
    }

    pub(crate) fn str(&mut self) -> Result<&'a str, Damage> {
        text(self.block()?)
    }

    pub(crate) fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, Damage>,
    ) -> Result<Option<T>, Damage> {
        self.bool(name)?.then(|| read(self)).transpose()
    }

    /// Everything that is left, as text.
    pub(crate) fn rest(&mut self) -> Result<&'a str, Damage> {
        let left = self.left;
        self.left = &[];
        text(left)
    }

    /// Nothing may be left.
    pub(crate) fn end(self) -> Result<(), Damage> {
        if self.left.is_empty() { Ok(()) } else { Err(Damage::Long) }
    }
}

fn text(bytes: &[u8]) -> Result<&str, Damage> {
    std::str::from_utf8(bytes).map_err(|_| Damage::Text)
}
