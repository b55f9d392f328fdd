//! A filter and a topic name, parted by the first line break. Matching agrees with a matcher that follows the
//! standard's words one level at a time.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pondhawk_codec::topic::{self, SubscriptionFilter};

fuzz_target!(|data: &[u8]| {
    let Some((filter, name)) = std::str::from_utf8(data).ok().and_then(|text| text.split_once('\n')) else {
        return;
    };
    if let Ok(parsed) = SubscriptionFilter::parse(filter) {
        assert!(!parsed.filter.is_empty());
        assert_eq!(parsed.share.is_some(), filter.starts_with("$share/"));
    }
    if topic::check_filter(filter).is_ok() && topic::check_name(name).is_ok() {
        let filter_levels: Vec<&str> = filter.split('/').collect();
        let name_levels: Vec<&str> = name.split('/').collect();
        let hidden = name.starts_with('$') && matches!(filter_levels[0], "+" | "#");
        let expected = !hidden && levels_match(&filter_levels, &name_levels);
        assert_eq!(topic::matches(filter, name), expected, "{filter:?} {name:?}");
        assert_eq!(topic::levels(name), name_levels.len());
    }
});

fn levels_match(filter: &[&str], name: &[&str]) -> bool {
    match (filter, name) {
        (["#"], _) => true,
        ([], []) => true,
        ([first, filter @ ..], [level, name @ ..]) => {
            (*first == "+" || first == level) && levels_match(filter, name)
        }
        _ => false,
    }
}
