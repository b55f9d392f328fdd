//! Shared subscriptions: a group gets each message once, whichever member it goes to.

use super::delivery::{may, must};
use crate::shadow::Shadow;
use crate::shadow::session::{Session, Sub};
use crate::sometimes;
use crate::world::World;
use std::collections::BTreeMap;

/// Checks every group.
pub fn check(world: &mut World) {
    let shadow = &mut world.shadow;
    let mut groups: BTreeMap<&str, Vec<(usize, &Session, &Sub)>> = BTreeMap::new();
    for (number, session) in shadow.sessions.iter().enumerate() {
        for sub in session.subs.iter().filter(|sub| sub.shared) {
            groups.entry(&sub.filter).or_default().push((number, session, sub));
        }
    }
    let mut wrong = Vec::new();
    let mut away = false;
    for (group, members) in groups {
        wrong.extend(check_group(shadow, group, &members, &mut away));
    }
    if away {
        sometimes!(shadow.reached, "shared subscription delivered to a member that is away");
    }
    for (invariant, text) in wrong {
        shadow.fail(invariant, text);
    }
}

fn check_group(
    shadow: &Shadow,
    group: &str,
    members: &[(usize, &Session, &Sub)],
    away: &mut bool,
) -> Vec<(&'static str, String)> {
    let mut wrong = Vec::new();
    let mut sessions: Vec<usize> = members.iter().map(|(session, ..)| *session).collect();
    sessions.dedup();
    for (number, message) in shadow.messages.iter().enumerate() {
        let (Some(_), false) = (message.routed, message.empty) else { continue };
        if !members.iter().any(|(_, _, sub)| sub.matches(&message.topic)) {
            continue;
        }
        let receipts = || sessions.iter().filter_map(|s| shadow.receipts.get(&(*s, number as u32)));
        let got: [u32; 3] = receipts().fold([0; 3], |sum, r| [0, 1, 2].map(|q| sum[q] + r.live[q]));
        let first: u32 = receipts().map(|receipt| receipt.first.iter().sum::<u32>()).sum();
        let reaches = |sub: &Sub| {
            // The home may choose a member that is leaving until it hears of that.
            let end = sub.end.map(|end| shadow.settled(end).unwrap_or(u64::MAX));
            may(shadow, &Sub { end, ..sub.clone() }, message)
        };
        let possible = members.iter().filter(|(_, _, sub)| reaches(sub));
        // A message that came for somebody who has left in the meantime is nobody's.
        let loyal = |(_, session, sub): &&(usize, &Session, &Sub)| {
            let ended = sub.end.is_some() || !session.alive;
            !ended && must(shadow, session, sub, message)
        };
        let owed = message.qos > 0 && possible.clone().count() > 0 && possible.clone().all(|m| loyal(&m));
        let text = |what: &str| format!("group {group}: {what} of message {number}: {got:?}");
        if owed && got[1] + got[2] == 0 {
            wrong.push(("I1", text("no copy")));
        }
        // What a crash takes back from a session that is not kept, another member may get.
        let counts = |session: &&usize| shadow.crashes == 0 || shadow.sessions[**session].keep_s > 0;
        let kept = sessions.iter().filter(counts);
        let kept = kept.filter_map(|session| shadow.receipts.get(&(*session, number as u32)));
        if kept.map(|receipt| receipt.live[2]).sum::<u32>() > 1 || first > message.routings + shadow.crashes {
            wrong.push(("I2", text("too many copies")));
        }
        *away |= owed && receipts().any(|receipt| receipt.first[2] > 0);
    }
    wrong
}
