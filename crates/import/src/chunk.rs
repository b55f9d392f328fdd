//! The layer of bytes: a head, then chunks, each a fixed part with names and texts behind it.
//!
//! ```text
//! head   00 B5 00 "mosquitto db" · checksum u32, always 0 · format u32
//! chunk  kind u32 · length u32 · fixed part · texts
//! ```
//!
//! Numbers of 16 and 32 bits are big-endian, those of 64 bits and the gaps between them as the machine has them in its
//! memory. The layouts were found by looking at files of Mosquitto 1.6.9, 2.0.11 and 2.1.2.

use crate::ImportError;

const MAGIC: &[u8] = b"\x00\xb5\x00mosquitto db";
const HEAD_LEN: usize = 15 + 4 + 4;
/// Numbers of stored messages count from 1, or from some 2^50 on (2.1.2): none is above this.
const PLAUSIBLE_ID: u64 = 1 << 56;
/// Those that count from 1 stay below this, and are beyond the other where their bytes are the other way round.
const SMALL_ID: u64 = 1 << 32;
const SMALL_ID_SWAPPED: u64 = 1 << 48;

const DAMAGED_LENGTH: &str = "a length is beyond the end of its chunk";

/// A chunk taken apart. The texts are not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chunk<'a> {
    Message(StoredMessage<'a>),
    Entry(Entry<'a>),
    Retained {
        message: u64,
    },
    Subscription(Subscription<'a>),
    Client(Client<'a>),
    /// How the broker ended, which does not matter here.
    Setup,
    /// Of a kind that no known version writes.
    Unknown(u32),
}

/// A message that entries and topics refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoredMessage<'a> {
    pub(crate) id: u64,
    /// Seconds since 1970; 0 for never.
    pub(crate) expires_at_s: i64,
    pub(crate) port: u16,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) source_id: &'a [u8],
    pub(crate) source_username: &'a [u8],
    pub(crate) topic: &'a [u8],
    pub(crate) payload: &'a [u8],
    /// With its length in front; empty if there is none.
    pub(crate) properties: &'a [u8],
}

/// A message in a client's queue, or in flight to or from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) message: u64,
    pub(crate) packet_id: u16,
    pub(crate) qos: u8,
    pub(crate) state: u8,
    pub(crate) retain: bool,
    pub(crate) from_client: bool,
    pub(crate) client_id: &'a [u8],
    /// With its length in front; empty if there is none.
    pub(crate) properties: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subscription<'a> {
    pub(crate) id: u32,
    pub(crate) qos: u8,
    pub(crate) options: u8,
    pub(crate) client_id: &'a [u8],
    pub(crate) filter: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client<'a> {
    /// Seconds since 1970; 0 for never, or not known.
    pub(crate) ends_at_s: i64,
    /// Seconds; all ones for ever.
    pub(crate) expiry_s: u32,
    /// 0 in format 5.
    pub(crate) port: u16,
    pub(crate) client_id: &'a [u8],
    /// Empty in format 5.
    pub(crate) username: &'a [u8],
}

/// The chunks of a file.
#[derive(Debug)]
pub(crate) struct Chunks<'a> {
    reader: Reader<'a>,
    pub(crate) format: u32,
    /// The machine that wrote it puts numbers of 64 bits at any multiple of 4, as 32-bit x86 does.
    is_tight: bool,
}

impl<'a> Chunks<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, ImportError> {
        if !bytes.starts_with(MAGIC) || bytes.len() < HEAD_LEN {
            return Err(ImportError::Foreign);
        }
        let mut reader = Reader { bytes, at: MAGIC.len() + 4, end: bytes.len() };
        match reader.u32()? {
            format @ (5 | 6) => Ok(Chunks { reader, format, is_tight: false }),
            format @ 0..5 => Err(ImportError::Older(format)),
            format => Err(ImportError::Newer(format)),
        }
    }

    fn chunk(&mut self) -> Result<Chunk<'a>, ImportError> {
        let kind = self.reader.u32()?;
        let length = self.reader.u32()?;
        let mut reader = self.reader.sub(length as usize)?;
        let chunk = match kind {
            1 => self.setup(&mut reader)?,
            2 => stored_message(&mut reader)?,
            3 => entry(&mut reader)?,
            4 => Chunk::Retained { message: reader.u64()? },
            5 => subscription(&mut reader)?,
            6 => self.client(&mut reader)?,
            other => return Ok(Chunk::Unknown(other)),
        };
        if reader.at == reader.end {
            return Ok(chunk);
        }
        Err(ImportError::Damaged { at: reader.at, what: "a chunk is longer than what is in it" })
    }

    fn setup(&mut self, reader: &mut Reader<'a>) -> Result<Chunk<'a>, ImportError> {
        self.is_tight = reader.end - reader.at == 12;
        if is_swapped(reader.u64()?) {
            return Err(ImportError::ByteOrder);
        }
        reader.take(if self.is_tight { 4 } else { 8 })?;
        Ok(Chunk::Setup)
    }

    fn client(&self, reader: &mut Reader<'a>) -> Result<Chunk<'a>, ImportError> {
        let ends_at_s = reader.u64()?.cast_signed();
        let expiry_s = reader.u32()?;
        // The last packet identifier that was given.
        reader.u16()?;
        let client_id_len = reader.u16()?;
        let (mut port, mut username_len) = (0, 0);
        if self.format >= 6 {
            port = reader.u16()?;
            username_len = reader.u16()?;
            reader.take(if self.is_tight { 0 } else { 4 })?;
        }
        let client_id = reader.take(client_id_len.into())?;
        let username = reader.take(username_len.into())?;
        Ok(Chunk::Client(Client { ends_at_s, expiry_s, port, client_id, username }))
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Result<Chunk<'a>, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.at == self.reader.end {
            return None;
        }
        let chunk = self.chunk();
        if chunk.is_err() {
            self.reader.at = self.reader.end;
        }
        Some(chunk)
    }
}

/// True if another byte order makes more of the number of a message.
fn is_swapped(id: u64) -> bool {
    let other = id.swap_bytes();
    id >= PLAUSIBLE_ID && other < id || id >= SMALL_ID_SWAPPED && other < SMALL_ID
}

fn stored_message<'a>(reader: &mut Reader<'a>) -> Result<Chunk<'a>, ImportError> {
    let id = reader.u64()?;
    let expires_at_s = reader.u64()?.cast_signed();
    let payload_len = reader.u32()?;
    // The packet identifier that it came with.
    reader.u16()?;
    let source_id_len = reader.u16()?;
    let source_username_len = reader.u16()?;
    let topic_len = reader.u16()?;
    let port = reader.u16()?;
    let qos = reader.u8()?;
    let retain = reader.u8()? != 0;
    Ok(Chunk::Message(StoredMessage {
        id,
        expires_at_s,
        port,
        qos,
        retain,
        source_id: reader.take(source_id_len.into())?,
        source_username: reader.take(source_username_len.into())?,
        topic: reader.take(topic_len.into())?,
        payload: reader.take(payload_len as usize)?,
        properties: reader.rest(),
    }))
}

fn entry<'a>(reader: &mut Reader<'a>) -> Result<Chunk<'a>, ImportError> {
    let message = reader.u64()?;
    let packet_id = reader.u16()?;
    let client_id_len = reader.u16()?;
    let qos = reader.u8()?;
    let state = reader.u8()?;
    let retain = reader.u8()? >> 4 != 0;
    let from_client = reader.u8()? == 0;
    let client_id = reader.take(client_id_len.into())?;
    let properties = reader.rest();
    Ok(Chunk::Entry(Entry { message, packet_id, qos, state, retain, from_client, client_id, properties }))
}

fn subscription<'a>(reader: &mut Reader<'a>) -> Result<Chunk<'a>, ImportError> {
    let id = reader.u32()?;
    let client_id_len = reader.u16()?;
    let filter_len = reader.u16()?;
    let qos = reader.u8()?;
    let options = reader.u8()?;
    reader.take(2)?;
    let client_id = reader.take(client_id_len.into())?;
    let filter = reader.take(filter_len.into())?;
    Ok(Chunk::Subscription(Subscription { id, qos, options, client_id, filter }))
}

/// A piece of the file, and how far it is read.
#[derive(Clone, Copy, Debug)]
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], ImportError> {
        let damaged = ImportError::Damaged { at: self.at, what: DAMAGED_LENGTH };
        let end = self.at.checked_add(len).filter(|end| *end <= self.end).ok_or(damaged)?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn sub(&mut self, len: usize) -> Result<Reader<'a>, ImportError> {
        let at = self.at;
        let damaged = ImportError::Damaged { at, what: "a chunk is cut off by the end of the file" };
        self.take(len).map_err(|_| damaged)?;
        Ok(Reader { bytes: self.bytes, at, end: self.at })
    }

    fn rest(&mut self) -> &'a [u8] {
        let rest = &self.bytes[self.at..self.end];
        self.at = self.end;
        rest
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ImportError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn u8(&mut self) -> Result<u8, ImportError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    fn u16(&mut self) -> Result<u16, ImportError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, ImportError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, ImportError> {
        Ok(u64::from_ne_bytes(self.array()?))
    }
}
