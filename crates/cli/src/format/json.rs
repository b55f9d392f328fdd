//! JSON as Mosquitto's tools print it: compact, or indented with tabs.

use pondhawk_codec::Property;
use pondhawk_codec::property::Properties;
use serde_json::{Map, Value};

/// Properties as an object, in the order in which they came; user properties are an array of objects with one
/// key each, because keys may repeat.
pub(crate) fn properties(properties: Properties<'_>) -> Map<String, Value> {
    const USER: &str = "user-properties";
    let mut object = Map::new();
    for property in properties {
        if let Property::UserProperty(key, value) = property {
            let entry = object.entry(USER).or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(list) = entry {
                list.push(Value::Object(Map::from_iter([(key.to_owned(), Value::from(value))])));
            }
        } else if let Some(value) = value(property) {
            repeat(&mut object, property.name(), value);
        }
    }
    object
}

/// A message may match several subscriptions and then has several identifiers.
fn repeat(object: &mut Map<String, Value>, name: &str, value: Value) {
    match object.get_mut(name) {
        None => {
            object.insert(name.to_owned(), value);
        }
        Some(Value::Array(list)) => list.push(value),
        Some(first) => *first = Value::Array(vec![first.take(), value]),
    }
}

/// What a PUBLISH property says, if it is one.
fn value(property: Property<'_>) -> Option<Value> {
    Some(match property {
        Property::PayloadFormatIndicator(n) => Value::from(n),
        Property::MessageExpiryInterval(n) | Property::SubscriptionIdentifier(n) => Value::from(n),
        Property::TopicAlias(n) => Value::from(n),
        Property::ContentType(text) | Property::ResponseTopic(text) => Value::from(text),
        Property::CorrelationData(bytes) => Value::from(String::from_utf8_lossy(bytes)),
        _ => return None,
    })
}

/// Appends `value` to `out`.
pub(super) fn write(value: &Value, pretty: bool, out: &mut String) {
    write_at(value, if pretty { Some(0) } else { None }, out);
}

/// `depth` is how far the value is indented, if it is.
fn write_at(value: &Value, depth: Option<usize>, out: &mut String) {
    match value {
        Value::Array(list) => {
            out.push('[');
            for (index, one) in list.iter().enumerate() {
                if index > 0 {
                    out.push_str(if depth.is_some() { ", " } else { "," });
                }
                write_at(one, depth.map(|depth| depth + 1), out);
            }
            out.push(']');
        }
        Value::Object(object) => write_object(object, depth, out),
        Value::Number(number) => write_number(number, out),
        other => out.push_str(&other.to_string()),
    }
}

fn write_object(object: &Map<String, Value>, depth: Option<usize>, out: &mut String) {
    let indent = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n('\t', depth));
    };
    out.push('{');
    for (index, (key, value)) in object.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        if let Some(depth) = depth {
            indent(out, depth + 1);
        }
        out.push_str(&Value::from(key.as_str()).to_string());
        out.push_str(if depth.is_some() { ":\t" } else { ":" });
        write_at(value, depth.map(|depth| depth + 1), out);
    }
    if let Some(depth) = depth {
        indent(out, depth);
    }
    out.push('}');
}

/// A number without a fraction is printed without a point.
fn write_number(number: &serde_json::Number, out: &mut String) {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(value) if number.is_f64() && value.fract() == 0.0 && value.abs() <= EXACT_MAX => {
            out.push_str(&(value as i64).to_string());
        }
        _ => out.push_str(&number.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pondhawk_codec::PropertiesBuf;

    fn text(json: &str, pretty: bool) -> String {
        let mut out = String::new();
        write(&serde_json::from_str(json).expect("legal"), pretty, &mut out);
        out
    }

    #[test]
    fn compact() {
        assert_eq!(
            text(r#"{ "a": [1, 2.50, "x\u0001\/"], "b": {} }"#, false),
            r#"{"a":[1,2.5,"x\u0001/"],"b":{}}"#
        );
        assert_eq!(
            text("[1e3, -0.5, 123456789012345678, true, null]", false),
            "[1000,-0.5,123456789012345678,true,null]"
        );
    }

    #[test]
    fn pretty() {
        let expected = "{\n\t\"a\":\t[1, {\n\t\t\t\"b\":\t2\n\t\t}],\n\t\"c\":\t{\n\t\t\"d\":\tnull\n\t}\n}";
        assert_eq!(text(r#"{"a":[1,{"b":2}],"c":{"d":null}}"#, true), expected);
    }

    #[test]
    fn properties_keep_their_order() {
        let mut buf = PropertiesBuf::new();
        for property in [
            Property::UserProperty("k", "1"),
            Property::ContentType("ct"),
            Property::UserProperty("k", "2"),
            Property::SubscriptionIdentifier(3),
            Property::SubscriptionIdentifier(4),
        ] {
            buf.push(property).expect("small");
        }
        let mut out = String::new();
        write(&Value::Object(properties(buf.as_properties())), false, &mut out);
        let expected = r#"{"user-properties":[{"k":"1"},{"k":"2"}],"content-type":"ct","subscription-identifier":[3,4]}"#;
        assert_eq!(out, expected);
    }
}
