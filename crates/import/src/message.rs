//! Messages that entries and topics refer to: checked and made when the first one asks for it, then shared.

use crate::chunk::StoredMessage;
use pondhawk_codec::property::Place;
use pondhawk_codec::{PacketType, Properties, PropertiesBuf, Property, Qos, text, topic, varint};
use pondhawk_session::server::Millis;
use pondhawk_session::server::{Message, MessageRef, NEVER, Origin, Source, SubscriptionIds};
use std::collections::HashMap;
use std::sync::Arc;

/// The stored messages of a file by their numbers.
#[derive(Debug, Default)]
pub(crate) struct Messages<'a> {
    stored: HashMap<u64, (StoredMessage<'a>, Option<Arc<Message>>)>,
}

/// Why one cannot be had.
pub(crate) type Missing = &'static str;

impl<'a> Messages<'a> {
    /// Takes one in; false if there is another of the same number.
    pub(crate) fn add(&mut self, message: StoredMessage<'a>) -> bool {
        let is_new = !self.stored.contains_key(&message.id);
        if is_new {
            self.stored.insert(message.id, (message, None));
        }
        is_new
    }

    pub(crate) fn get(&mut self, id: u64, listener_of: &dyn Fn(u16) -> u16) -> Result<Arc<Message>, Missing> {
        let (stored, made) = self.stored.get_mut(&id).ok_or("the message is not in the file")?;
        if let Some(message) = made {
            return Ok(message.clone());
        }
        let message = Arc::new(message(stored, listener_of)?);
        *made = Some(message.clone());
        Ok(message)
    }
}

fn message(stored: &StoredMessage<'_>, listener_of: &dyn Fn(u16) -> u16) -> Result<Message, Missing> {
    const TOPIC: Missing = "the topic is not a valid one";
    let topic = text::str_of(stored.topic).ok_or(TOPIC)?;
    topic::check_name(topic).map_err(|_| TOPIC)?;
    let properties = forwarded(properties(stored.properties)?);
    let source = source(stored, listener_of).map(Arc::new);
    let view = MessageRef {
        topic,
        properties: properties.as_properties().as_bytes(),
        payload: stored.payload,
        qos: Qos::from_u8(stored.qos).ok_or("the message has no valid QoS")?,
        retain: stored.retain,
        expires_at: moment(stored.expires_at_s).unwrap_or(NEVER),
        origin: Origin(0),
        source: source.as_ref(),
    };
    Ok(view.to_message())
}

/// Who published it. A name that no client can have says nothing.
fn source(stored: &StoredMessage<'_>, listener_of: &dyn Fn(u16) -> u16) -> Option<Source> {
    let client_id = text::str_of(stored.source_id).filter(|id| !id.is_empty())?;
    let username = text::str_of(stored.source_username).filter(|name| !name.is_empty());
    let listener = listener_of(stored.port);
    Some(Source { client_id: client_id.into(), username: username.map(Into::into), listener })
}

/// A time in milliseconds since 1970; `None` for the file's 0, which is none.
pub(crate) fn moment(seconds: i64) -> Option<Millis> {
    match u64::try_from(seconds) {
        Ok(0) => None,
        Ok(seconds) => Some(seconds.saturating_mul(1000)),
        // Before 1970: long ago.
        Err(_) => Some(1),
    }
}

/// A property block with its length in front, as it may stand in a PUBLISH.
fn properties(bytes: &[u8]) -> Result<Properties<'_>, Missing> {
    const DAMAGED: Missing = "the properties are not valid ones";
    if bytes.is_empty() {
        return Ok(Properties::EMPTY);
    }
    let (len, len_len) = varint::read(bytes).ok().flatten().ok_or(DAMAGED)?;
    let block = bytes.get(len_len..).filter(|block| block.len() == len as usize).ok_or(DAMAGED)?;
    Properties::check(block, Place::Packet(PacketType::Publish)).map_err(|_| DAMAGED)
}

/// Those of a message that are for its recipients. What it had of the others is in fields of their own.
fn forwarded(properties: Properties<'_>) -> PropertiesBuf {
    let mut forwarded = PropertiesBuf::new();
    for property in properties {
        match property {
            Property::TopicAlias(_)
            | Property::MessageExpiryInterval(_)
            | Property::SubscriptionIdentifier(_) => {}
            // It was encoded in the file, so it can be.
            other => drop(forwarded.push(other)),
        }
    }
    forwarded
}

/// The subscription identifiers that an entry has for its message.
pub(crate) fn subscription_ids(bytes: &[u8]) -> Result<SubscriptionIds, Missing> {
    let ids: Vec<u32> = properties(bytes)?
        .into_iter()
        .filter_map(|property| match property {
            Property::SubscriptionIdentifier(id) => Some(id),
            _ => None,
        })
        .collect();
    Ok(match ids.as_slice() {
        [] => SubscriptionIds::None,
        [id] => SubscriptionIds::One(*id),
        _ => SubscriptionIds::Many(ids.into()),
    })
}
