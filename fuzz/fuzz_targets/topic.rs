//! A filter and a topic name, parted by the first line break. Matching agrees with a matcher that follows the
//! standard's words one level at a time.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pondhawk_codec::topic::{self, SubscriptionFilter};
use pondhawk_fuzz::matching;

fuzz_target!(|data: &[u8]| {
    let Some((filter, name)) = std::str::from_utf8(data).ok().and_then(|text| text.split_once('\n')) else {
        return;
    };
    if let Ok(parsed) = SubscriptionFilter::parse(filter) {
        assert_eq!(parsed.share.is_some(), filter.starts_with("$share/"));
        assert!(parsed.share.is_none_or(|share| !share.is_empty() && !share.contains(['/', '+', '#'])));
        assert!(filter.ends_with(parsed.filter));
    }
    assert_eq!(topic::check_filter(filter).is_ok(), is_filter(filter), "{filter:?}");
    if topic::check_filter(filter).is_ok() && topic::check_name(name).is_ok() {
        assert_eq!(topic::matches(filter, name), matching::matches(filter, name), "{filter:?} {name:?}");
        assert_eq!(topic::levels(name), name.split('/').count());
    }
});

/// [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.3-1] [MQTT-4.8.2-1] [MQTT-4.8.2-2] [MQTT3-4.7.1-2] [MQTT3-4.7.1-3] [MQTT3-4.7.3-1]
fn is_filter(text: &str) -> bool {
    let levels: Vec<&str> = text.split('/').collect();
    match levels[..] {
        ["$share", group, _, ..] => !group.is_empty() && is_plain(group) && is_unshared(&levels[2..]),
        ["$share", ..] => false,
        _ => is_unshared(&levels),
    }
}

fn is_unshared(levels: &[&str]) -> bool {
    let last = levels.len() - 1;
    let fits = |(index, level): (usize, &&str)| match *level {
        "+" => true,
        "#" => index == last,
        level => is_plain(level),
    };
    levels != [""] && levels.iter().enumerate().all(fits)
}

fn is_plain(level: &str) -> bool {
    !level.contains(['+', '#'])
}
