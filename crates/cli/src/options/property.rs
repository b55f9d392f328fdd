//! `-D COMMAND NAME VALUE`: properties from the command line.

use super::settings::Settings;
use pondhawk_codec::property::Place;
use pondhawk_codec::{PacketType, PropertiesBuf, Property, Version};

const PUBLISH: Place = Place::Packet(PacketType::Publish);

/// The commands that exist, and where their properties stand; `None` where a client of ours sends none.
const COMMANDS: &[(&str, Option<Place>)] = &[
    ("connect", Some(Place::Packet(PacketType::Connect))),
    ("publish", Some(PUBLISH)),
    ("subscribe", Some(Place::Packet(PacketType::Subscribe))),
    ("unsubscribe", Some(Place::Packet(PacketType::Unsubscribe))),
    ("disconnect", Some(Place::Packet(PacketType::Disconnect))),
    ("will", Some(Place::Will)),
    ("auth", None),
    ("connack", None),
    ("puback", None),
    ("pubrec", None),
    ("pubrel", None),
    ("pubcomp", None),
    ("suback", None),
    ("unsuback", None),
];

const TOO_FEW: &str = "Error: --property argument given but not enough arguments specified.\n";

/// Takes the arguments behind `-D` from the front of `args`; returns how many.
pub(super) fn take(settings: &mut Settings, args: &[Vec<u8>]) -> Result<usize, String> {
    let [command, name, value, rest @ ..] = args else {
        return Err(TOO_FEW.to_owned());
    };
    let known = COMMANDS.iter().find(|(known, _)| known.as_bytes() == command.as_slice());
    let Some((command, place)) = known else {
        return Err("Error: Invalid command given in --property argument.\n".to_owned());
    };
    let name = String::from_utf8_lossy(name);
    let sample = sample(&name).ok_or("Error: Invalid property name given in --property argument.\n")?;
    let second = match sample {
        Property::UserProperty(..) => Some(rest.first().ok_or(TOO_FEW)?),
        _ => None,
    };
    // Only brokers number the subscriptions of a message.
    let numbered = place == &Some(PUBLISH) && matches!(sample, Property::SubscriptionIdentifier(_));
    let Some(place) = place.filter(|_| !numbered) else {
        return Err(format!("Error: {name} property not supported for {command} in --property argument.\n"));
    };
    if !sample.allowed_in(place) {
        return Err(format!("Error: {name} property not allowed for {command} in --property argument.\n"));
    }
    push(block_of(settings, place), sample, value, second.map(Vec::as_slice))?;
    settings.client.version = Version::V5;
    Ok(3 + usize::from(second.is_some()))
}

/// A property with this name, its value to be filled in.
fn sample(name: &str) -> Option<Property<'static>> {
    let samples = [
        Property::PayloadFormatIndicator(0),
        Property::MessageExpiryInterval(0),
        Property::ContentType(""),
        Property::ResponseTopic(""),
        Property::CorrelationData(&[]),
        Property::SubscriptionIdentifier(0),
        Property::SessionExpiryInterval(0),
        Property::AssignedClientIdentifier(""),
        Property::ServerKeepAlive(0),
        Property::AuthenticationMethod(""),
        Property::AuthenticationData(&[]),
        Property::RequestProblemInformation(0),
        Property::WillDelayInterval(0),
        Property::RequestResponseInformation(0),
        Property::ResponseInformation(""),
        Property::ServerReference(""),
        Property::ReasonString(""),
        Property::ReceiveMaximum(0),
        Property::TopicAliasMaximum(0),
        Property::TopicAlias(0),
        Property::MaximumQos(0),
        Property::RetainAvailable(0),
        Property::UserProperty("", ""),
        Property::MaximumPacketSize(0),
        Property::WildcardSubscriptionAvailable(0),
        Property::SubscriptionIdentifierAvailable(0),
        Property::SharedSubscriptionAvailable(0),
    ];
    samples.into_iter().find(|property| property.name() == name)
}

fn block_of(settings: &mut Settings, place: Place) -> &mut PropertiesBuf {
    let properties = &mut settings.properties;
    match place {
        Place::Packet(PacketType::Connect) => &mut properties.connect,
        Place::Packet(PacketType::Subscribe) => &mut properties.subscribe,
        Place::Packet(PacketType::Unsubscribe) => &mut properties.unsubscribe,
        Place::Packet(PacketType::Disconnect) => &mut properties.disconnect,
        Place::Will => &mut properties.will,
        Place::Packet(_) => &mut properties.publish,
    }
}

fn push(
    block: &mut PropertiesBuf,
    sample: Property<'_>,
    value: &[u8],
    second: Option<&[u8]>,
) -> Result<(), String> {
    let name = sample.name();
    let text = || text_of(value, name);
    let property = match sample {
        Property::PayloadFormatIndicator(_) => Property::PayloadFormatIndicator(number(value, name)?),
        Property::RequestProblemInformation(_) => Property::RequestProblemInformation(number(value, name)?),
        Property::RequestResponseInformation(_) => Property::RequestResponseInformation(number(value, name)?),
        Property::ReceiveMaximum(_) => Property::ReceiveMaximum(number(value, name)?),
        Property::TopicAliasMaximum(_) => Property::TopicAliasMaximum(number(value, name)?),
        Property::TopicAlias(_) => Property::TopicAlias(number(value, name)?),
        Property::MessageExpiryInterval(_) => Property::MessageExpiryInterval(number(value, name)?),
        Property::SubscriptionIdentifier(_) => Property::SubscriptionIdentifier(number(value, name)?),
        Property::SessionExpiryInterval(_) => Property::SessionExpiryInterval(number(value, name)?),
        Property::WillDelayInterval(_) => Property::WillDelayInterval(number(value, name)?),
        Property::MaximumPacketSize(_) => Property::MaximumPacketSize(number(value, name)?),
        Property::ContentType(_) => Property::ContentType(text()?),
        Property::ResponseTopic(_) => Property::ResponseTopic(text()?),
        Property::AuthenticationMethod(_) => Property::AuthenticationMethod(text()?),
        Property::ReasonString(_) => Property::ReasonString(text()?),
        Property::CorrelationData(_) => Property::CorrelationData(value),
        Property::AuthenticationData(_) => Property::AuthenticationData(value),
        Property::UserProperty(..) => Property::UserProperty(text()?, text_of(second.unwrap_or(b""), name)?),
        // The others stand in packets that only servers send, and were refused before.
        other => return Err(format!("Error adding property {} {}\n", other.name(), other.id())),
    };
    block.push(property).map_err(|_| format!("Error: Property value too long for property {name}.\n"))
}

fn text_of<'a>(value: &'a [u8], name: &str) -> Result<&'a str, String> {
    pondhawk_codec::text::str_of(value).ok_or_else(|| format!("Error: Malformed UTF-8 in {name} property.\n"))
}

fn number<N: TryFrom<i64>>(value: &[u8], name: &str) -> Result<N, String> {
    let number = super::number::leading_int(value);
    N::try_from(number)
        .map_err(|_| format!("Error: Property value ({number}) out of range for property {name}.\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool::Tool;

    fn run(words: &str) -> Result<(usize, Settings), String> {
        let mut settings = Settings::new(Tool::Pub);
        let args: Vec<Vec<u8>> = words.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        take(&mut settings, &args).map(|taken| (taken, settings))
    }

    #[test]
    fn properties_go_to_their_command() {
        let (taken, settings) = run("publish user-property k v more").expect("legal");
        assert_eq!((taken, settings.client.version), (4, Version::V5));
        assert!(settings.properties.publish.as_properties().iter().eq([Property::UserProperty("k", "v")]));
        let (taken, settings) = run("will will-delay-interval 9").expect("legal");
        assert_eq!(taken, 3);
        assert!(settings.properties.will.as_properties().iter().eq([Property::WillDelayInterval(9)]));
    }

    #[test]
    fn what_is_refused() {
        for (words, error) in [
            ("connect receive-maximum", "not enough arguments specified"),
            ("connect user-property k", "not enough arguments specified"),
            ("bogus topic-alias 1", "Invalid command given in"),
            ("connect bogus 1", "Invalid property name given in"),
            ("connect topic-alias 1", "topic-alias property not allowed for connect in"),
            ("puback user-property a b", "user-property property not supported for puback in"),
            ("connect receive-maximum 65536", "value (65536) out of range for property receive-maximum."),
            ("publish subscription-identifier 1", "property not supported for publish in"),
            ("publish payload-format-indicator -1", "value (-1) out of range"),
        ] {
            let got = run(words).map(drop).expect_err(words);
            assert!(got.contains(error), "{words}: {got}");
        }
    }

    #[test]
    fn every_property_has_a_sample() {
        let names = (1..=42).filter(|id| {
            let known = |name: &str| sample(name).is_some_and(|property| property.id() == *id);
            sample_names().any(known)
        });
        assert_eq!(names.count(), 27);
    }

    fn sample_names() -> impl Iterator<Item = &'static str> {
        "payload-format-indicator message-expiry-interval content-type response-topic correlation-data \
         subscription-identifier session-expiry-interval assigned-client-identifier server-keep-alive \
         authentication-method authentication-data request-problem-information will-delay-interval \
         request-response-information response-information server-reference reason-string receive-maximum \
         topic-alias-maximum topic-alias maximum-qos retain-available user-property maximum-packet-size \
         wildcard-subscription-available subscription-identifier-available shared-subscription-available"
            .split_whitespace()
    }
}
