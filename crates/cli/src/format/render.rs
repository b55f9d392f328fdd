//! Rendering a format for a message.

use super::hex::hex;
use super::{Field, Format, Layout, Piece, json, time};
use chrono::{DateTime, FixedOffset};
use pondhawk_codec::Property;
use pondhawk_session::client::Message;
use serde_json::{Map, Value};

/// A message with the time at which it came.
pub(crate) struct Received<'a> {
    pub(crate) message: &'a Message,
    pub(crate) at: DateTime<FixedOffset>,
    /// Whether JSON is indented.
    pub(crate) pretty: bool,
}

/// The payload is not JSON though `%J` wants it to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotJson;

/// Appends the message in this format to `out`.
///
/// # Errors
/// [`NotJson`]; the rest of the format is rendered all the same.
pub(crate) fn render(format: &Format, received: &Received<'_>, out: &mut Vec<u8>) -> Result<(), NotJson> {
    let mut outcome = Ok(());
    for piece in &format.pieces {
        match piece {
            Piece::Text(text) => out.extend_from_slice(text),
            Piece::Field(field, layout) => {
                let rendered = render_field(*field, *layout, received, out);
                outcome = outcome.and(rendered);
            }
            Piece::Time(conversion) => {
                out.extend_from_slice(time::convert(&received.at, conversion).as_bytes());
            }
            Piece::Nanoseconds => out.extend_from_slice(time::nanoseconds(&received.at).as_bytes()),
        }
    }
    outcome
}

fn render_field(
    field: Field,
    layout: Layout,
    received: &Received<'_>,
    out: &mut Vec<u8>,
) -> Result<(), NotJson> {
    let message = received.message;
    match field {
        Field::Topic => pad_text(&message.topic, layout, out),
        Field::Payload => {
            let cut = if layout.width > 0 { layout.width } else { usize::MAX };
            pad_bytes(&message.payload[..message.payload.len().min(cut)], layout, out);
        }
        Field::HexLower => pad_bytes(&hex(&message.payload, layout, false), layout, out),
        Field::HexUpper => pad_bytes(&hex(&message.payload, layout, true), layout, out),
        Field::Float => {
            if let Ok(bytes) = message.payload.as_slice().try_into() {
                pad_float(f64::from(f32::from_ne_bytes(bytes)), layout, out);
            }
        }
        Field::Double => {
            if let Ok(bytes) = message.payload.as_slice().try_into() {
                pad_float(f64::from_ne_bytes(bytes), layout, out);
            }
        }
        Field::Length => pad_number(Some(message.payload.len()), layout, out),
        Field::MessageId => {
            pad_number(Some(message.id.map_or(0, |id| usize::from(id.get()))), layout, out);
        }
        Field::Qos => out.push(b'0' + message.qos.as_u8()),
        Field::Retain => out.push(b'0' + u8::from(message.retain)),
        Field::IsoTime => pad_text(&time::iso(&received.at), layout, out),
        Field::UnixTime => out.extend_from_slice(time::unix(&received.at).as_bytes()),
        Field::JsonText | Field::JsonPayload => {
            return write_json(received, field == Field::JsonPayload, out);
        }
        Field::TopicAlias
        | Field::ContentType
        | Field::CorrelationData
        | Field::MessageExpiry
        | Field::PayloadFormat
        | Field::UserProperties
        | Field::ResponseTopic
        | Field::SubscriptionId => render_property(field, layout, message, out),
    }
    Ok(())
}

/// A property, or as many blanks as it would take.
fn render_property(field: Field, layout: Layout, message: &Message, out: &mut Vec<u8>) {
    let properties = message.properties.as_properties();
    let number = properties.find(|property| match (field, property) {
        (Field::TopicAlias, Property::TopicAlias(n)) => Some(usize::from(n)),
        (Field::PayloadFormat, Property::PayloadFormatIndicator(n)) => Some(usize::from(n)),
        (Field::MessageExpiry, Property::MessageExpiryInterval(n))
        | (Field::SubscriptionId, Property::SubscriptionIdentifier(n)) => usize::try_from(n).ok(),
        _ => None,
    });
    let text = properties.find(|property| match (field, property) {
        (Field::ContentType, Property::ContentType(text))
        | (Field::ResponseTopic, Property::ResponseTopic(text)) => Some(text),
        _ => None,
    });
    match field {
        Field::CorrelationData => {
            let data = properties.find(|property| match property {
                Property::CorrelationData(data) => Some(data),
                _ => None,
            });
            out.extend_from_slice(data.unwrap_or_default());
        }
        Field::UserProperties => {
            let pairs: Vec<String> = properties
                .iter()
                .filter_map(|property| match property {
                    Property::UserProperty(key, value) => Some(format!("{key}:{value}")),
                    _ => None,
                })
                .collect();
            out.extend_from_slice(pairs.join(" ").as_bytes());
        }
        // Mosquitto pads an absent content type, but not an absent response topic.
        Field::ResponseTopic if text.is_none() => {}
        Field::ContentType | Field::ResponseTopic => pad_text(text.unwrap_or(""), layout, out),
        _ => pad_number(number, layout, out),
    }
}

fn write_json(received: &Received<'_>, parse: bool, out: &mut Vec<u8>) -> Result<(), NotJson> {
    let message = received.message;
    let payload = if message.payload.is_empty() {
        Value::Null
    } else if parse {
        serde_json::from_slice(&message.payload).map_err(|_| NotJson)?
    } else {
        Value::from(String::from_utf8_lossy(&message.payload))
    };
    let mut object = Map::new();
    object.insert("tst".to_owned(), Value::from(time::iso_micros(&received.at)));
    object.insert("topic".to_owned(), Value::from(message.topic.as_str()));
    object.insert("qos".to_owned(), Value::from(message.qos.as_u8()));
    object.insert("retain".to_owned(), Value::from(message.retain));
    object.insert("payloadlen".to_owned(), Value::from(message.payload.len()));
    if let Some(id) = message.id {
        object.insert("mid".to_owned(), Value::from(id.get()));
    }
    let properties = json::properties(message.properties.as_properties());
    if !properties.is_empty() {
        object.insert("properties".to_owned(), Value::Object(properties));
    }
    object.insert("payload".to_owned(), payload);
    let mut text = String::new();
    json::write(&Value::Object(object), received.pretty, &mut text);
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// Text is cut to the precision and padded with blanks.
fn pad_text(text: &str, layout: Layout, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let cut = bytes.len().min(layout.precision.unwrap_or(usize::MAX));
    pad(&bytes[..cut], Layout { zero: false, ..layout }, out);
}

fn pad_bytes(bytes: &[u8], layout: Layout, out: &mut Vec<u8>) {
    pad(bytes, layout, out);
}

fn pad_number(number: Option<usize>, layout: Layout, out: &mut Vec<u8>) {
    let text = number.map(|number| number.to_string()).unwrap_or_default();
    pad(text.as_bytes(), layout, out);
}

fn pad_float(value: f64, layout: Layout, out: &mut Vec<u8>) {
    let text = format!("{value:.*}", layout.precision.unwrap_or(6));
    match text.strip_prefix('-').filter(|_| layout.zero && !layout.left) {
        // Zeros stand behind the sign.
        Some(digits) => {
            out.push(b'-');
            let width = layout.width.saturating_sub(1);
            pad(digits.as_bytes(), Layout { width, ..layout }, out);
        }
        None => pad(text.as_bytes(), layout, out),
    }
}

fn pad(bytes: &[u8], layout: Layout, out: &mut Vec<u8>) {
    let missing = layout.width.saturating_sub(bytes.len());
    let fill = if layout.zero && !layout.left { b'0' } else { b' ' };
    if layout.left {
        out.extend_from_slice(bytes);
    }
    out.extend(std::iter::repeat_n(fill, missing));
    if !layout.left {
        out.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pondhawk_codec::{PacketId, PropertiesBuf, Qos};

    fn message(payload: &[u8]) -> Message {
        Message {
            topic: "f/t".to_owned(),
            payload: payload.to_vec(),
            qos: Qos::AtLeastOnce,
            retain: true,
            dup: false,
            id: PacketId::new(7),
            properties: PropertiesBuf::new(),
        }
    }

    fn with_properties() -> Message {
        let mut message = message(b"abc");
        for property in [
            Property::UserProperty("k", "v"),
            Property::UserProperty("k", "v2"),
            Property::ContentType("ct"),
            Property::ResponseTopic("rt"),
            Property::CorrelationData(b"cd"),
            Property::PayloadFormatIndicator(1),
            Property::MessageExpiryInterval(100),
        ] {
            message.properties.push(property).expect("small");
        }
        message
    }

    fn text(format: &str, message: &Message) -> (String, Result<(), NotJson>) {
        let at = DateTime::parse_from_rfc3339("2026-11-22T10:00:00.129174+00:00").expect("legal");
        let received = Received { message, at, pretty: false };
        let mut out = Vec::new();
        let outcome = render(&Format::parse(format.as_bytes()).expect(format), &received, &mut out);
        (String::from_utf8_lossy(&out).into_owned(), outcome)
    }

    /// What Debian's `mosquitto_sub` prints for the same formats.
    #[test]
    fn widths_as_mosquitto_has_them() {
        for (format, expected) in [
            (
                "[%10t][%-10t][%010t][%.2t][%10.2t][%-10.2t][%2t]",
                "[       f/t][f/t       ][       f/t][f/][        f/][f/        ][f/t]",
            ),
            (
                "[%10p][%-10p][%010p][%.2p][%10.2p][%2p]",
                "[       abc][abc       ][0000000abc][abc][       abc][ab]",
            ),
            (
                "[%10l][%-10l][%010l][%.2l][%2l][%-010l]",
                "[         3][3         ][0000000003][3][ 3][3         ]",
            ),
            ("[%10q][%-10r][%010m][%.2q]", "[1][1][0000000007][1]"),
            (
                "[%10A][%-10E][%010F][%10S][%10C][%10D][%10P][%10R]",
                "[          ][          ][0000000000][          ][          ][][][]",
            ),
            ("%x|%X|%:x|%5%|@@", "616263|616263|61:62:63|%|@"),
            ("%I|%U|@Y@N", "2026-11-22T10:00:00+0000|1795341600.129174000|2026129174000"),
        ] {
            assert_eq!(text(format, &message(b"abc")), (expected.to_owned(), Ok(())), "{format}");
        }
    }

    #[test]
    fn properties() {
        let expected = "|ct|cd|100|1|k:v k:v2|rt||7|1";
        assert_eq!(text("%A|%C|%D|%E|%F|%P|%R|%S|%m|%q", &with_properties()).0, expected);
        let expected = "[        ct][ct        ][c][cd][k:v k:v2][100][0000000100]";
        assert_eq!(text("[%10C][%-10C][%.1C][%10D][%10P][%3E][%010E]", &with_properties()).0, expected);
    }

    #[test]
    fn floats() {
        assert_eq!(
            text("%f|%.1f|%8.2f|%-8.2f|", &message(&1.5f32.to_ne_bytes())).0,
            "1.500000|1.5|    1.50|1.50    |"
        );
        assert_eq!(text("%d|%08.2d|%.0d", &message(&(-1.5f64).to_ne_bytes())).0, "-1.500000|-0001.50|-2");
        assert_eq!(text("%f%d", &message(b"abc")).0, "");
    }

    #[test]
    fn json_messages() {
        let head =
            r#"{"tst":"2026-11-22T10:00:00.129174+0000","topic":"f/t","qos":1,"retain":true,"payloadlen":"#;
        assert_eq!(text("%j", &message(b"q\"\x01")).0, format!(r#"{head}3,"mid":7,"payload":"q\"\u0001"}}"#));
        assert_eq!(text("%j", &message(b"")).0, format!(r#"{head}0,"mid":7,"payload":null}}"#));
        assert_eq!(text("%J", &message(b"[ 1 ]")).0, format!(r#"{head}5,"mid":7,"payload":[1]}}"#));
        assert_eq!(text("<%J>", &message(b"nope")), ("<>".to_owned(), Err(NotJson)));
        let properties = r#""properties":{"user-properties":[{"k":"v"},{"k":"v2"}],"content-type":"ct","#;
        assert!(text("%j", &with_properties()).0.contains(properties));
    }
}
