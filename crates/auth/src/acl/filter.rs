//! A topic filter compiled for matching, with places for the client's names.
//!
//! Before: the parser. After: [`super::rules`] matches topics. Names are compared in place and never pasted into the
//! text, so that no name can act as a wildcard.

/// The client's names, as far as they may take part in matching. An empty name matches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Names<'a> {
    /// The client id: it contains no `/`.
    pub(super) client_id: &'a str,
    /// The user name: it contains no `/`.
    pub(super) user: &'a str,
}

/// A valid filter. Neighbouring plain levels are one part, with the slashes around them.
#[derive(Debug)]
pub(super) struct Filter {
    parts: Box<[Part]>,
    tail: Tail,
    /// It is written with `$` first, and so may match topics that begin with `$`.
    dollar: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    /// `+`
    OneLevel,
    /// `%c`
    ClientId,
    /// `%u`
    User,
}

/// How a topic may go on after the parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tail {
    /// Not at all.
    End,
    /// `/#`: not at all, or with a further level.
    Below,
    /// `#` alone: anyhow.
    All,
}

/// Whether `%c` and `%u` mean names (`pattern` lines) or themselves (`topic` lines).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Percent {
    Names,
    Literal,
}

impl Filter {
    /// Compiles a filter; `None` when it is not a valid MQTT topic filter.
    pub(super) fn new(text: &str, percent: Percent) -> Option<Filter> {
        if text.is_empty() || text.len() > usize::from(u16::MAX) {
            return None;
        }
        let (plain, tail) = match text.strip_suffix('#') {
            Some("") => ("", Tail::All),
            Some(above) => (above.strip_suffix('/')?, Tail::Below),
            None => (text, Tail::End),
        };
        let mut builder = Builder::default();
        if tail != Tail::All {
            for (index, level) in plain.split('/').enumerate() {
                builder.add(index, level, percent)?;
            }
        }
        Some(Filter { parts: builder.finish().into(), tail, dollar: text.starts_with('$') })
    }

    /// The one topic that this filter matches, when it has no wildcard and no name in it.
    pub(super) fn exact(&self) -> Option<&str> {
        match (&*self.parts, self.tail) {
            ([Part::Text(text)], Tail::End) => Some(text),
            _ => None,
        }
    }

    pub(super) fn uses_client_id(&self) -> bool {
        self.parts.contains(&Part::ClientId)
    }

    pub(super) fn uses_user(&self) -> bool {
        self.parts.contains(&Part::User)
    }

    /// Whether a topic (without wildcards) matches.
    pub(super) fn matches(&self, topic: &str, names: Names<'_>) -> bool {
        if topic.starts_with('$') && !self.dollar {
            return false;
        }
        let mut rest = topic;
        for part in &self.parts {
            let after = match part {
                Part::Text(text) => rest.strip_prefix(&**text),
                Part::OneLevel => Some(&rest[rest.bytes().position(|b| b == b'/').unwrap_or(rest.len())..]),
                Part::ClientId => after_name(rest, names.client_id),
                Part::User => after_name(rest, names.user),
            };
            match after {
                Some(after) => rest = after,
                None => return false,
            }
        }
        match self.tail {
            Tail::End => rest.is_empty(),
            Tail::Below => rest.is_empty() || rest.starts_with('/'),
            Tail::All => true,
        }
    }
}

/// What follows a name that has to be the whole next level. The end of the level needs no look: the part or tail
/// after a name starts with a slash or wants the end, and a name contains no slash.
fn after_name<'a>(rest: &'a str, name: &str) -> Option<&'a str> {
    if name.is_empty() { None } else { rest.strip_prefix(name) }
}

#[derive(Default)]
struct Builder {
    parts: Vec<Part>,
    text: String,
}

impl Builder {
    fn add(&mut self, index: usize, level: &str, percent: Percent) -> Option<()> {
        if index > 0 {
            self.text.push('/');
        }
        let part = match (level, percent) {
            ("+", _) => Part::OneLevel,
            ("%c", Percent::Names) => Part::ClientId,
            ("%u", Percent::Names) => Part::User,
            _ if level.contains(['+', '#']) => return None,
            _ => {
                self.text.push_str(level);
                return Some(());
            }
        };
        self.flush();
        self.parts.push(part);
        Some(())
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.parts.push(Part::Text(std::mem::take(&mut self.text).into()));
        }
    }

    fn finish(mut self) -> Vec<Part> {
        self.flush();
        self.parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: Names<'_> = Names { client_id: "cid", user: "ann" };

    fn matches(filter: &str, topic: &str) -> bool {
        Filter::new(filter, Percent::Names).unwrap().matches(topic, NAMES)
    }

    #[test]
    fn filters_match_as_mqtt_says() {
        for (filter, topic) in [
            ("a/b", "a/b"),
            ("#", "a"),
            ("#", "/"),
            ("a/#", "a"),
            ("a/#", "a/"),
            ("a/#", "a/b/c"),
            ("+", "a"),
            ("+/+", "/x"),
            ("/+", "/x"),
            ("+/#", "/x"),
            ("+/#", "x"),
            ("/#", "/"),
            ("/#", "/a/b"),
            ("a/+/c", "a//c"),
            ("a/+/c/#", "a/b/c"),
            ("a b/é", "a b/é"),
            ("$SYS/#", "$SYS/x"),
            ("$SYS/+", "$SYS/x"),
            ("+/b/+", "a/b/"),
        ] {
            assert!(matches(filter, topic), "{filter} should match {topic}");
        }
        for (filter, topic) in [
            ("a/b", "a/bc"),
            ("a/b", "a"),
            ("a", "a/"),
            ("a/#", "ab"),
            ("a/#", "/a"),
            ("+", "/"),
            ("+", "a/b"),
            ("/+", "x"),
            ("/#", "a"),
            ("a/+/c", "a/b/d"),
            ("a/+", "a"),
            ("a/+/c/#", "a/b/cd"),
            ("A", "a"),
            ("#", "$SYS/x"),
            ("+/x", "$SYS/x"),
            ("+/#", "$SYS"),
        ] {
            assert!(!matches(filter, topic), "{filter} should not match {topic}");
        }
    }

    #[test]
    fn names_are_whole_levels() {
        for (filter, topic) in
            [("d/%c/#", "d/cid/x"), ("%u", "ann"), ("%u/%c", "ann/cid"), ("+/%u/+", "x/ann/y")]
        {
            assert!(matches(filter, topic), "{filter} should match {topic}");
        }
        for (filter, topic) in [("d/%c/#", "d/cidx"), ("d/%c/#", "d/%c/x"), ("%u", "anna"), ("d-%c", "d-cid")]
        {
            assert!(!matches(filter, topic), "{filter} should not match {topic}");
        }
        assert!(matches("d-%c", "d-%c"));
        let literal = Filter::new("d/%c", Percent::Literal).unwrap();
        assert_eq!(literal.exact(), Some("d/%c"));
    }

    #[test]
    fn a_missing_name_matches_nothing() {
        let filter = Filter::new("d/%u/#", Percent::Names).unwrap();
        for topic in ["d", "d/", "d//x", "d/x"] {
            assert!(!filter.matches(topic, Names::default()), "{topic}");
        }
    }

    #[test]
    fn a_name_cannot_reach_the_dollar_topics() {
        let filter = Filter::new("%u/#", Percent::Names).unwrap();
        let names = Names { client_id: "", user: "$SYS" };
        assert!(!filter.matches("$SYS/broker", names));
    }

    #[test]
    fn invalid_filters_are_refused() {
        for text in ["", "a#", "#/a", "a/#/b", "a+", "+a/b", "##", "a/##", "%c#", "+#"] {
            assert!(Filter::new(text, Percent::Names).is_none(), "{text}");
        }
        assert!(Filter::new(&"a".repeat(65535), Percent::Names).is_some());
        assert!(Filter::new(&"a".repeat(65536), Percent::Names).is_none());
    }

    #[test]
    fn exact_filters_are_known() {
        let exact = |text| Filter::new(text, Percent::Names).unwrap().exact().map(str::to_owned);
        assert_eq!(exact("a/b/").as_deref(), Some("a/b/"));
        for text in ["a/#", "#", "a/+", "%c", "a/%u"] {
            assert_eq!(exact(text), None, "{text}");
        }
    }
}
