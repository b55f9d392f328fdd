//! Topic names, topic filters and shared subscription filters.

use crate::error::Kind;
use pondhawk_plants::planted;

/// Checks a topic name: at least one character [MQTT-4.7.3-1] [MQTT3-4.7.3-1], no wildcard [MQTT-3.3.2-2]
/// [MQTT-4.7.0-1] [MQTT3-3.3.2-2] [MQTT3-4.7.1-1].
///
/// # Errors
/// [`Kind::TopicEmpty`] or [`Kind::TopicWildcard`].
pub fn check_name(name: &str) -> Result<(), Kind> {
    if name.is_empty() {
        return Err(Kind::TopicEmpty);
    }
    if name.bytes().any(|b| b == b'#' || b == b'+') {
        return Err(Kind::TopicWildcard);
    }
    Ok(())
}

/// Checks a topic filter, a shared one included.
///
/// # Errors
/// [`Kind::TopicFilter`].
pub fn check_filter(filter: &str) -> Result<(), Kind> {
    SubscriptionFilter::parse(filter).map(|_| ())
}

/// A topic filter as SUBSCRIBE carries it: plain, or shared by the members of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SubscriptionFilter<'a> {
    /// The group's name, for `$share/NAME/FILTER`.
    pub share: Option<&'a str>,
    /// The filter that topics are matched against.
    pub filter: &'a str,
}

impl<'a> SubscriptionFilter<'a> {
    /// Splits and checks `text`.
    ///
    /// # Errors
    /// [`Kind::TopicFilter`] if a wildcard does not stand alone in its level [MQTT-4.7.1-2] [MQTT3-4.7.1-3],
    /// `#` is not last [MQTT-4.7.1-1] [MQTT3-4.7.1-2], the share name is empty or has a wildcard, or no filter
    /// follows it [MQTT-4.8.2-1] [MQTT-4.8.2-2].
    pub fn parse(text: &'a str) -> Result<Self, Kind> {
        let split = match text.strip_prefix("$share/") {
            Some(rest) => {
                let (share, filter) = rest.split_once('/').ok_or(Kind::TopicFilter)?;
                if (share.is_empty() && !planted!(EmptyShareName))
                    || share.bytes().any(|b| b == b'+' || b == b'#')
                {
                    return Err(Kind::TopicFilter);
                }
                SubscriptionFilter { share: Some(share), filter }
            }
            None if text == "$share" => return Err(Kind::TopicFilter),
            None => SubscriptionFilter { share: None, filter: text },
        };
        check_plain_filter(split.filter)?;
        Ok(split)
    }
}

fn check_plain_filter(filter: &str) -> Result<(), Kind> {
    // [MQTT-4.7.3-1] [MQTT3-4.7.3-1]
    if filter.is_empty() {
        return Err(Kind::TopicFilter);
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        let last = levels.peek().is_none();
        let wildcard = level.bytes().any(|b| b == b'+' || b == b'#');
        let alone = level == "+" || (level == "#" && (last || planted!(HashInTheMiddle)));
        if wildcard && !alone {
            return Err(Kind::TopicFilter);
        }
    }
    Ok(())
}

/// True if `filter`, which is valid and not shared, matches the topic name `topic`.
///
/// A filter that begins with a wildcard does not match a topic that begins with `$`. [MQTT-4.7.2-1]
/// [MQTT3-4.7.2-1]
#[must_use]
pub fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && !filter.starts_with('$') {
        return false;
    }
    let mut topic_levels = topic.split('/');
    for level in filter.split('/') {
        if level == "#" {
            return true;
        }
        match topic_levels.next() {
            Some(name) if level == "+" || level == name => {}
            _ => return false,
        }
    }
    topic_levels.next().is_none()
}

/// How many levels a topic name or filter has.
#[must_use]
pub fn levels(text: &str) -> usize {
    text.bytes().filter(|b| *b == b'/').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    // [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.3-1] [MQTT-4.8.2-1] [MQTT-4.8.2-2]
    // [MQTT3-4.7.1-2] [MQTT3-4.7.1-3] [MQTT3-4.7.3-1]
    #[test]
    fn filters() {
        for good in
            ["#", "+", "/", "a/#", "+/+/#", "a//b", "$SYS/#", "$share/g/a", "$share/g//", "$shared", "a/+"]
        {
            assert_eq!(check_filter(good), Ok(()), "{good}");
        }
        let bad = [
            "",
            "a/#/b",
            "a+",
            "#a",
            "+a/b",
            "a/b#",
            "##",
            "$share",
            "$share/",
            "$share/g",
            "$share/g/",
            "$share/+/a",
            "$share/g#/a",
            "$share//a",
            "$share/ab",
        ];
        for bad in bad {
            assert_eq!(check_filter(bad), Err(Kind::TopicFilter), "{bad}");
        }
    }

    // [MQTT-4.7.2-1] [MQTT3-4.7.2-1]
    #[test]
    fn matching() {
        let yes = [
            ("#", "a/b"),
            ("a/#", "a"),
            ("a/#", "a/b/c"),
            ("+/b", "a/b"),
            ("+", "a"),
            ("/+", "/a"),
            ("+/+", "/a"),
        ];
        for (filter, topic) in yes {
            assert!(matches(filter, topic), "{filter} {topic}");
        }
        let no =
            [("#", "$SYS/a"), ("+/x", "$SYS/x"), ("a/+", "a"), ("a", "a/b"), ("a/b", "a"), ("a/+", "a/b/c")];
        for (filter, topic) in no {
            assert!(!matches(filter, topic), "{filter} {topic}");
        }
        assert!(matches("$SYS/#", "$SYS/broker/uptime"));
    }

    // [MQTT-3.3.2-2] [MQTT-4.7.0-1] [MQTT-4.7.3-1] [MQTT3-3.3.2-2] [MQTT3-4.7.1-1] [MQTT3-4.7.3-1]
    #[test]
    fn names() {
        assert_eq!(check_name(""), Err(Kind::TopicEmpty));
        assert_eq!(check_name("a/+"), Err(Kind::TopicWildcard));
        assert_eq!(check_name("a#"), Err(Kind::TopicWildcard));
        assert_eq!(check_name("$SYS/x y"), Ok(()));
    }
}
