//! What is done for clients while the store cannot keep what it would be given: nothing that must be kept takes effect,
//! so that what was turned down is never delivered later.

use crate::connect::{Entry, Refusal};
use crate::deliver::granted_qos;
use crate::effects::Effects;
use crate::host::{Ended, Host};
use crate::id::ConnId;
use crate::shard::Shard;
use pondhawk_codec::packet::Publish;
use pondhawk_codec::{PacketType, Qos, ReasonCode, Version, reason};
use pondhawk_plants::planted;
use pondhawk_session::server::MessageRef;

/// How the store fares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keeping {
    /// It keeps what it is given.
    #[default]
    Works,
    /// It has no room for messages. It will have some again.
    Full,
    /// It has failed for good: what it is given is never durable.
    Failed,
}

/// What the log says of a connection that ends for a message that cannot be kept.
const FAILED: &str = "the store has failed and cannot keep the message";

impl<H: Host> Shard<H> {
    /// From now on the store fares like this.
    pub fn set_keeping(&mut self, keeping: Keeping, fx: &mut Effects) {
        if self.keeping == keeping {
            return;
        }
        self.keeping = keeping;
        for index in self.conns.indexes() {
            let id = self.conn_id(index);
            if let Some(conn) = self.conns.get_mut(index)
                && core::mem::take(&mut conn.stalled)
                && !planted!(StalledForEver)
            {
                // Written to, it is listened to again.
                conn.mark(id, &mut fx.dirty);
            }
        }
    }

    /// True if the message would have to be kept, and cannot be now.
    pub(crate) fn is_unkept(&mut self, index: u32, publish: &Publish<'_>, view: &MessageRef<'_>) -> bool {
        let (Some(id), false) = (publish.packet_id, self.keeping == Keeping::Works) else {
            return false;
        };
        if publish.qos == Qos::ExactlyOnce
            && let Some(session) = self.sessions.get(index)
        {
            if session.inbox.contains(id) {
                // It was taken when there was room.
                return false;
            }
            if session.is_recorded() {
                return true;
            }
        }
        self.leaves_records(view)
    }

    /// True if the message makes records, as far as it can be told from here: of a shared group on other shards it is not
    /// known whether the member that gets it is kept.
    fn leaves_records(&mut self, view: &MessageRef<'_>) -> bool {
        self.route(view.topic);
        let is_kept = |index: u32| self.sessions.get(index).is_some_and(|session| session.is_recorded());
        let is_here = |index: u32, subscription: &_| {
            is_kept(index) && granted_qos(&self.settings, subscription, view) > Qos::AtMostOnce
        };
        view.retain || self.routing.reaches(self.id, is_here)
    }

    /// The message is not taken. MQTT 5.0 has a code for that; a client of an earlier version gets no acknowledgement and
    /// is not listened to until there is room. Nor is one that repeats a message, which may have been taken before.
    pub(crate) fn turn_down(
        &mut self,
        conn: ConnId,
        publish: &Publish<'_>,
        version: Version,
        fx: &mut Effects,
    ) {
        let Some(id) = publish.packet_id else { return };
        let qos1 = publish.qos == Qos::AtLeastOnce;
        let packet_type = if qos1 { PacketType::Puback } else { PacketType::Pubrec };
        if version == Version::V5 && !(qos1 && publish.dup) {
            // Nothing is kept of it: the id is a new message's. [MQTT-4.3.3-9]
            self.send_ack((conn.index, packet_type), id, self.unkept_code(), fx);
        } else if self.keeping == Keeping::Full {
            if let Some(state) = self.conns.get_mut(conn.index) {
                state.stalled = true;
            }
        } else {
            // Before MQTT 5.0 only the end of the connection says that a message was not taken. [MQTT3-4.8.0-2]
            self.say_disconnect(conn.index, self.unkept_code(), fx);
            self.finish(conn.index, Ended::Error(FAILED), fx);
            self.close(conn.index, fx);
        }
    }

    fn unkept_code(&self) -> ReasonCode {
        match self.keeping {
            Keeping::Full => reason::QUOTA_EXCEEDED,
            Keeping::Works | Keeping::Failed => reason::IMPLEMENTATION_SPECIFIC,
        }
    }

    /// True if the last packet of the connection waits for room.
    pub(crate) fn is_stalled(&self, conn: ConnId) -> bool {
        self.keeping == Keeping::Full && self.conns.get(conn.index).is_some_and(|state| state.stalled)
    }

    /// A client whose CONNACK would wait for a store that has failed is told so.
    pub(crate) fn may_be_promised(&self, entry: &Entry<'_>) -> Result<(), Refusal> {
        if self.keeping != Keeping::Failed {
            return Ok(());
        }
        let session = self.by_client.get(entry.client_id).and_then(|index| self.sessions.get(*index));
        let rests = self.session_expiry(entry) > 0
            || entry.connect.will.is_some()
            || session.is_some_and(|session| session.stored)
            || self.holds.told_of(entry.client_id) > self.holds.durable();
        if rests { Err(Refusal::Code(reason::SERVER_UNAVAILABLE, "the store has failed")) } else { Ok(()) }
    }

    /// Why a subscription of the session is refused, if it is because the store has failed. What it takes while the store
    /// is full fits in its reserve.
    pub(crate) fn unkept_subscription(&self, index: u32) -> Option<ReasonCode> {
        let is_recorded = self.sessions.get(index).is_some_and(|session| session.is_recorded());
        (self.keeping == Keeping::Failed && is_recorded).then_some(reason::IMPLEMENTATION_SPECIFIC)
    }
}
