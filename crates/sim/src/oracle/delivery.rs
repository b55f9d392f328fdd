//! Who got what: for every session that is there and every message, the copies that its subscriptions ask for.
//!
//! A subscription *may* have matched a message if it was there at some moment of its routing, and *must* have if
//! SUBACK had left before it was taken and no UNSUBSCRIBE was taken before all mail had arrived.

use crate::shadow::message::Message;
use crate::shadow::session::{Session, Sub};
use crate::shadow::{Receipt, Shadow};
use crate::sometimes;
use crate::world::World;
use crate::world::host::Right;

/// Copies by QoS.
#[derive(Default)]
struct Owed {
    must: [u32; 3],
    may: [u32; 3],
}

/// Checks every session that is there.
pub fn check(world: &mut World) {
    let shadow = &mut world.shadow;
    let mut wrong = Vec::new();
    let (mut kept_back, mut expired) = (false, false);
    for (number, session) in shadow.sessions.iter().enumerate() {
        let plain = session.subs.iter().any(|sub| !sub.shared);
        if !plain {
            continue;
        }
        for (message_no, message) in shadow.messages.iter().enumerate() {
            if message.routed.is_none() || message.empty {
                continue;
            }
            kept_back |= message.publisher == session.client && session.subs.iter().any(|sub| sub.no_local);
            let owed = owed(shadow, session, message);
            let none = Receipt::default();
            expired |= message.expires_at < world.now && owed.may != [0; 3];
            let got = shadow.receipts.get(&(number, message_no as u32)).unwrap_or(&none);
            if let Some((invariant, text)) = compare(shadow, session, (message, message_no), (&owed, got)) {
                wrong.push((invariant, text));
            }
        }
    }
    if expired {
        sometimes!(shadow.reached, "message expired");
    }
    if kept_back {
        sometimes!(shadow.reached, "no local kept a message back");
    }
    for (invariant, text) in wrong {
        shadow.fail(invariant, text);
    }
}

fn owed(shadow: &Shadow, session: &Session, message: &Message) -> Owed {
    let mut owed = Owed::default();
    let (mut may_any, mut must_any) = (None, None);
    for sub in session.subs.iter().filter(|sub| !sub.shared && sub.matches(&message.topic)) {
        if sub.no_local && message.publisher == session.client {
            continue;
        }
        let qos = sub.qos.min(message.qos);
        if may(shadow, sub, message) {
            // A crash takes back what at QoS 2 nobody has seen, and at QoS 1 somebody may.
            owed.may[usize::from(qos)] += if qos == 2 { 1 } else { message.routings + shadow.crashes };
            may_any = may_any.max(Some(qos));
        }
        if must(shadow, session, sub, message) {
            owed.must[usize::from(qos)] += 1;
            must_any = must_any.max(Some(qos));
        }
    }
    if !shadow.duplicates {
        // One copy at the highest QoS; which that is may be in doubt while a subscription comes or goes.
        owed.may = owed.may.map(|count| count.min(message.routings + shadow.crashes));
        owed.may[2] = owed.may[2].min(1);
        owed.must = [0; 3];
        if let Some(qos) = must_any {
            owed.must[usize::from(qos)] = 1;
        }
    }
    owed
}

/// True if the subscription may have asked for the message.
pub fn may(shadow: &Shadow, sub: &Sub, message: &Message) -> bool {
    let routed = message.routed.unwrap_or(0);
    sub.from <= shadow.routed_until(message) && sub.end.is_none_or(|end| end >= routed)
}

/// True if the subscription asked for it all the time, and nothing can excuse that it did not come.
pub fn must(shadow: &Shadow, session: &Session, sub: &Sub, message: &Message) -> bool {
    let Some(routed) = message.sure else { return false };
    let was_there = sub.sure.is_some_and(|sure| sure < routed);
    let stayed = sub.end.is_none_or(|end| shadow.settled(routed).is_some_and(|settled| settled < end));
    // Who has not come back has not got anything.
    session.link.is_some()
        && was_there
        && stayed
        && message.expiry_s.is_none()
        && shadow.always_allowed(message.rules_from, session.client, Right::Receive, &message.topic)
}

fn compare(
    shadow: &Shadow,
    session: &Session,
    (message, number): (&Message, usize),
    (owed, got): (&Owed, &Receipt),
) -> Option<(&'static str, String)> {
    let text = |what: &str| {
        let who = &shadow.clients[session.client].id;
        let Message { topic, qos, will, routings, .. } = message;
        let (must, may) = (owed.must, owed.may);
        Some(format!(
            "{who}: {what} of message {number} ({topic}, QoS {qos}, will {will}, routed {routings} times): \
             got {got:?}, must get {must:?}, may get {may:?}"
        ))
    };
    let invariant = |usual| if message.will { "I7" } else { usual };
    if session.link.is_some() {
        let missing = if shadow.duplicates {
            // With RETAIN as published, a live copy may look like an old one.
            (1..3).any(|qos| got.live[qos] + got.retained < owed.must[qos])
        } else {
            let must = owed.must[1] + owed.must[2];
            got.live.iter().sum::<u32>() + got.retained < must
        };
        if missing {
            return text("too few copies").map(|text| (invariant("I1"), text));
        }
    }
    if got.live[2] > owed.may[2] {
        return text("too many copies at QoS 2").map(|text| (invariant("I2"), text));
    }
    if got.first[0] > owed.may[0] || got.first[1] > owed.may[1] {
        return text("too many copies that are none of an earlier one").map(|text| (invariant("I2"), text));
    }
    None
}
