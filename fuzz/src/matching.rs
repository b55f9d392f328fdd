//! Matching as the standard words it, one level at a time, sharing nothing with the product. [MQTT-4.7.1-2]

/// True if the topic name matches the filter, both of which are valid.
pub fn matches(filter: &str, name: &str) -> bool {
    let filter: Vec<&str> = filter.split('/').collect();
    let name: Vec<&str> = name.split('/').collect();
    // [MQTT-4.7.2-1]
    let hidden = name[0].starts_with('$') && matches!(filter[0], "+" | "#");
    !hidden && levels_match(&filter, &name)
}

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
