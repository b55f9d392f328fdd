//! Commands: packets into the output. Before it: the application, `receive`. After it: the transport.

use super::error::Refused;
use super::event::{Cause, Event, Trace, TracedPacket};
use super::incoming::Owed;
use super::inflight::{Outgoing, Stage};
use super::options::NewMessage;
use super::{Client, Pending, State};
use crate::client::connect::checked;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use pondhawk_codec::packet::{
    Ack, Auth, Disconnect, FilterList, Publish, Subscribe, SubscribeFilter, Unsubscribe, UnsubscribeList,
};
use pondhawk_codec::property::{Place, Properties};
use pondhawk_codec::topic::{self, SubscriptionFilter};
use pondhawk_codec::{
    Kind, Malformed, Packet, PacketId, PacketType, PropertiesBuf, Property, Qos, ReasonCode,
};
use pondhawk_codec::{reason, text};

impl Client {
    /// Publishes a message. QoS 0 needs a connection and leaves at once; QoS 1 and 2 wait for a connection
    /// and for room in the window.
    ///
    /// The number returned comes back in [`Event::Published`]. For QoS 1 and 2 it is the packet identifier.
    ///
    /// # Errors
    /// [`Refused`]; nothing is sent or kept then.
    pub fn publish(&mut self, now: u64, message: &NewMessage<'_>) -> Result<PacketId, Refused> {
        self.check_message(message)?;
        if message.qos == Qos::AtMostOnce {
            return self.publish_at_once(now, message);
        }
        let waiting = self.inflight.bytes();
        // One that is alone always fits, or it could never be sent.
        if waiting > 0 && waiting.saturating_add(message.payload.len()) > self.options.queue_bytes_max {
            return Err(Refused::QueueFull);
        }
        if self.state == State::Online && self.frame_len(message) > self.limits.packet_size_max {
            return Err(Refused::PacketTooLarge);
        }
        let id = self.next_id()?;
        // Its first sending is no repetition. [MQTT-4.3.2-2] [MQTT-4.3.3-2] [MQTT3-4.3.2-1] [MQTT3-4.3.3-1]
        self.inflight.push(Outgoing {
            id,
            stage: Stage::Waiting,
            dup: false,
            qos: message.qos,
            retain: message.retain,
            topic: message.topic.to_string(),
            payload: Vec::from(message.payload),
            properties: PropertiesBuf::from(message.properties),
        });
        self.flush(now);
        Ok(id)
    }

    fn publish_at_once(&mut self, now: u64, message: &NewMessage<'_>) -> Result<PacketId, Refused> {
        if self.state != State::Online {
            return Err(Refused::NotConnected);
        }
        let id = self.next_id()?;
        // [MQTT-4.3.1-1] [MQTT3-4.3.1-1]
        let publish = Publish {
            dup: false,
            qos: Qos::AtMostOnce,
            retain: message.retain,
            topic: message.topic,
            packet_id: None,
            properties: message.properties,
            payload: message.payload,
        };
        self.write_publish(&publish, id, now)?;
        self.events.push_back(Event::Published {
            id,
            code: reason::SUCCESS,
            properties: PropertiesBuf::new(),
        });
        Ok(id)
    }

    /// What can be said of a message before it is sent.
    fn check_message(&self, message: &NewMessage<'_>) -> Result<(), Refused> {
        let alias = message.properties.find(|property| match property {
            Property::TopicAlias(alias) => Some(alias),
            _ => None,
        });
        // An alias means nothing on another connection, on which a message of QoS 1 or 2 may have to be sent again.
        // [MQTT-3.3.2-7]
        let nameless = message.topic.is_empty() && alias.is_some() && message.qos == Qos::AtMostOnce;
        if !nameless && topic::check_name(message.topic).is_err() || !text::is_valid(message.topic.as_bytes())
        {
            return Err(Refused::TopicInvalid);
        }
        if message.topic.len() > usize::from(u16::MAX) {
            return Err(Refused::TooLarge);
        }
        Properties::check(message.properties.as_bytes(), Place::Packet(PacketType::Publish))
            .map_err(Refused::PropertiesInvalid)?;
        // Only a server says which subscriptions a message is for. [MQTT-3.3.4-6]
        let numbered = |property| matches!(property, Property::SubscriptionIdentifier(_)).then_some(());
        if message.properties.find(numbered).is_some() {
            let misplaced = Malformed { kind: Kind::PropertyMisplaced, offset: 0 };
            return Err(Refused::PropertiesInvalid(misplaced));
        }
        if self.state != State::Online {
            return Ok(());
        }
        // [MQTT-3.2.2-17] [MQTT-3.2.2-18] [MQTT-3.3.2-9]
        if alias.is_some_and(|alias| alias > self.limits.topic_aliases_max) {
            return Err(Refused::TopicAliasInvalid);
        }
        // [MQTT-3.2.2-11] [MQTT-3.2.2-14]
        if message.qos > self.limits.qos_max {
            return Err(Refused::QosNotSupported);
        }
        if message.retain && !self.limits.retain {
            return Err(Refused::RetainNotSupported);
        }
        Ok(())
    }

    /// No shorter than the frame that the message makes.
    fn frame_len(&self, message: &NewMessage<'_>) -> usize {
        let properties = match self.options.version.has_properties() {
            true => message.properties.as_bytes().len(),
            false => 0,
        };
        let remaining = 2 + message.topic.len() + 2 + 1 + properties + message.payload.len();
        remaining + 2
    }

    /// Sends waiting messages while the window has room; everything else goes out whether it has or not.
    /// [MQTT-3.3.4-7] [MQTT-3.3.4-8] [MQTT-4.9.0-1] [MQTT-4.9.0-3]
    pub(super) fn flush(&mut self, now: u64) {
        if self.state != State::Online {
            return;
        }
        let window = usize::from(self.limits.receive_max.min(self.options.inflight_max.max(1)));
        loop {
            // The message is taken out of its slot while it is encoded, because writing needs all of `self`.
            let Some(slot) = self.inflight.next_waiting(window) else {
                return;
            };
            let (id, dup, qos, retain) = (slot.id, slot.dup, slot.qos, slot.retain);
            // Accepted while offline, and this server does not take it. [MQTT-3.2.2-11] [MQTT-3.2.2-14]
            if let Some(code) = self.limits.refusal(qos, retain) {
                self.published(id, code, PropertiesBuf::new());
                continue;
            }
            let topic = core::mem::take(&mut slot.topic);
            let payload = core::mem::take(&mut slot.payload);
            let properties = within_aliases(&mut slot.properties, self.limits.topic_aliases_max);
            let publish = Publish {
                dup,
                qos,
                retain,
                topic: &topic,
                packet_id: Some(id),
                properties: properties.as_properties(),
                payload: &payload,
            };
            let written = self.write_publish(&publish, id, now);
            if let Some(slot) = self.inflight.next_waiting(window) {
                slot.topic = topic;
                slot.payload = payload;
                slot.properties = properties;
            }
            match written {
                Ok(()) => self.inflight.sent(),
                // Accepted while offline, and larger than this server takes. [MQTT-3.2.2-15]
                Err(_) => self.published(id, reason::PACKET_TOO_LARGE, PropertiesBuf::new()),
            }
        }
    }

    /// Appends a PUBLISH, with an alias for its topic if both ends want one.
    fn write_publish(&mut self, publish: &Publish<'_>, id: PacketId, now: u64) -> Result<(), Refused> {
        let mut publish = *publish;
        if !self.options.version.has_properties() {
            publish.properties = Properties::EMPTY;
        }
        let mut aliased = PropertiesBuf::new();
        // [MQTT-3.2.2-17] [MQTT-3.2.2-18] [MQTT-3.3.2-9]
        let limit = self.options.topic_aliases_max.min(self.limits.topic_aliases_max);
        let new_alias = match alias_of(&self.aliases, &publish, limit) {
            Alias::None => None,
            Alias::Known(alias) => {
                publish.topic = "";
                add_alias(&mut aliased, publish.properties, alias)?;
                None
            }
            Alias::New(alias) => {
                add_alias(&mut aliased, publish.properties, alias)?;
                Some((publish.topic.to_string(), alias))
            }
        };
        if !aliased.is_empty() {
            publish.properties = aliased.as_properties();
        }
        self.write_limited(|version, out| publish.encode(version, out).map_err(Refused::from), now)?;
        if let Some((topic, alias)) = new_alias {
            self.aliases.insert(topic, alias);
        }
        self.trace(|| {
            Trace::Sent(TracedPacket::Publish {
                dup: publish.dup,
                qos: publish.qos,
                retain: publish.retain,
                id: Some(id),
                topic: publish.topic.to_string(),
                len: publish.payload.len(),
            })
        });
        Ok(())
    }

    /// Subscribes to filters; the number returned comes back in [`Event::Subscribed`].
    ///
    /// # Errors
    /// [`Refused`]; nothing is sent then.
    pub fn subscribe(
        &mut self,
        now: u64,
        filters: &[SubscribeFilter<'_>],
        properties: &PropertiesBuf,
    ) -> Result<PacketId, Refused> {
        self.need_online()?;
        let version = self.options.version;
        let mut payload = Vec::new();
        // [MQTT-3.8.3-1] [MQTT3-3.8.3-1]
        for one in filters {
            self.check_filter(one.filter)?;
            let mut one = *one;
            if !version.has_properties() {
                one.options.no_local = false;
                one.options.retain_as_published = false;
                one.options.retain_handling = Default::default();
            }
            FilterList::push(one, &mut payload)?;
        }
        let properties = checked(properties, Place::Packet(PacketType::Subscribe))?;
        if !properties.is_empty() && !self.limits.subscription_ids {
            let numbered = |property| matches!(property, Property::SubscriptionIdentifier(_)).then_some(());
            properties.find(numbered).map_or(Ok(()), |()| Err(Refused::SubscriptionNotSupported))?;
        }
        // There is a filter [MQTT-3.8.3-2] [MQTT3-3.8.3-3], and a shared one is not local. [MQTT-3.8.3-4]
        let packet = Subscribe {
            packet_id: self.next_id()?,
            properties,
            filters: FilterList::check(&payload, version).map_err(|_| Refused::FilterInvalid)?,
        };
        self.write_limited(|version, out| packet.encode(version, out).map_err(Refused::from), now)?;
        let id = packet.packet_id;
        self.pending.insert(id, Pending::Subscribe(filters.len()));
        let traced = packet.filters.iter().map(|one| (one.filter.to_string(), one.options.to_byte()));
        self.trace(|| {
            let filters = traced.collect();
            Trace::Sent(TracedPacket::Subscribe { id, filters })
        });
        Ok(id)
    }

    /// Unsubscribes from filters; the number returned comes back in [`Event::Unsubscribed`].
    ///
    /// # Errors
    /// [`Refused`]; nothing is sent then.
    pub fn unsubscribe(
        &mut self,
        now: u64,
        filters: &[&str],
        properties: &PropertiesBuf,
    ) -> Result<PacketId, Refused> {
        self.need_online()?;
        let mut payload = Vec::new();
        // [MQTT-3.10.3-1] [MQTT3-3.10.3-1]
        for filter in filters {
            if !text::is_valid(filter.as_bytes()) {
                return Err(Refused::FilterInvalid);
            }
            UnsubscribeList::push(filter, &mut payload)?;
        }
        // [MQTT-3.10.3-2] [MQTT3-3.10.3-2]
        let packet = Unsubscribe {
            packet_id: self.next_id()?,
            properties: checked(properties, Place::Packet(PacketType::Unsubscribe))?,
            filters: UnsubscribeList::check(&payload).map_err(|_| Refused::FilterInvalid)?,
        };
        self.write_limited(|version, out| packet.encode(version, out).map_err(Refused::from), now)?;
        let id = packet.packet_id;
        self.pending.insert(id, Pending::Unsubscribe(filters.len()));
        self.trace(|| {
            let filters = filters.iter().map(ToString::to_string).collect();
            Trace::Sent(TracedPacket::Unsubscribe { id, filters })
        });
        Ok(id)
    }

    /// Acknowledges a message that was handed over; only with [`AckMode::Manual`](super::AckMode::Manual).
    ///
    /// # Errors
    /// [`Refused::NothingToAcknowledge`], also after the connection on which the message came, and
    /// [`Refused::AcknowledgeInOrder`] for QoS 1.
    pub fn acknowledge(&mut self, now: u64, id: PacketId, code: ReasonCode) -> Result<(), Refused> {
        self.need_online()?;
        let packet_type = match self.incoming.settle(id)? {
            Owed::Puback => PacketType::Puback,
            Owed::Pubcomp => PacketType::Pubcomp,
        };
        self.write_ack(packet_type, id, code, now);
        Ok(())
    }

    /// Answers [`Event::Auth`] (code "continue"), or starts a new authentication (code "re-authenticate"), with
    /// the method of CONNECT.
    ///
    /// # Errors
    /// [`Refused`]; nothing is sent then.
    pub fn authenticate(
        &mut self,
        now: u64,
        code: ReasonCode,
        properties: &PropertiesBuf,
    ) -> Result<(), Refused> {
        if self.state == State::Offline {
            return Err(Refused::NotConnected);
        }
        if !self.options.version.has_properties() {
            return Err(Refused::VersionTooOld);
        }
        let properties = checked(properties, Place::Packet(PacketType::Auth))?;
        // [MQTT-4.12.0-5] [MQTT-4.12.0-7] [MQTT-4.12.1-1]
        let wanted = self.options.authentication_method();
        let given = properties.find(|property| match property {
            Property::AuthenticationMethod(method) => Some(method),
            _ => None,
        });
        // [MQTT-4.12.0-3] [MQTT-4.12.1-1]
        let may_say = match self.state {
            State::Online => code == reason::CONTINUE_AUTHENTICATION || code == reason::REAUTHENTICATE,
            State::Handshaking | State::Offline => code == reason::CONTINUE_AUTHENTICATION,
        };
        if wanted.is_none() || given != wanted.as_deref() || !may_say {
            return Err(Refused::AuthenticationInvalid);
        }
        let packet = Auth { code, properties };
        self.write_limited(|version, out| packet.encode(version, out).map_err(Refused::from), now)?;
        let packet_type = PacketType::Auth;
        self.trace(|| Trace::Sent(TracedPacket::Coded { packet_type, code }));
        Ok(())
    }

    /// Sends DISCONNECT and ends the connection, on which nothing more goes out. The driver writes the output and
    /// closes the transport. [MQTT-3.14.4-1] [MQTT-3.14.4-2] [MQTT3-3.14.4-1] [MQTT3-3.14.4-2]
    ///
    /// # Errors
    /// [`Refused`]; the connection goes on then.
    pub fn disconnect(
        &mut self,
        now: u64,
        code: ReasonCode,
        properties: &PropertiesBuf,
    ) -> Result<(), Refused> {
        if self.state == State::Offline {
            return Err(Refused::NotConnected);
        }
        let properties = checked(properties, Place::Packet(PacketType::Disconnect))?;
        let packet = Disconnect { code, properties };
        self.write_limited(|version, out| packet.encode(version, out).map_err(Refused::from), now)?;
        let packet_type = PacketType::Disconnect;
        self.trace(|| Trace::Sent(TracedPacket::Coded { packet_type, code }));
        self.end(Cause::Requested);
        Ok(())
    }

    /// DISCONNECT with a reason and nothing else.
    pub(super) fn write_disconnect(&mut self, code: ReasonCode) {
        let packet = Packet::Disconnect(Disconnect::new(code));
        let packet_type = PacketType::Disconnect;
        self.trace(|| Trace::Sent(TracedPacket::Coded { packet_type, code }));
        self.encode_small(&packet);
    }

    pub(super) fn write_ack(&mut self, packet_type: PacketType, id: PacketId, code: ReasonCode, now: u64) {
        self.trace(|| Trace::Sent(TracedPacket::Ack { packet_type, id, code }));
        // With the identifier of the message [MQTT-2.2.1-5] [MQTT3-2.3.1-6], and without a reason string or
        // user property that could be too much. [MQTT-3.4.2-2] [MQTT-3.4.2-3] [MQTT-3.5.2-2] [MQTT-3.5.2-3]
        // [MQTT-3.6.2-2] [MQTT-3.6.2-3] [MQTT-3.7.2-2] [MQTT-3.7.2-3]
        let ack = Ack::new(id, code);
        let packet = match packet_type {
            PacketType::Pubrec => Packet::Pubrec(ack),
            PacketType::Pubrel => Packet::Pubrel(ack),
            PacketType::Pubcomp => Packet::Pubcomp(ack),
            _ => Packet::Puback(ack),
        };
        self.write_small(&packet, now);
    }

    /// Appends a packet of a few bytes, which no server is too small for.
    pub(super) fn write_small(&mut self, packet: &Packet<'_>, now: u64) {
        self.encode_small(packet);
        self.keep_alive.sent(now);
    }

    fn encode_small(&mut self, packet: &Packet<'_>) {
        let encoded = packet.encode(self.options.version, &mut self.output);
        debug_assert!(encoded.is_ok(), "a packet without strings always fits");
    }

    /// Appends what `encode` makes, unless it is larger than the server takes, be it for the sake of its properties.
    /// [MQTT-3.2.2-15] [MQTT-3.14.2-3] [MQTT-3.14.2-4] [MQTT-3.15.2-2] [MQTT-3.15.2-3]
    fn write_limited(
        &mut self,
        encode: impl FnOnce(pondhawk_codec::Version, &mut Vec<u8>) -> Result<(), Refused>,
        now: u64,
    ) -> Result<(), Refused> {
        let start = self.output.len();
        encode(self.options.version, &mut self.output)?;
        if self.output.len() - start > self.limits.packet_size_max {
            self.output.truncate(start);
            return Err(Refused::PacketTooLarge);
        }
        self.keep_alive.sent(now);
        Ok(())
    }

    /// Before CONNACK nothing but AUTH and DISCONNECT follows CONNECT. [MQTT-3.1.0-1] [MQTT-3.1.2-30]
    /// [MQTT3-3.1.0-1]
    fn need_online(&self) -> Result<(), Refused> {
        match self.state {
            State::Online => Ok(()),
            State::Offline | State::Handshaking => Err(Refused::NotConnected),
        }
    }

    fn check_filter(&self, filter: &str) -> Result<(), Refused> {
        if !text::is_valid(filter.as_bytes()) {
            return Err(Refused::FilterInvalid);
        }
        let parsed = SubscriptionFilter::parse(filter).map_err(|_| Refused::FilterInvalid)?;
        let wildcard = parsed.filter.bytes().any(|b| b == b'+' || b == b'#');
        if wildcard && !self.limits.wildcards || parsed.share.is_some() && !self.limits.shared {
            return Err(Refused::SubscriptionNotSupported);
        }
        Ok(())
    }
}

/// Takes the properties for a PUBLISH, without an alias that this server has no room for: the topic is in the
/// packet.
fn within_aliases(given: &mut PropertiesBuf, limit: u16) -> PropertiesBuf {
    let over = |property: &Property<'_>| matches!(property, Property::TopicAlias(alias) if *alias > limit);
    if !given.as_properties().iter().any(|property| over(&property)) {
        return core::mem::take(given);
    }
    let mut kept = PropertiesBuf::new();
    for property in given.as_properties().iter().filter(|property| !over(property)) {
        // It was in a block before, so it is short enough.
        let _fits = kept.push(property);
    }
    kept
}

/// What alias a message gets.
enum Alias {
    None,
    /// The server knows the topic by it.
    Known(u16),
    /// Free, to be told along with the topic.
    New(u16),
}

fn alias_of(aliases: &BTreeMap<String, u16>, publish: &Publish<'_>, limit: u16) -> Alias {
    let chosen = |property| matches!(property, Property::TopicAlias(_)).then_some(());
    if limit == 0 || publish.properties.find(chosen).is_some() {
        return Alias::None;
    }
    if let Some(alias) = aliases.get(publish.topic) {
        return Alias::Known(*alias);
    }
    match u16::try_from(aliases.len()) {
        Ok(used) if used < limit => Alias::New(used + 1),
        _ => Alias::None,
    }
}

fn add_alias(buf: &mut PropertiesBuf, given: Properties<'_>, alias: u16) -> Result<(), Refused> {
    buf.push(Property::TopicAlias(alias))?;
    for property in given {
        buf.push(property)?;
    }
    Ok(())
}
