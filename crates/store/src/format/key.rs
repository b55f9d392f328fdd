//! The keys: which record it is, and of whom.
//!
//! The first byte is the kind. Kinds are numbered so that a scan meets what others refer to first.

use super::bytes::{Damage, Reader};
use pondhawk_broker::{Place, Release, ShardId};
use pondhawk_session::server::Seq;
use std::sync::Arc;

/// The number of a session in the store, never given twice: what a gone session leaves behind is nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionNo(pub u64);

/// The number of a message that several records share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BodyNo(pub u64);

/// What a record is, by the first byte of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
#[repr(u8)]
pub enum Kind {
    Meta = 0,
    Session = 1,
    Gone = 2,
    Body = 3,
    Subscription = 4,
    Queued = 5,
    Recorded = 6,
    Received = 7,
    UnderWay = 8,
    Owed = 9,
    Retained = 10,
    Will = 11,
}

impl Kind {
    /// All kinds, in the order of their keys.
    pub const ALL: [Kind; 12] = [
        Kind::Meta,
        Kind::Session,
        Kind::Gone,
        Kind::Body,
        Kind::Subscription,
        Kind::Queued,
        Kind::Recorded,
        Kind::Received,
        Kind::UnderWay,
        Kind::Owed,
        Kind::Retained,
        Kind::Will,
    ];

    /// The kinds whose records belong to one session, beside the session itself.
    pub const OF_SESSION: [Kind; 4] = [Kind::Subscription, Kind::Queued, Kind::Recorded, Kind::Received];

    /// The kind with this byte.
    #[must_use]
    pub fn from_u8(byte: u8) -> Option<Kind> {
        Kind::ALL.get(usize::from(byte)).copied()
    }

    /// The first key that a record of this kind can have; that of the next kind is beyond all of them.
    #[must_use]
    pub fn first_key(self) -> Vec<u8> {
        vec![self as u8]
    }

    /// The first key behind all of this kind.
    #[must_use]
    pub fn end_key(self) -> Vec<u8> {
        vec![self as u8 + 1]
    }

    /// The first key of this kind that belongs to a session, and the first behind all of them.
    #[must_use]
    pub fn keys_of(self, session: SessionNo) -> (Vec<u8>, Vec<u8>) {
        (numbered(self, session.0), numbered(self, session.0.saturating_add(1)))
    }
}

/// A key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key<'a> {
    /// The version of the format.
    Format,
    /// Where names are at home.
    Homes,
    /// A session.
    Session(SessionNo),
    /// A session that is gone, while something of it is left.
    Gone(SessionNo),
    /// A message that others refer to.
    Body(BodyNo),
    /// A subscription by its whole filter.
    Subscription(SessionNo, &'a str),
    /// A message for a session.
    Queued(SessionNo, Seq),
    /// Only PUBREL is owed for the message.
    Recorded(SessionNo, Seq),
    /// A QoS 2 message from the session's client by packet identifier.
    Received(SessionNo, u16),
    /// A message on its way to its places.
    UnderWay(Release),
    /// One of the places.
    Owed(Release, Place),
    /// The retained message of a topic.
    Retained(&'a str),
    /// The will of a client.
    Will(&'a str),
}

const META_FORMAT: u8 = 0;
const META_HOMES: u8 = 1;

const PLACE_SHARD: u8 = 0;
const PLACE_RETAINED: u8 = 1;
const PLACE_GROUP: u8 = 2;

impl<'a> Key<'a> {
    /// The key in bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Key::Format => vec![Kind::Meta as u8, META_FORMAT],
            Key::Homes => vec![Kind::Meta as u8, META_HOMES],
            Key::Session(session) => numbered(Kind::Session, session.0),
            Key::Gone(session) => numbered(Kind::Gone, session.0),
            Key::Body(body) => numbered(Kind::Body, body.0),
            Key::Subscription(session, filter) => {
                joined(numbered(Kind::Subscription, session.0), filter.as_bytes())
            }
            Key::Queued(session, seq) => joined(numbered(Kind::Queued, session.0), &seq.0.to_be_bytes()),
            Key::Recorded(session, seq) => joined(numbered(Kind::Recorded, session.0), &seq.0.to_be_bytes()),
            Key::Received(session, packet_id) => {
                joined(numbered(Kind::Received, session.0), &packet_id.to_be_bytes())
            }
            Key::UnderWay(release) => numbered(Kind::UnderWay, release.0),
            Key::Owed(release, place) => {
                let mut key = numbered(Kind::Owed, release.0);
                match place {
                    Place::Shard(shard) => key.extend_from_slice(&[PLACE_SHARD, shard.0]),
                    Place::Retained => key.push(PLACE_RETAINED),
                    Place::Group(filter) => {
                        key.push(PLACE_GROUP);
                        key.extend_from_slice(filter.as_bytes());
                    }
                }
                key
            }
            Key::Retained(topic) => joined(vec![Kind::Retained as u8], topic.as_bytes()),
            Key::Will(client_id) => joined(vec![Kind::Will as u8], client_id.as_bytes()),
        }
    }

    /// The key that these bytes are.
    ///
    /// # Errors
    /// If they are none.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Damage> {
        let mut reader = Reader::new(bytes);
        let kind = Kind::from_u8(reader.u8()?).ok_or(Damage::Field("kind"))?;
        let key = match kind {
            Kind::Meta => match reader.u8()? {
                META_FORMAT => Key::Format,
                META_HOMES => Key::Homes,
                _ => return Err(Damage::Field("name")),
            },
            Kind::Session => Key::Session(SessionNo(reader.u64_ordered()?)),
            Kind::Gone => Key::Gone(SessionNo(reader.u64_ordered()?)),
            Kind::Body => Key::Body(BodyNo(reader.u64_ordered()?)),
            Kind::Subscription => Key::Subscription(SessionNo(reader.u64_ordered()?), reader.rest()?),
            Kind::Queued => Key::Queued(SessionNo(reader.u64_ordered()?), Seq(reader.u64_ordered()?)),
            Kind::Recorded => Key::Recorded(SessionNo(reader.u64_ordered()?), Seq(reader.u64_ordered()?)),
            Kind::Received => Key::Received(SessionNo(reader.u64_ordered()?), reader.u16_ordered()?),
            Kind::UnderWay => Key::UnderWay(Release(reader.u64_ordered()?)),
            Kind::Owed => Key::Owed(Release(reader.u64_ordered()?), place(&mut reader)?),
            Kind::Retained => Key::Retained(reader.rest()?),
            Kind::Will => Key::Will(reader.rest()?),
        };
        reader.end()?;
        Ok(key)
    }
}

fn place(reader: &mut Reader<'_>) -> Result<Place, Damage> {
    match reader.u8()? {
        PLACE_SHARD => Ok(Place::Shard(ShardId(reader.u8()?))),
        PLACE_RETAINED => Ok(Place::Retained),
        PLACE_GROUP => Ok(Place::Group(Arc::from(reader.rest()?))),
        _ => Err(Damage::Field("place")),
    }
}

fn numbered(kind: Kind, number: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(17);
    key.push(kind as u8);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

fn joined(mut key: Vec<u8>, rest: &[u8]) -> Vec<u8> {
    key.extend_from_slice(rest);
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_key_comes_back() {
        let (no, seq) = (SessionNo(7), Seq(u64::MAX));
        let keys = [
            Key::Format,
            Key::Homes,
            Key::Session(no),
            Key::Gone(no),
            Key::Body(BodyNo(0)),
            Key::Subscription(no, "a/#"),
            Key::Queued(no, seq),
            Key::Recorded(no, seq),
            Key::Received(no, 65_535),
            Key::UnderWay(Release(3)),
            Key::Owed(Release(3), Place::Shard(ShardId(63))),
            Key::Owed(Release(3), Place::Retained),
            Key::Owed(Release(3), Place::Group("$share/g/a".into())),
            Key::Retained("a/b"),
            Key::Will("c"),
        ];
        for key in &keys {
            assert_eq!(Key::decode(&key.encode()).as_ref(), Ok(key));
        }
        assert!(keys.iter().map(Key::encode).is_sorted());
        for (place, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place);
        }
    }

    #[test]
    fn a_session_has_its_own_range_of_keys() {
        let (from, to) = Kind::Queued.keys_of(SessionNo(7));
        for seq in [0, 1, u64::MAX] {
            let key = Key::Queued(SessionNo(7), Seq(seq)).encode();
            assert!(from <= key && key < to);
        }
        assert!(Key::Queued(SessionNo(6), Seq(u64::MAX)).encode() < from);
        assert!(Key::Queued(SessionNo(8), Seq(0)).encode() >= to);
    }

    proptest! {
        #[test]
        fn what_is_decoded_is_encoded_the_same(bytes in prop::collection::vec(any::<u8>(), 0..24)) {
            if let Ok(key) = Key::decode(&bytes) {
                prop_assert_eq!(key.encode(), bytes);
            }
        }
    }
}
