//! A crash of the broker: what was recorded by one step is what there is, and nothing that came later.

use super::session::{Pledge, Session, Sub};
use super::{Moment, Shadow};
use crate::sometimes;
use pondhawk_broker::Millis;

impl Shadow {
    /// The broker has died and started again at this moment, and knows what was recorded up to step `last`.
    pub fn crashed(&mut self, last: u64, at: &Moment<'_>) {
        self.crashes += 1;
        self.packets = [[0; 16]; 2];
        for link in &mut self.links {
            (link.live, link.ending) = (false, true);
        }
        self.doubt_messages(last, at);
        let mut wills = Vec::new();
        for client in 0..self.clients.len() {
            self.restore_session(client, last, at);
            wills.push(self.restore_will(client, last, at));
        }
        for will in wills.into_iter().flatten() {
            self.publish_will(will, at);
        }
    }

    /// A message is certain if it was acknowledged, if all that it led to was recorded, or if its routing is one
    /// transaction over all shards; whatever of that is left is done at the restart.
    fn doubt_messages(&mut self, last: u64, at: &Moment<'_>) {
        for number in 0..self.messages.len() {
            let message = &self.messages[number];
            let Some(routed) = message.sure else { continue };
            let settled = self.settled(message.routed_last).is_some_and(|settled| settled <= last);
            let begun = message.transaction && routed <= last;
            let message = &mut self.messages[number];
            if begun && !settled && message.acked.is_none() {
                sometimes!(self.reached, "crash between release and arrival");
                message.routed_last = at.step;
            }
            if message.acked.is_none() && !settled && !begun {
                sometimes!(self.reached, "crash took a message back");
                message.sure = None;
                message.in_doubt = true;
            }
        }
    }

    /// The session that a client has after the restart: the one that was recorded last, as it was then.
    fn restore_session(&mut self, client: usize, last: u64, at: &Moment<'_>) {
        let there = |session: &Session| {
            session.client == client
                && session.began <= last
                && session.ended.is_none_or(|ended| ended > last)
                && value_at(&session.keep, last).is_some_and(|keep_s| keep_s > 0)
        };
        let found = self.sessions.iter().position(there);
        if let Some(session) = self.current[client].filter(|session| Some(*session) != found) {
            sometimes!(self.reached, "crash ended a session");
            self.sessions[session].stop(at.step);
        }
        self.current[client] = found;
        let Some(session) = found else { return };
        let state = &mut self.sessions[session];
        if !state.alive {
            sometimes!(self.reached, "crash brought a session back that had ended");
        }
        state.rewind(last, at.step);
        let expiry = if state.keep_s == u32::MAX { Millis::MAX } else { Millis::from(state.keep_s) * 1000 };
        let ends_at = value_at(&state.ends, last).flatten().unwrap_or(at.now.saturating_add(expiry));
        state.ends_at = ends_at;
        state.ends.push((at.step, Some(ends_at)));
        if ends_at <= at.now {
            sometimes!(self.reached, "session expired while the broker was down");
            state.stop(at.step);
            self.current[client] = None;
        }
    }

    /// The will of a client that was connected is delayed from now on; one that is due is published.
    fn restore_will(&mut self, client: usize, last: u64, at: &Moment<'_>) -> Option<u32> {
        let pledges = &mut self.pledges[client];
        pledges.retain(|(step, _)| *step <= last);
        let (will, due) = match pledges.last().map(|(_, pledge)| *pledge)? {
            Pledge::None => return None,
            Pledge::Armed(will, delay) => (will, at.now + Millis::from(delay) * 1000),
            Pledge::Due(will, due) => (will, due),
        };
        match self.current[client] {
            Some(session) if due > at.now => {
                self.sessions[session].delayed = Some((due, will));
                pledges.push((at.step, Pledge::Due(will, due)));
                None
            }
            _ => {
                pledges.push((at.step, Pledge::None));
                Some(will)
            }
        }
    }
}

/// The value that held at the end of step `last`.
fn value_at<T: Copy>(history: &[(u64, T)], last: u64) -> Option<T> {
    history.iter().rev().find(|(step, _)| *step <= last).map(|(_, value)| *value)
}

impl Session {
    /// It is gone from this step on.
    fn stop(&mut self, step: u64) {
        (self.alive, self.link, self.delayed) = (false, None, None);
        self.ended.get_or_insert(step);
        for sub in self.subs.iter_mut().filter(|sub| sub.end.is_none()) {
            sub.end = Some(step);
        }
    }

    /// It is as it was at the end of step `last`.
    fn rewind(&mut self, last: u64, step: u64) {
        (self.alive, self.ended, self.link, self.delayed) = (true, None, None, None);
        self.keep.retain(|(step, _)| *step <= last);
        self.ends.retain(|(step, _)| *step <= last);
        self.keep_s = self.keep.last().map_or(0, |(_, keep_s)| *keep_s);
        let mut back = Vec::new();
        for sub in &mut self.subs {
            if sub.from > last {
                // It matched for a while, and is not there any more.
                sub.end.get_or_insert(step);
            } else if sub.end.is_some_and(|end| end > last) {
                // It did not match for a while.
                back.push(Sub { from: step, sure: sub.sure.map(|_| step), end: None, ..sub.clone() });
            }
        }
        self.subs.extend(back);
        for held in &mut self.held {
            if held.from > last {
                held.until.get_or_insert(held.from);
            } else if held.until.is_some_and(|until| until > last) {
                held.until = None;
            }
        }
        let held = self.held.iter().filter(|held| held.until.is_none());
        self.inbox = held.map(|held| (held.id, held.message)).collect();
        // A delivery at QoS 1 may go out before it is recorded. Its identifier is used anew if it was not.
        self.ids.values_mut().for_each(|used| used.doubtful = true);
    }
}
