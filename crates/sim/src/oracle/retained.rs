//! I4: what is retained at the end is, topic by topic, the last message that was acknowledged, or a later one.

use super::settle;
use crate::client::packets::Wanted;
use crate::shadow::Shadow;
use crate::world::World;
use crate::world::host::Right;
use pondhawk_codec::Qos;
use pondhawk_codec::packet::SubscribeOptions;
use std::collections::BTreeMap;

/// A new client subscribes to everything and sees what is retained.
pub fn check(world: &mut World) {
    let auditor = settle::auditor(world);
    world.connect(auditor, true, None);
    settle::run(world);
    let options = SubscribeOptions { qos: Qos::ExactlyOnce, ..SubscribeOptions::default() };
    let wanted = |filter: &str| Wanted { filter: filter.into(), options, id: 0 };
    world.subscribe(auditor, vec![wanted("#"), wanted("$x/#")]);
    settle::run(world);
    let Some(session) = world.shadow.current[auditor] else {
        return world.fail("I11", "the auditor was not let in");
    };
    let checked = world.latest_settings().check_retain_source;
    let shadow = &mut world.shadow;
    let mut found: BTreeMap<String, u32> = BTreeMap::new();
    let mut wrong = Vec::new();
    for ((_, message), receipt) in shadow.receipts.range((session, 0)..(session + 1, 0)) {
        let topic = &shadow.messages[*message as usize].topic;
        if receipt.retained != 1 || found.insert(topic.clone(), *message).is_some() {
            wrong.push(format!("more than one retained message of {topic}"));
        }
    }
    for (topic, writes) in shadow.retained.iter().filter(|(topic, _)| !topic.starts_with("$SYS")) {
        wrong.extend(check_topic(shadow, topic, writes, (found.remove(topic), checked)));
    }
    wrong.extend(found.keys().map(|topic| format!("{topic} was never to be retained")));
    for text in wrong {
        shadow.fail("I4", text);
    }
}

/// The topic's value must be that of a write that no later one certainly follows.
fn check_topic(
    shadow: &Shadow,
    topic: &str,
    writes: &[u32],
    (found, checked): (Option<u32>, bool),
) -> Option<String> {
    let sure = |number: u32| shadow.messages[number as usize].sure;
    let last = |number: &&u32| {
        let by = shadow.retained_by(**number);
        !writes.iter().any(|other| sure(*other).is_some_and(|sure| sure > by))
    };
    let candidates: Vec<u32> = writes.iter().filter(last).copied().collect();
    let fits = |number: &u32| {
        let message = &shadow.messages[*number as usize];
        match found {
            Some(found) => found == *number,
            None => {
                let lost = || {
                    let id = shadow.clients.get(message.publisher).map_or("", |client| &client.id);
                    let latest = shadow.rules.last().cloned().unwrap_or_default();
                    checked && !latest.allow(id, Right::Publish, topic)
                };
                message.empty || message.expiry_s.is_some() || lost()
            }
        }
    };
    // If a crash took every write back, there never was one.
    let never = found.is_none() && writes.iter().all(|write| sure(*write).is_none());
    if never || candidates.iter().any(fits) {
        return None;
    }
    Some(format!("{topic}: found message {found:?}, it must be one of {candidates:?} of {writes:?}"))
}
