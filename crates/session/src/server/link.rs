//! What one connection negotiated: version, limits, topic aliases. It dies with the connection. [MQTT-3.3.2-7]

use super::Violation;
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use pondhawk_codec::Version;
use pondhawk_codec::packet::Publish;
use pondhawk_plants::planted;

/// The state of one connection after CONNECT.
#[derive(Debug)]
pub struct Link {
    /// The protocol version.
    pub version: Version,
    /// Keep alive in seconds that is in force; 0 is none.
    pub keep_alive_s: u16,
    /// QoS 1 and 2 messages that may be in flight to the client: its receive maximum and our limit.
    pub window: u16,
    /// The receive maximum that the client was told: messages of QoS 2 that it may leave unfinished.
    pub receive_max: u16,
    /// The largest packet that the client takes. [MQTT-3.1.2-24]
    pub packet_max: u32,
    /// Whether reason strings may go into acknowledgements. [MQTT-3.1.2-29]
    pub problem_information: bool,
    aliases_in: Vec<Option<Box<str>>>,
    aliases_in_max: u16,
    aliases_out: BTreeMap<Box<str>, u16>,
    aliases_out_max: u16,
}

/// How a topic name goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AliasOut {
    /// In full, without an alias.
    None,
    /// In full, and this alias is set to it.
    Set(u16),
    /// As this alias alone.
    Use(u16),
}

impl Link {
    /// A connection that speaks `version`, with no limits but those of the protocol.
    #[must_use]
    pub fn new(version: Version) -> Self {
        Link {
            version,
            keep_alive_s: 0,
            window: u16::MAX,
            receive_max: u16::MAX,
            packet_max: u32::MAX,
            problem_information: true,
            aliases_in: Vec::new(),
            aliases_in_max: 0,
            aliases_out: BTreeMap::new(),
            aliases_out_max: 0,
        }
    }

    /// Sets how many aliases either side may make: `inbound` the client, `outbound` we.
    pub fn set_alias_maximums(&mut self, inbound: u16, outbound: u16) {
        self.aliases_in_max = inbound;
        self.aliases_out_max = outbound;
    }

    /// True if the client took the offer of topic aliases, so that frames to it are its own.
    #[must_use]
    pub fn has_aliases_out(&self) -> bool {
        self.aliases_out_max > 0
    }

    /// The topic of a PUBLISH from the client, whose alias is `alias`; written to `topic` where it is not in
    /// the packet.
    ///
    /// # Errors
    /// [`Violation::AliasTooLarge`] or [`Violation::NoTopic`].
    pub fn resolve<'a>(
        &mut self,
        publish: &Publish<'a>,
        alias: Option<u16>,
        topic: &'a mut String,
    ) -> Result<&'a str, Violation> {
        let Some(alias) = alias else {
            return if publish.topic.is_empty() { Err(Violation::NoTopic) } else { Ok(publish.topic) };
        };
        // [MQTT-3.3.2-9] [MQTT-3.3.2-12]
        if alias > self.aliases_in_max + u16::from(planted!(AliasAboveMaximum)) {
            return Err(Violation::AliasTooLarge);
        }
        let index = usize::from(alias) - 1;
        if publish.topic.is_empty() {
            let known = self.aliases_in.get(index).and_then(Option::as_deref);
            topic.clear();
            topic.push_str(known.ok_or(Violation::NoTopic)?);
            return Ok(topic);
        }
        if self.aliases_in.len() <= index {
            self.aliases_in.resize(index + 1, None);
        }
        if planted!(AliasNotReplaced) && self.aliases_in[index].is_some() {
            return Ok(publish.topic);
        }
        self.aliases_in[index] = Some(publish.topic.to_owned().into_boxed_str());
        Ok(publish.topic)
    }

    /// How `topic` goes to the client: the first topics get the aliases. [MQTT-3.1.2-26] [MQTT-3.1.2-27]
    /// [MQTT-3.3.2-11]
    pub fn alias_out(&mut self, topic: &str) -> AliasOut {
        if self.aliases_out_max == 0 {
            return AliasOut::None;
        }
        if let Some(alias) = self.aliases_out.get(topic) {
            return AliasOut::Use(*alias);
        }
        let alias = self.aliases_out.len() + 1;
        match u16::try_from(alias) {
            Ok(alias) if alias <= self.aliases_out_max => {
                self.aliases_out.insert(topic.to_owned().into_boxed_str(), alias);
                AliasOut::Set(alias)
            }
            _ => AliasOut::None,
        }
    }

    /// Takes back an alias that [`alias_out`](Self::alias_out) has just set, because its frame did not go out.
    pub fn forget_alias(&mut self, topic: &str) {
        self.aliases_out.remove(topic);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pondhawk_codec::{Properties, Qos};

    fn publish(topic: &str) -> Publish<'_> {
        Publish {
            dup: false,
            qos: Qos::AtMostOnce,
            retain: false,
            topic,
            packet_id: None,
            properties: Properties::EMPTY,
            payload: &[],
        }
    }

    // [MQTT-3.3.2-12]
    #[test]
    fn inbound_aliases() {
        let mut link = Link::new(Version::V5);
        link.set_alias_maximums(2, 0);
        let mut scratch = String::new();
        assert_eq!(link.resolve(&publish(""), None, &mut scratch), Err(Violation::NoTopic));
        let mut scratch = String::new();
        assert_eq!(link.resolve(&publish(""), Some(1), &mut scratch), Err(Violation::NoTopic));
        let mut scratch = String::new();
        assert_eq!(link.resolve(&publish("a"), Some(3), &mut scratch), Err(Violation::AliasTooLarge));
        let mut scratch = String::new();
        assert_eq!(link.resolve(&publish("a"), Some(2), &mut scratch), Ok("a"));
        let mut scratch = String::new();
        assert_eq!(link.resolve(&publish("one"), Some(1), &mut scratch), Ok("one"));
        let mut scratch = String::new();
        assert_eq!(link.resolve(&publish(""), Some(1), &mut scratch), Ok("one"));
        let mut scratch = String::new();
        assert_eq!(link.resolve(&publish(""), Some(2), &mut scratch), Ok("a"));
        let mut scratch = String::new();
        assert_eq!(link.resolve(&publish("b"), Some(2), &mut scratch), Ok("b"));
        let mut scratch = String::new();
        assert_eq!(link.resolve(&publish(""), Some(2), &mut scratch), Ok("b"));
    }

    // [MQTT-3.1.2-26] [MQTT-3.1.2-27] [MQTT-3.3.2-11]
    #[test]
    fn outbound_aliases_go_to_the_first_topics() {
        let mut link = Link::new(Version::V5);
        assert_eq!(link.alias_out("a"), AliasOut::None);
        link.set_alias_maximums(0, 1);
        assert_eq!(link.alias_out("a"), AliasOut::Set(1));
        assert_eq!(link.alias_out("a"), AliasOut::Use(1));
        assert_eq!(link.alias_out("b"), AliasOut::None);
        link.forget_alias("a");
        assert_eq!(link.alias_out("b"), AliasOut::Set(1));
    }
}
