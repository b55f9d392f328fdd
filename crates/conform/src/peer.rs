//! One connection of a vector: a link, and what has come over it and was not judged yet.

use crate::packet::{Received, frame_len, number};
use crate::transport::{Heard, Link, Patience};
use std::collections::{HashMap, VecDeque};

/// What comes next on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A whole packet.
    Frame(Vec<u8>),
    /// The connection has ended; these bytes of half a packet came before.
    Closed(Vec<u8>),
    /// Nothing came; the bytes are half a packet.
    Silence(Vec<u8>),
    /// Nothing but the answer to a ping that was sent meanwhile.
    Alive,
    /// Bytes that cannot be cut into packets.
    Noise(Vec<u8>),
}

/// The limits of a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    /// Topic Alias Maximum.
    pub(crate) alias_max: u64,
    /// Maximum Packet Size.
    pub(crate) packet_max: u64,
}

impl Default for Allowance {
    fn default() -> Self {
        Allowance { alias_max: 0, packet_max: u64::MAX }
    }
}

/// A connection and what is known of it.
pub(crate) struct Peer<L> {
    pub(crate) link: L,
    /// Its client identifier.
    pub(crate) client: String,
    /// CONNACK 0 has come, and no end yet.
    pub(crate) connected: bool,
    /// The end has come.
    pub(crate) closed: bool,
    /// What its CONNECT allows the server.
    pub(crate) allowance: Allowance,
    /// Topics by the server's aliases.
    aliases: HashMap<u64, Vec<u8>>,
    bytes: Vec<u8>,
    /// Packets that a barrier found on its way.
    inbox: VecDeque<Vec<u8>>,
}

impl<L: Link> Peer<L> {
    pub(crate) fn new(link: L, client: String) -> Self {
        Peer {
            link,
            client,
            connected: false,
            closed: false,
            allowance: Allowance::default(),
            aliases: HashMap::new(),
            bytes: Vec::new(),
            inbox: VecDeque::new(),
        }
    }

    /// Puts the topic in the place of its alias, and checks the limits that the client set in CONNECT.
    ///
    /// # Errors
    /// Says which limit the packet breaks.
    pub(crate) fn admit(&mut self, packet: &mut Received, len: usize) -> Result<(), String> {
        if len as u64 > self.allowance.packet_max {
            return Err(format!("{len} bytes, above the client's Maximum Packet Size"));
        }
        let Some(alias) = number(&packet.properties, 0x23) else { return Ok(()) };
        if alias == 0 || alias > self.allowance.alias_max {
            return Err(format!(
                "topic alias {alias}, where the client permits {}",
                self.allowance.alias_max
            ));
        }
        if packet.topic.is_empty() {
            packet.topic =
                self.aliases.get(&alias).ok_or(format!("topic alias {alias} of no topic"))?.clone();
        } else {
            self.aliases.insert(alias, packet.topic.clone());
        }
        Ok(())
    }

    /// Keeps a packet for later.
    pub(crate) fn put_back(&mut self, frame: Vec<u8>) {
        self.inbox.push_back(frame);
    }

    /// Whether packets have come that nobody has judged.
    pub(crate) fn pending(&self) -> Option<&[u8]> {
        self.inbox.front().map(Vec::as_slice)
    }

    /// The next packet that was kept, or that comes.
    pub(crate) fn next(&mut self, patience: Patience) -> Next {
        match self.inbox.pop_front() {
            Some(frame) => Next::Frame(frame),
            None => self.hear_within(patience),
        }
    }

    /// The next packet that comes.
    pub(crate) fn hear(&mut self) -> Next {
        self.hear_within(Patience::All)
    }

    fn hear_within(&mut self, patience: Patience) -> Next {
        loop {
            match frame_len(&self.bytes) {
                Err(_) => return Next::Noise(std::mem::take(&mut self.bytes)),
                Ok(Some(len)) if len <= self.bytes.len() => {
                    let rest = self.bytes.split_off(len);
                    let frame = std::mem::replace(&mut self.bytes, rest);
                    self.connected |= matches!(frame[..], [0x20, _, _, 0, ..]);
                    return Next::Frame(frame);
                }
                Ok(_) if self.closed => return Next::Closed(std::mem::take(&mut self.bytes)),
                Ok(_) => match self.link.receive(&mut self.bytes, patience) {
                    Heard::Bytes => {}
                    Heard::Closed => (self.closed, self.connected) = (true, false),
                    Heard::Silence => return Next::Silence(self.bytes.clone()),
                },
            }
        }
    }
}
