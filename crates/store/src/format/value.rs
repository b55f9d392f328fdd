//! The values: what each record says, with a checksum.

use super::bytes::{Damage, Reader, Writer};
use super::clock::Clock;
use super::key::BodyNo;
use pondhawk_broker::{Homes, Kept, Will};
use pondhawk_codec::Qos;
use pondhawk_session::server::{Delivery, Message, MessageRef, Millis, Origin, Seq, Source, SubscriptionIds};
use std::sync::Arc;

/// The layout of values that is written.
const LAYOUT: u8 = 1;

const CHECKSUM_LEN: usize = 4;
/// Bytes of a message beside its texts, its source with usual names, and the checksum: no more than a first guess.
const MESSAGE_ROOM: usize = 96;

/// What a record of a message holds: itself, or the number of one that is kept once for several records.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Content {
    Inline(Arc<Message>),
    Shared(BodyNo),
}

/// What a record of a message was found to hold.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub enum Found<'a> {
    Inline(Body<'a>),
    Shared(BodyNo),
}

/// A message as it stands in a value.
#[derive(Clone, Copy, Debug)]
pub struct Body<'a> {
    topic: &'a str,
    properties: &'a [u8],
    payload: &'a [u8],
    qos: Qos,
    retain: bool,
    expires_at: Millis,
    source: Option<SourceRef<'a>>,
}

#[derive(Clone, Copy, Debug)]
struct SourceRef<'a> {
    client_id: &'a str,
    username: Option<&'a str>,
    listener: u16,
}

/// The publisher of the last message that was made: one after the other often has the same.
#[derive(Debug, Default)]
pub struct LastSource(Option<Arc<Source>>);

impl Body<'_> {
    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        self.topic
    }

    /// Bytes of topic, properties and payload.
    #[must_use]
    pub fn size(&self) -> usize {
        self.topic.len() + self.properties.len() + self.payload.len()
    }

    /// The message.
    #[must_use]
    pub fn to_message(&self, last: &mut LastSource) -> Arc<Message> {
        let Body { topic, properties, payload, qos, retain, expires_at, .. } = *self;
        let source = self.source.as_ref().map(|source| last.get(source));
        let origin = Origin(0);
        Arc::new(
            MessageRef { topic, properties, payload, qos, retain, expires_at, origin, source }.to_message(),
        )
    }
}

impl LastSource {
    fn get(&mut self, source: &SourceRef<'_>) -> &Arc<Source> {
        let same = |last: &Arc<Source>| {
            *last.client_id == *source.client_id
                && last.username.as_deref() == source.username
                && last.listener == source.listener
        };
        let last = self.0.take().filter(same);
        self.0.insert(last.unwrap_or_else(|| Arc::new(source.to_source())))
    }
}

impl SourceRef<'_> {
    fn to_source(self) -> Source {
        Source {
            client_id: self.client_id.into(),
            username: self.username.map(Into::into),
            listener: self.listener,
        }
    }
}

/// A value that is written, once its key is known.
#[derive(Debug)]
pub struct Value {
    writer: Writer,
    clock: Clock,
}

impl Value {
    /// One without fields.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let mut writer = Writer::default();
        writer.u8(LAYOUT);
        Value { writer, clock }
    }

    /// The bytes, with a checksum over them and the key, so that a value in another's place is noticed too.
    #[must_use]
    pub fn seal(mut self, key: &[u8]) -> Vec<u8> {
        let sum = checksum(key, &self.writer.bytes);
        self.writer.u32(sum);
        self.writer.bytes
    }

    /// The version of the format.
    #[must_use]
    pub fn format(mut self, version: u32) -> Self {
        self.writer.u32(version);
        self
    }

    /// Where names are at home.
    #[must_use]
    pub fn homes(mut self, homes: &Homes) -> Self {
        self.writer.u64(homes.key).u8(homes.shards);
        self
    }

    /// A session.
    #[must_use]
    pub fn session(mut self, client_id: &str, kept: &Kept) -> Self {
        let clock = self.clock;
        let is_doubtful = kept.doubtful > kept.sent;
        let flags = [kept.username.is_some(), kept.unclaimed, is_doubtful];
        let flags = flags.into_iter().rev().fold(0, |byte, flag| byte << 1 | u8::from(flag));
        self.writer.str(client_id).u8(flags);
        if let Some(name) = &kept.username {
            self.writer.str(name);
        }
        self.writer
            .u16(kept.listener)
            .u32(kept.expiry_s)
            .optional(kept.ends_at, |to, at| {
                to.u64(clock.to_wall(at));
            })
            .u64(kept.sent.0);
        if is_doubtful {
            self.writer.u64(kept.doubtful.0);
        }
        self
    }

    /// A subscription.
    #[must_use]
    pub fn subscription(mut self, options: u8, id: u32) -> Self {
        self.writer.u8(options).u32(id);
        self
    }

    /// How a message goes to its client.
    #[must_use]
    pub fn delivery(mut self, delivery: &Delivery) -> Self {
        let ids = delivery.ids.as_slice();
        self.writer.u8(delivery.qos.as_u8()).u8(u8::from(delivery.retain)).u32(ids.len() as u32);
        for id in ids {
            self.writer.u32(*id);
        }
        self
    }

    /// A message, or where it is.
    #[must_use]
    pub fn content(mut self, content: &Content) -> Self {
        match content {
            Content::Inline(message) => {
                self.writer.u8(0);
                self.message(&message.view())
            }
            Content::Shared(body) => {
                self.writer.u8(1).u64(body.0);
                self
            }
        }
    }

    /// A message.
    #[must_use]
    pub fn message(mut self, message: &MessageRef<'_>) -> Self {
        let expires_at = self.clock.to_wall(message.expires_at);
        let text = message.topic.len() + message.properties.len() + message.payload.len();
        self.writer.bytes.reserve(text + MESSAGE_ROOM);
        self.writer
            .str(message.topic)
            .block(message.properties)
            .u8(message.qos.as_u8())
            .u8(u8::from(message.retain))
            .u64(expires_at)
            .optional(message.source, |to, from| write_source(to, from))
            .block(message.payload);
        self
    }

    /// A will.
    #[must_use]
    pub fn will(mut self, from: &Source, will: &Will, due: Option<Millis>) -> Self {
        let clock = self.clock;
        write_source(&mut self.writer, from);
        self.writer
            .optional(due, |to, at| {
                to.u64(clock.to_wall(at));
            })
            .str(&will.topic)
            .block(&will.properties)
            .u8(will.qos.as_u8())
            .u8(u8::from(will.retain))
            .u32(will.delay_s)
            .optional(will.expiry_s, |to, seconds| {
                to.u32(seconds);
            })
            .block(&will.payload);
        self
    }
}

fn write_source(to: &mut Writer, from: &Source) {
    to.str(&from.client_id)
        .optional(from.username.as_deref(), |to, name| {
            to.str(name);
        })
        .u16(from.listener);
}

/// A value that is read: its checksum has been found right.
#[derive(Clone, Copy, Debug)]
pub struct Opened<'a> {
    reader: Reader<'a>,
    clock: Clock,
}

impl<'a> Opened<'a> {
    /// The value of `key`.
    ///
    /// # Errors
    /// If it is not as it was written, or a later version wrote it.
    pub fn new(key: &[u8], value: &'a [u8], clock: Clock) -> Result<Self, Damage> {
        let (fields, sum) = value.split_last_chunk::<CHECKSUM_LEN>().ok_or(Damage::Short)?;
        if checksum(key, fields) != u32::from_le_bytes(*sum) {
            return Err(Damage::Checksum);
        }
        let mut reader = Reader::new(fields);
        match reader.u8()? {
            LAYOUT => Ok(Opened { reader, clock }),
            other => Err(Damage::Layout(other)),
        }
    }

    /// A value without fields.
    ///
    /// # Errors
    /// If it has some.
    pub fn nothing(self) -> Result<(), Damage> {
        self.reader.end()
    }

    /// The version of the format.
    ///
    /// # Errors
    /// If it is none.
    pub fn format(mut self) -> Result<u32, Damage> {
        let version = self.reader.u32()?;
        self.reader.end()?;
        Ok(version)
    }

    /// Where names are at home.
    ///
    /// # Errors
    /// If it does not say.
    pub fn homes(mut self) -> Result<Homes, Damage> {
        let homes = Homes { key: self.reader.u64()?, shards: self.reader.u8()? };
        self.reader.end()?;
        if homes.shards == 0 || homes.shards > Homes::SHARDS_MAX {
            return Err(Damage::Field("number of shards"));
        }
        Ok(homes)
    }

    /// A session.
    ///
    /// # Errors
    /// If it is none.
    pub fn session(mut self) -> Result<(Arc<str>, Kept), Damage> {
        let clock = self.clock;
        let from = &mut self.reader;
        let client_id = Arc::from(from.str()?);
        let flags = from.u8()?;
        if flags > 7 {
            return Err(Damage::Field("flags"));
        }
        let kept = Kept {
            username: if flags & 1 != 0 { Some(Arc::from(from.str()?)) } else { None },
            unclaimed: flags & 2 != 0,

            listener: from.u16()?,
            expiry_s: from.u32()?,
            ends_at: from.optional("end", Reader::u64)?.map(|at| clock.from_wall(at)),
            sent: Seq(from.u64()?),
            doubtful: Seq(if flags & 4 != 0 { from.u64()? } else { 0 }),
        };
        self.reader.end()?;
        Ok((client_id, kept))
    }

    /// A subscription's options and identifier.
    ///
    /// # Errors
    /// If it is none.
    pub fn subscription(mut self) -> Result<(u8, u32), Damage> {
        let subscription = (self.reader.u8()?, self.reader.u32()?);
        self.reader.end()?;
        Ok(subscription)
    }

    /// A queue's entry.
    ///
    /// # Errors
    /// If it is none.
    pub fn entry(mut self) -> Result<(Delivery, Found<'a>), Damage> {
        let qos = read_qos(&mut self.reader)?;
        let retain = self.reader.bool("retain flag")?;
        let count = self.reader.u32()?;
        let ids = match count {
            0 => SubscriptionIds::None,
            1 => SubscriptionIds::One(self.reader.u32()?),
            _ => {
                let mut bytes = Reader::new(self.reader.take((count as usize).saturating_mul(4))?);
                let ids: Result<Box<[u32]>, Damage> = (0..count).map(|_| bytes.u32()).collect();
                SubscriptionIds::Many(ids?)
            }
        };
        Ok((Delivery { qos, retain, ids }, self.content()?))
    }

    /// A message, or where it is.
    ///
    /// # Errors
    /// If it is none.
    pub fn content(mut self) -> Result<Found<'a>, Damage> {
        if self.reader.bool("kind of content")? {
            let body = BodyNo(self.reader.u64()?);
            self.reader.end()?;
            return Ok(Found::Shared(body));
        }
        Ok(Found::Inline(self.message()?))
    }

    /// A message.
    ///
    /// # Errors
    /// If it is none.
    pub fn message(mut self) -> Result<Body<'a>, Damage> {
        let from = &mut self.reader;
        let topic = from.str()?;
        let properties = from.block()?;
        let qos = read_qos(from)?;
        let retain = from.bool("retain flag")?;
        let expires_at = self.clock.from_wall(from.u64()?);
        let source = from.optional("source", read_source)?;
        let payload = from.block()?;
        self.reader.end()?;
        Ok(Body { topic, properties, payload, qos, retain, expires_at, source })
    }

    /// A will, whose it is, and when it is due.
    ///
    /// # Errors
    /// If it is none.
    pub fn will(mut self) -> Result<(Source, Will, Option<Millis>), Damage> {
        let clock = self.clock;
        let from = &mut self.reader;
        let source = read_source(from)?.to_source();
        let due = from.optional("time", Reader::u64)?.map(|at| clock.from_wall(at));
        let topic = from.str()?.into();
        let properties = from.block()?.into();
        let qos = read_qos(from)?;
        let retain = from.bool("retain flag")?;
        let delay_s = from.u32()?;
        let expiry_s = from.optional("expiry", Reader::u32)?;
        let payload = from.block()?.into();
        self.reader.end()?;
        Ok((source, Will { topic, properties, payload, qos, retain, delay_s, expiry_s }, due))
    }
}

fn read_qos(from: &mut Reader<'_>) -> Result<Qos, Damage> {
    Qos::from_u8(from.u8()?).ok_or(Damage::Field("QoS"))
}

fn read_source<'a>(from: &mut Reader<'a>) -> Result<SourceRef<'a>, Damage> {
    Ok(SourceRef {
        client_id: from.str()?,
        username: from.optional("user name", Reader::str)?,
        listener: from.u16()?,
    })
}

fn checksum(key: &[u8], fields: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(key);
    sum.update(fields);
    sum.finalize()
}
