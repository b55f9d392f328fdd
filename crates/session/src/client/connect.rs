//! The handshake: CONNECT out, CONNACK in, and the session resumed. After it: `send`, `receive`.

use super::error::{Refused, Violation};
use super::event::{Cause, Connected, Event, Trace, TracedPacket};
use super::{Client, State};
use alloc::string::String;
use alloc::vec::Vec;
use pondhawk_codec::packet::{Connack, Connect, Will};
use pondhawk_codec::property::{Place, Properties};
use pondhawk_codec::{PacketType, PropertiesBuf, Property, Qos, REMAINING_LENGTH_MAX, ReasonCode, Version};
use pondhawk_codec::{reason, text, topic};

/// What the server of a connection allows, as CONNACK said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// Unanswered messages of QoS 1 and 2.
    pub receive_max: u16,
    /// The highest QoS.
    pub qos_max: Qos,
    /// Whether it retains messages.
    pub retain: bool,
    /// The largest packet in bytes.
    pub packet_size_max: usize,
    /// Topic aliases.
    pub topic_aliases_max: u16,
    /// Whether filters may have wildcards.
    pub wildcards: bool,
    /// Whether subscriptions may have an identifier.
    pub subscription_ids: bool,
    /// Whether subscriptions may be shared.
    pub shared: bool,
    /// The keep alive that it imposes, in seconds.
    pub keep_alive: Option<u16>,
}

impl Default for ServerLimits {
    fn default() -> Self {
        ServerLimits {
            receive_max: u16::MAX,
            qos_max: Qos::ExactlyOnce,
            retain: true,
            packet_size_max: REMAINING_LENGTH_MAX + 5,
            topic_aliases_max: 0,
            wildcards: true,
            subscription_ids: true,
            shared: true,
            keep_alive: None,
        }
    }
}

impl ServerLimits {
    /// Why the server would not take a message of this kind, if so.
    pub(super) fn refusal(&self, qos: Qos, retain: bool) -> Option<ReasonCode> {
        match () {
            () if qos > self.qos_max => Some(reason::QOS_NOT_SUPPORTED),
            () if retain && !self.retain => Some(reason::RETAIN_NOT_SUPPORTED),
            () => None,
        }
    }

    fn of(properties: Properties<'_>) -> Self {
        let mut limits = ServerLimits::default();
        for property in properties {
            match property {
                Property::ReceiveMaximum(n) => limits.receive_max = n,
                Property::MaximumQos(n) => limits.qos_max = Qos::from_u8(n).unwrap_or(limits.qos_max),
                Property::RetainAvailable(n) => limits.retain = n != 0,
                Property::MaximumPacketSize(n) => limits.packet_size_max = n as usize,
                Property::TopicAliasMaximum(n) => limits.topic_aliases_max = n,
                Property::WildcardSubscriptionAvailable(n) => limits.wildcards = n != 0,
                Property::SubscriptionIdentifierAvailable(n) => limits.subscription_ids = n != 0,
                Property::SharedSubscriptionAvailable(n) => limits.shared = n != 0,
                Property::ServerKeepAlive(seconds) => limits.keep_alive = Some(seconds),
                _ => {}
            }
        }
        limits
    }
}

impl Client {
    /// A transport is open: sends CONNECT.
    ///
    /// # Errors
    /// [`Refused`] if there is a connection already, or the options make no legal CONNECT.
    pub fn connect(&mut self, now: u64) -> Result<(), Refused> {
        if self.state != State::Offline {
            return Err(Refused::AlreadyConnected);
        }
        let mut bytes = Vec::new();
        self.encode_connect(&mut bytes)?;
        self.output = bytes;
        self.state = State::Handshaking;
        self.limits = ServerLimits::default();
        self.client_id.clone_from(&self.options.client_id);
        let before = self.session_of.replace(self.options.client_id.clone());
        self.same_session = before.is_none_or(|before| before == self.options.client_id);
        self.keep_alive.handshake(now, self.options.connect_timeout_ms);
        self.trace(|| Trace::Sent(TracedPacket::Plain(PacketType::Connect)));
        Ok(())
    }

    /// What [`connect`](Self::connect) would say of the options, so that no transport is opened in vain.
    ///
    /// # Errors
    /// [`Refused`] if the options make no legal CONNECT.
    pub fn check_options(&self) -> Result<(), Refused> {
        self.encode_connect(&mut Vec::new())
    }

    fn encode_connect(&self, out: &mut Vec<u8>) -> Result<(), Refused> {
        let options = &self.options;
        let v5 = options.version.has_properties();
        // [MQTT3-3.1.3-7]; MQTT 3.1 has no empty client id at all.
        let may_be_empty = v5 || (options.version == Version::V311 && options.clean_start);
        if options.client_id.is_empty() && !may_be_empty {
            return Err(Refused::ClientIdEmpty);
        }
        // [MQTT3-3.1.2-22]
        if !v5 && options.password.is_some() && options.username.is_none() {
            return Err(Refused::PasswordWithoutUsername);
        }
        // [MQTT-3.1.3-4] [MQTT-3.1.3-12] [MQTT3-3.1.3-4] [MQTT3-3.1.3-11]
        let texts = [Some(&options.client_id), options.username.as_ref()];
        if !texts.into_iter().flatten().all(|text| text::is_valid(text.as_bytes())) {
            return Err(Refused::TextInvalid);
        }
        // [MQTT-3.1.3-11] [MQTT3-3.1.3-10]
        let will = match &options.will {
            Some(will)
                if topic::check_name(&will.topic).is_err() || !text::is_valid(will.topic.as_bytes()) =>
            {
                return Err(Refused::TopicInvalid);
            }
            Some(will) => Some(Will {
                properties: checked(&will.properties, Place::Will)?,
                topic: &will.topic,
                payload: &will.payload,
                qos: will.qos,
                retain: will.retain,
            }),
            None => None,
        };
        let connect = Connect {
            version: options.version,
            bridge: false,
            clean_start: options.clean_start,
            keep_alive: options.keep_alive,
            properties: checked(&options.properties, Place::Packet(PacketType::Connect))?,
            client_id: &options.client_id,
            will,
            username: options.username.as_deref(),
            password: options.password.as_deref(),
        };
        Ok(connect.encode(out)?)
    }

    /// CONNACK while it is awaited.
    pub(super) fn handle_connack(&mut self, connack: &Connack<'_>, now: u64) -> Result<(), Violation> {
        self.trace(|| {
            Trace::Received(TracedPacket::Coded { packet_type: PacketType::Connack, code: connack.code })
        });
        let properties = PropertiesBuf::from(connack.properties);
        if connack.code != reason::SUCCESS {
            // [MQTT-3.2.2-6]
            if connack.session_present && self.options.version != Version::V31 {
                return Err(Violation::SessionPresentRefused);
            }
            let code = connack.code;
            self.end(Cause::Refused { code, properties });
            return Ok(());
        }
        // MQTT 3.1 does not say whether there is a session; one that was kept is believed to be there.
        let session_present = match self.options.version {
            Version::V31 => !self.options.clean_start,
            Version::V311 | Version::V5 => connack.session_present,
        };
        // [MQTT-3.2.2-4]; one that asked to resume has a session, if an empty one.
        if session_present && self.options.clean_start {
            return Err(Violation::SessionPresentCleanStart);
        }
        self.state = State::Online;
        self.limits = ServerLimits::of(connack.properties);
        let assigned = connack.properties.find(|property| match property {
            Property::AssignedClientIdentifier(id) => Some(String::from(id)),
            _ => None,
        });
        if let Some(id) = assigned {
            self.client_id = id;
        }
        // [MQTT-3.1.2-21] [MQTT-3.2.2-21]
        let seconds = self.limits.keep_alive.unwrap_or(self.options.keep_alive);
        self.keep_alive.online(seconds);
        self.events.push_back(Event::Connected(Connected { session_present, properties }));
        self.resume(session_present && self.same_session, now);
        Ok(())
    }

    /// Sends again what the last connection left open, in the order in which it was published. [MQTT-4.4.0-1]
    /// [MQTT-4.6.0-1] [MQTT3-4.4.0-1] [MQTT3-4.6.0-1]
    ///
    /// They do not expire on their way. [MQTT-4.3.3-7]
    ///
    /// Without a session on the server ours begins anew. [MQTT-3.1.2-4] [MQTT-3.2.2-5] [MQTT3-3.1.2-6]
    /// A server without the session gets unanswered messages as new ones; those that it had received
    /// (PUBREC) are done as far as anyone can tell.
    fn resume(&mut self, session_present: bool, now: u64) {
        let released = self.inflight.resume(session_present);
        if !session_present {
            self.incoming.session_lost();
        }
        for id in released {
            if session_present {
                self.write_ack(PacketType::Pubrel, id, reason::SUCCESS, now);
            } else {
                self.published(id, reason::SUCCESS, PropertiesBuf::new());
            }
        }
        self.flush(now);
    }
}

/// The properties, if they may stand in `place`.
pub(super) fn checked(properties: &PropertiesBuf, place: Place) -> Result<Properties<'_>, Refused> {
    Properties::check(properties.as_properties().as_bytes(), place).map_err(Refused::PropertiesInvalid)
}
