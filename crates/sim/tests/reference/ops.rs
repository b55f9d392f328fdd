//! What the clients of a trace do, and how it is drawn at random.

use pondhawk_codec::Version;
use proptest::prelude::*;
use std::fmt;

pub const CLIENTS: usize = 4;
/// The client that speaks MQTT 3.1 and 3.1.1, and the one that speaks any version: see [`version_of`].
const OLD: usize = 2;
const ROAMER: usize = 3;
pub const TOPICS: [&str; 8] = ["a", "a/b", "a/b/c", "b", "b/c", "$x/a", "/", "$SYS/a"];
/// Topics that the groups' filters match. Their messages are never empty: only a text says which message a member got.
const IN_GROUPS: std::ops::Range<usize> = 0..5;
/// The groups' filters share no topic, so that a message seen says which group it came from.
pub const FILTERS: [&str; 13] =
    ["#", "a/#", "+/b", "a", "a/b", "+", "$x/+", "a/+/c", "b/#", "+/+", "/+", "$share/g/a/#", "$share/h/b/#"];

/// A random trace, and how it is run.
#[derive(Clone)]
pub struct Trace {
    pub shards: u8,
    /// Decides the order of mail between the shards.
    pub seed: u64,
    /// Acknowledgements wait for a store.
    pub persistent: bool,
    pub ops: Vec<Op>,
}

/// One thing that a client does. What cannot be done, because the client is not connected, say, is left out.
#[derive(Clone, Debug)]
pub enum Op {
    Connect {
        who: usize,
        hello: Hello,
    },
    Subscribe {
        who: usize,
        filters: Vec<(usize, u8)>,
        id: Option<u32>,
        hasty: bool,
    },
    Unsubscribe {
        who: usize,
        filters: Vec<usize>,
    },
    /// All in one write.
    Publish {
        who: usize,
        messages: Vec<Item>,
    },
    /// More QoS 2 messages than the broker's receive maximum.
    Flood {
        who: usize,
    },
    /// PUBREL for one of the QoS 2 messages that were published and not released.
    Release {
        who: usize,
        which: usize,
    },
    /// PUBLISH again for one of them, with DUP.
    Repeat {
        who: usize,
        which: usize,
    },
    /// The next acknowledgement for one of the messages that were received.
    Ack {
        who: usize,
        which: usize,
        how: Ack,
    },
    Ping {
        who: usize,
    },
    Disconnect {
        who: usize,
        code: u8,
        expiry_s: Option<u32>,
    },
    Cut {
        who: usize,
    },
    Advance {
        seconds: u16,
    },
    /// A packet that a client ought not to send.
    Odd {
        who: usize,
        which: usize,
    },
    /// A first packet that a client ought not to send.
    OddFirst {
        which: usize,
    },
}

#[derive(Clone, Debug)]
pub struct Hello {
    pub version: Version,
    pub clean: bool,
    pub anonymous: bool,
    pub expiry_s: u32,
    pub receive_maximum: u16,
    pub packet_maximum: u32,
    pub alias_maximum: u16,
    pub keep_alive_s: u16,
    pub will: Option<Will>,
    /// It acknowledges at once; else only by [`Op::Ack`].
    pub acks: bool,
}

#[derive(Clone, Debug)]
pub struct Will {
    pub topic: usize,
    pub qos: u8,
    pub retain: bool,
    pub delay_s: u32,
    pub expiry_s: Option<u32>,
}

#[derive(Clone, Debug)]
pub struct Item {
    pub topic: usize,
    pub qos: u8,
    pub retain: bool,
    pub payload: Payload,
    pub expiry_s: Option<u32>,
    /// The alias, and whether it stands alone.
    pub alias: Option<(u16, bool)>,
    pub properties: bool,
}

#[derive(Clone, Copy, Debug)]
pub enum Payload {
    Empty,
    Short,
    /// Above the maximum packet size of some clients.
    Long,
}

#[derive(Clone, Copy, Debug)]
pub enum Ack {
    Right,
    /// With a reason code that says no.
    Refuse,
    /// PUBACK, PUBREC or PUBCOMP, though it is not its turn.
    Wrong(u8),
}

impl Payload {
    fn or_short(self) -> Payload {
        if matches!(self, Payload::Empty) { Payload::Short } else { self }
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} shards, seed {}, persistent {}", self.shards, self.seed, self.persistent)?;
        for (number, op) in self.ops.iter().enumerate() {
            writeln!(f, "  {number:3}. {op:?}")?;
        }
        Ok(())
    }
}

pub fn traces() -> impl Strategy<Value = Trace> {
    let ops = prop::collection::vec(op(), 1..80);
    (1u8..=4, any::<u16>(), any::<bool>(), ops).prop_map(|(shards, seed, persistent, ops)| Trace {
        shards,
        seed: u64::from(seed),
        persistent,
        ops,
    })
}

fn op() -> impl Strategy<Value = Op> {
    let who = 0..CLIENTS;
    let filters = prop::collection::vec((0..FILTERS.len(), options()), 1..4);
    prop_oneof![
        12 => (who.clone(), hello()).prop_map(|(who, hello)| Op::Connect {
            who,
            hello: Hello { version: version_of(who, hello.version), ..hello },
        }),
        12 => (who.clone(), filters, prop::option::of(1u32..4), prop::bool::weighted(0.3))
            .prop_map(|(who, mut filters, id, hasty)| {
                let id = id.filter(|_| who != ROAMER);
                if hasty {
                    // Without retained messages to come, all is done once SUBACK is there.
                    filters.iter_mut().for_each(|(_, options)| *options = *options & 0x0f | 2 << 4);
                }
                Op::Subscribe { who, filters, id, hasty }
            }),
        4 => (who.clone(), prop::collection::vec(0..FILTERS.len(), 1..3))
            .prop_map(|(who, filters)| Op::Unsubscribe { who, filters }),
        30 => (who.clone(), prop::collection::vec(item(), 1..5))
            .prop_map(|(who, messages)| Op::Publish { who, messages }),
        1 => who.clone().prop_map(|who| Op::Flood { who }),
        6 => (who.clone(), 0usize..8).prop_map(|(who, which)| Op::Release { who, which }),
        3 => (who.clone(), 0usize..8).prop_map(|(who, which)| Op::Repeat { who, which }),
        14 => (who.clone(), 0usize..8, ack()).prop_map(|(who, which, how)| Op::Ack { who, which, how }),
        1 => who.clone().prop_map(|who| Op::Ping { who }),
        4 => (who.clone(), prop::sample::select(vec![0u8, 0, 0x04, 0x81]), prop::option::weighted(0.3, 0u32..40))
            .prop_map(|(who, code, expiry_s)| Op::Disconnect { who, code, expiry_s }),
        4 => who.clone().prop_map(|who| Op::Cut { who }),
        6 => (1u16..40).prop_map(|seconds| Op::Advance { seconds }),
        3 => (who, 0..super::packets::ODD).prop_map(|(who, which)| Op::Odd { who, which }),
        1 => (0..super::packets::ODD_FIRST).prop_map(|which| Op::OddFirst { which }),
    ]
}

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![1 => Just(Version::V31), 2 => Just(Version::V311), 5 => Just(Version::V5)]
}

/// Clients speak MQTT 5.0 or an older version all the time. Only [`ROAMER`] changes, and so it has no subscription
/// identifiers: two copies of a message that differ in nothing else look the same while it speaks an older version, and
/// which is which would show later.
pub fn version_of(who: usize, drawn: Version) -> Version {
    match (who, drawn) {
        (ROAMER, drawn) => drawn,
        (OLD, Version::V5) => Version::V311,
        (OLD, drawn) => drawn,
        _ => Version::V5,
    }
}

/// The options byte of a subscription, which before MQTT 5.0 is cut down to its QoS.
fn options() -> impl Strategy<Value = u8> {
    (0u8..3, any::<bool>(), any::<bool>(), prop::sample::select(vec![0u8, 0, 1, 2])).prop_map(
        |(qos, no_local, as_published, handling)| {
            qos | u8::from(no_local) << 2 | u8::from(as_published) << 3 | handling << 4
        },
    )
}

fn hello() -> impl Strategy<Value = Hello> {
    let expiry = prop::sample::select(vec![0u32, 5, 30, 100, u32::MAX, u32::MAX, u32::MAX]);
    let limits = (
        prop::sample::select(vec![0u16, 0, 1, 2, 3]),
        prop::sample::select(vec![0u32, 0, 0, 120]),
        prop::sample::select(vec![0u16, 0, 2]),
        prop::sample::select(vec![0u16, 0, 10, 20]),
    );
    let flags = (prop::bool::weighted(0.25), prop::bool::weighted(0.05), prop::bool::weighted(0.6));
    (version(), flags, expiry, limits, prop::option::weighted(0.4, will())).prop_map(
        |(version, (clean, anonymous, acks), expiry_s, limits, will)| Hello {
            version,
            clean,
            anonymous,
            expiry_s,
            receive_maximum: limits.0,
            // Aliases change what fits, and which of them there are is the broker's choice.
            packet_maximum: if limits.2 > 0 { 0 } else { limits.1 },
            alias_maximum: limits.2,
            keep_alive_s: limits.3,
            will,
            acks,
        },
    )
}

fn will() -> impl Strategy<Value = Will> {
    let delay = prop::sample::select(vec![0u32, 0, 3, 50]);
    (0..TOPICS.len(), 0u8..3, any::<bool>(), delay, prop::option::weighted(0.2, 1u32..20))
        .prop_map(|(topic, qos, retain, delay_s, expiry_s)| Will { topic, qos, retain, delay_s, expiry_s })
}

fn item() -> impl Strategy<Value = Item> {
    let payload = prop_oneof![
        1 => Just(Payload::Empty),
        6 => Just(Payload::Short),
        1 => Just(Payload::Long),
    ];
    let alias = prop_oneof![8 => 1u16..4, 1 => 4u16..13];
    let alias = prop::option::weighted(0.3, (alias, any::<bool>()));
    let expiry = prop::option::weighted(0.2, 0u32..30);
    (0..TOPICS.len(), 0u8..3, prop::bool::weighted(0.3), payload, expiry, alias, prop::bool::weighted(0.3))
        .prop_map(|(topic, qos, retain, payload, expiry_s, alias, properties)| Item {
            topic,
            qos,
            retain,
            payload: if IN_GROUPS.contains(&topic) { payload.or_short() } else { payload },
            expiry_s,
            alias,
            properties,
        })
}

fn ack() -> impl Strategy<Value = Ack> {
    prop_oneof![12 => Just(Ack::Right), 4 => Just(Ack::Refuse), 1 => (0u8..3).prop_map(Ack::Wrong)]
}
