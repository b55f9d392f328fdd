//! The shard: its state, and its inputs that do not belong to one packet.

use crate::arena::Arena;
use crate::conn::{Conn, Consumed, Phase, ReadState, Reauth};
use crate::counters::Counters;
use crate::deliver::Parts;
use crate::effects::Effects;
use crate::hold::Holds;
use crate::home::Homes;
use crate::host::{Ended, Host, Note};
use crate::id::{ConnId, ShardId};
use crate::keeping::Keeping;
use crate::mail::Mail;
use crate::replay::Replays;
use crate::retained::Retained;
use crate::route::Routing;
use crate::session::Session;
use crate::settings::Settings;
use crate::subscribe::PendingSuback;
use crate::timers::{Timer, Timers};
use crate::trie::Trie;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use foldhash::quality::FixedState;
use hashbrown::HashMap;
use pondhawk_codec::reason;
use pondhawk_codec::{Frame, Packet, PacketType, Qos, frame};
use pondhawk_plants::planted;
use pondhawk_session::server::{Layouts, MessageRef, Millis, NEVER, Origin, Violation};

/// Deliveries that one call of [`Shard::receive`] may cause before it lets others have their turn.
const BUDGET: u32 = 4096;
/// Output buffers that are kept for the next turn, and the largest that is.
const SPARE_BUFFERS_MAX: usize = 64;
const SPARE_BYTES_MAX: usize = 64 << 10;

/// One shard of the broker.
pub struct Shard<H: Host> {
    pub(crate) id: ShardId,
    pub(crate) homes: Homes,
    pub(crate) host: H,
    pub(crate) settings: Arc<Settings>,
    pub(crate) now: Millis,
    pub(crate) conns: Arena<Conn>,
    pub(crate) sessions: Arena<Session<H::Identity>>,
    pub(crate) by_client: HashMap<Arc<str>, u32, FixedState>,
    pub(crate) trie: Trie,
    pub(crate) retained: Retained,
    pub(crate) timers: Timers,
    pub(crate) replays: Replays,
    pub(crate) pending: Arena<PendingSuback>,
    pub(crate) holds: Holds,
    pub(crate) keeping: Keeping,
    /// Messages that this shard has sent under way.
    pub(crate) releases: u64,
    /// Restored parts that other shards do not know of yet.
    pub(crate) restoring: u32,
    pub(crate) counters: Counters,
    pub(crate) routing: Routing,
    pub(crate) layouts: Layouts,
    pub(crate) topic: String,
    pub(crate) properties: Vec<u8>,
    pub(crate) budget: u32,
    /// A sweep of the retained messages is under way, behind this topic.
    pub(crate) sweep: Option<Option<Box<str>>>,
    spare: Vec<Vec<u8>>,
}

/// A connection that [`Shard::open`] made.
#[derive(Clone, Copy, Debug)]
pub struct Opened {
    /// Its name from now on.
    pub conn: ConnId,
}

impl<H: Host> Shard<H> {
    /// A shard without connections or sessions.
    pub fn new(id: ShardId, homes: Homes, settings: Arc<Settings>, mut host: H) -> Self {
        let key = host.entropy() as u64;
        Shard {
            id,
            homes,
            host,
            settings,
            now: 0,
            conns: Arena::new(),
            sessions: Arena::new(),
            by_client: HashMap::with_hasher(FixedState::with_seed(key)),
            trie: Trie::new(key),
            retained: Retained::default(),
            timers: Timers::default(),
            replays: Replays::default(),
            pending: Arena::new(),
            holds: Holds::default(),
            keeping: Keeping::default(),
            releases: 0,
            restoring: 0,
            counters: Counters::default(),
            routing: Routing::default(),
            layouts: Layouts::default(),
            topic: String::new(),
            properties: Vec::new(),
            budget: 0,
            sweep: None,
            spare: Vec::new(),
        }
    }

    /// The shard's surroundings.
    pub fn host(&mut self) -> &mut H {
        &mut self.host
    }

    // ---- Inputs -------------------------------------------------------------------------------------------

    /// A client connected on `listener` from the address `peer`. It has until the connect timeout to say
    /// CONNECT.
    pub fn open(&mut self, now: Millis, listener: u16, peer: Box<str>) -> Opened {
        self.now = now;
        let (index, generation) = self.conns.insert(Conn::new(listener, peer, now));
        let conn = ConnId { index, generation };
        self.timers.set(now + self.settings.connect_timeout_ms, Timer::Connect(conn));
        Opened { conn }
    }

    /// Bytes arrived. Whole frames are handled; see [`Consumed`] for the rest.
    pub fn receive(&mut self, now: Millis, conn: ConnId, bytes: &[u8], fx: &mut Effects) -> Consumed {
        self.now = now;
        self.budget = BUDGET;
        match self.conns.lookup(conn.index, conn.generation) {
            Some(state) => state.last_heard = now,
            None => {
                return Consumed { used: bytes.len(), state: ReadState::Closing };
            }
        }
        let mut used = 0;
        let state = loop {
            let Some(max) = self.frame_max(conn) else {
                break self.read_state(conn);
            };
            if self.budget == 0 {
                break ReadState::Busy;
            }
            match frame::next(&bytes[used..], max) {
                Ok(frame::Step::Need(len)) => break ReadState::Need(len),
                Ok(frame::Step::Frame(frame)) => {
                    used += frame.len;
                    self.budget -= 1;
                    if let Err(violation) = self.handle(conn, &frame, fx) {
                        self.punish(conn, violation, fx);
                    }
                    if self.is_stalled(conn) {
                        used -= frame.len;
                        break ReadState::Blocked;
                    }
                }
                Err(malformed) => self.punish(conn, Violation::Malformed(malformed), fx),
            }
        };
        if state == ReadState::Closing {
            used = bytes.len();
        }
        Consumed { used, state }
    }

    /// The driver wrote output: `backlog` bytes that it took are not written yet.
    pub fn written(&mut self, conn: ConnId, backlog: usize) {
        if let Some(state) = self.conns.lookup(conn.index, conn.generation) {
            state.backlog = backlog;
            if state.starved && state.has_room(self.settings.max_output_bytes) {
                state.starved = false;
                self.replays.feed(conn);
            }
        }
    }

    /// All output of a connection that was blocked is written: what waited for room goes on.
    pub fn writable(&mut self, now: Millis, conn: ConnId, fx: &mut Effects) {
        self.now = now;
        let Some(state) = self.conns.lookup(conn.index, conn.generation) else {
            return;
        };
        state.backlog = 0;
        if let Some(session) = state.session {
            self.pump(session, fx);
        }
    }

    /// The transport is closed, by either side; `error` says why if it failed. The name is free afterwards.
    pub fn closed(&mut self, now: Millis, conn: ConnId, error: Option<&str>, fx: &mut Effects) {
        self.now = now;
        if self.conns.lookup(conn.index, conn.generation).is_none() {
            return;
        }
        self.finish(conn.index, error.map_or(Ended::Closed, Ended::Error), fx);
        self.conns.remove(conn.index);
    }

    /// A letter from another shard.
    pub fn mail(&mut self, now: Millis, mail: Mail, fx: &mut Effects) {
        self.now = now;
        match mail {
            Mail::Publish { message, deliver, retain, confirm, release } => {
                self.mailed_publish((&message, deliver, retain), (confirm, release), fx);
            }
            Mail::Interest { filter, shard, add, kept, token } => {
                self.mailed_interest((&filter, shard, (add, kept)), token, fx)
            }
            Mail::Confirmed { token } => self.release_hold(token, fx),
            Mail::Done { token } => self.suback_step(token, fx),
            Mail::Join { filter, member, subscription, token } => {
                self.mailed_join((filter, member, subscription), token, fx);
            }
            Mail::Leave { filter, member } => self.leave_group(&filter, member, fx),
            Mail::Presence { filter, member, online } => self.set_presence(&filter, member, online),
            Mail::Deliver { to, message, subscription, confirm, release } => {
                self.mailed_deliver((to, &message, subscription), (confirm, release), fx);
            }
            Mail::RetainedQuery { filter, after, reply } => {
                let page = self.retained.page(&filter, after.as_deref(), now);
                let (shard, replay) = reply;
                let mail = Mail::RetainedPage { replay, messages: page.messages, next: page.next };
                fx.mail.push((shard, mail));
            }
            Mail::RetainedPage { replay, messages, next } => self.replay_page(replay, messages, next),
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Millis, fx: &mut Effects) {
        self.now = now;
        while let Some(timer) = self.timers.pop(now) {
            match timer {
                Timer::Connect(conn) => self.connect_timeout(conn, fx),
                Timer::KeepAlive(conn) => self.keep_alive_timer(conn, fx),
                Timer::SessionExpiry(session) => self.session_expired(session, fx),
                Timer::Will(session) => self.will_timer(session, fx),
                Timer::Fetch(session) => self.fetch_again(session, fx),
            }
        }
        if self.timers.is_bloated(self.conns.len() + self.sessions.len()) {
            let (conns, sessions) = (&mut self.conns, &mut self.sessions);
            self.timers.compact(|timer| match timer {
                Timer::Connect(conn) => conns
                    .lookup(conn.index, conn.generation)
                    .is_some_and(|state| !state.is_connected() || state.reauth != Reauth::No),
                Timer::KeepAlive(conn) => conns.lookup(conn.index, conn.generation).is_some(),
                Timer::SessionExpiry(id) | Timer::Will(id) | Timer::Fetch(id) => {
                    sessions.lookup(id.index, id.generation).is_some()
                }
            });
        }
    }

    /// Begins to remove retained messages that have expired; [`work`](Self::work) does it in slices.
    pub fn sweep_retained(&mut self) {
        self.sweep = Some(None);
    }

    /// When [`tick`](Self::tick) is needed next.
    #[must_use]
    pub fn deadline(&self) -> Option<Millis> {
        self.timers.deadline()
    }

    /// Takes up new settings and asks the host for everybody's rights anew. `persistent` stays what it was, since
    /// the store knows all or nothing.
    pub fn reload(&mut self, now: Millis, mut settings: Arc<Settings>) {
        self.now = now;
        if settings.persistent != self.settings.persistent {
            Arc::make_mut(&mut settings).persistent = self.settings.persistent;
        }
        self.settings = settings;
        for (_, session) in self.sessions.iter_mut().filter(|_| !planted!(RightsNotReloaded)) {
            session.identity =
                self.host.identify(session.listener, session.username.as_deref(), &session.client_id);
        }
    }

    /// Publishes a message of the broker itself, such as a `$SYS` topic.
    pub fn publish_system(
        &mut self,
        now: Millis,
        topic: &str,
        payload: &[u8],
        retain: bool,
        fx: &mut Effects,
    ) {
        self.now = now;
        let view = MessageRef {
            topic,
            properties: &[],
            payload,
            qos: Qos::ExactlyOnce,
            retain,
            expires_at: NEVER,
            origin: Origin(0),
            source: None,
        };
        self.route(topic);
        self.fan_out(&view, None, fx);
    }

    /// The broker stops: wills are published, MQTT 5.0 clients are told, everybody is disconnected.
    pub fn shutdown(&mut self, now: Millis, fx: &mut Effects) {
        self.now = now;
        for index in self.conns.indexes() {
            self.say_disconnect(index, reason::SERVER_SHUTTING_DOWN, fx);
            self.finish(index, Ended::Shutdown, fx);
            self.close(index, fx);
        }
    }

    /// True if a question about the connection is pending, so that what it sent meanwhile must be kept.
    pub fn is_waiting(&mut self, conn: ConnId) -> bool {
        self.read_state(conn) == ReadState::Waiting
    }

    // ---- Output -------------------------------------------------------------------------------------------

    /// Takes the bytes that a connection has to write.
    pub fn take_output(&mut self, conn: ConnId) -> Vec<u8> {
        let Some(state) = self.conns.lookup(conn.index, conn.generation) else {
            return Vec::new();
        };
        state.dirty = false;
        let out = state.take_out(self.holds.durable());
        if state.starved && state.has_room(self.settings.max_output_bytes) {
            // The transport may take it all and never say that it is writable again.
            state.starved = false;
            self.replays.feed(conn);
        }
        out
    }

    /// Gives back a buffer from [`take_output`](Self::take_output) for the next connection that needs one.
    pub fn give_back(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < SPARE_BUFFERS_MAX && (1..=SPARE_BYTES_MAX).contains(&buffer.capacity()) {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    /// Everything that is counted, with the figures of this moment.
    #[must_use]
    pub fn counters(&mut self) -> Counters {
        let mut counters = self.counters.clone();
        counters.sessions = self.sessions.len() as u64;
        counters.retained = self.retained.len() as u64;
        counters.retained_bytes = self.retained.bytes() as u64;
        if self.settings.persistent {
            counters.kept = (self.retained.len() - self.retained.len_of_system()) as u64;
        }
        counters.trie_nodes = self.trie.node_count() as u64;
        counters.waiting = (self.pending.len() + self.holds.len() + self.replays.len()) as u64;
        for (_, session) in self.sessions.iter_mut() {
            counters.connected += u64::from(session.conn.is_some());
            counters.queued += (session.outbox.inflight_len() + session.outbox.queue_len()) as u64;
            counters.queued_bytes += session.outbox.bytes() as u64;
            counters.queued_disk_bytes += session.outbox.disk_bytes() as u64;
            counters.inbox_bytes += session.inbox.bytes() as u64;
            if session.is_recorded() {
                let messages =
                    session.outbox.inflight_len() + session.outbox.queue_len() + session.inbox.len();
                counters.kept += messages as u64;
            }
        }
        counters
    }

    /// Calls `line` with a description of every subscription, for a person to read.
    pub fn describe(&self, line: &mut dyn FnMut(&str)) {
        self.trie.for_each(&mut |filter, entry| {
            line(&alloc::format!(
                "{filter} ({} subscribers, shards {:#x})",
                entry.subscribers.len(),
                entry.remote
            ));
            for subscriber in &entry.subscribers {
                let client = self.sessions.get(subscriber.session).map_or("?", |session| &session.client_id);
                line(&alloc::format!("  {client} (QoS {})", subscriber.subscription.qos.as_u8()));
            }
            for group in &entry.groups {
                line(&alloc::format!("  group {} ({} members)", group.name, group.members.len()));
            }
        });
    }

    // ---- Inside -------------------------------------------------------------------------------------------

    /// The largest frame that may come now, or `None` if nothing is to be read.
    fn frame_max(&mut self, conn: ConnId) -> Option<usize> {
        let state = self.conns.lookup(conn.index, conn.generation)?;
        match state.phase {
            Phase::Greeting | Phase::Exchanging(_) => Some(self.settings.max_connect_packet_size as usize),
            // A client that takes no answers is not listened to either: its answers must not pile up.
            Phase::Connected if !state.has_room(2 * self.settings.max_output_bytes) => None,
            Phase::Connected if state.stalled => None,
            Phase::Connected if state.waiting > 0 && self.holds.are_full(&self.settings) => None,
            Phase::Connected => Some(self.settings.packet_max()),
            Phase::Asked(_) | Phase::Closing => None,
        }
    }

    fn read_state(&mut self, conn: ConnId) -> ReadState {
        match self.conns.lookup(conn.index, conn.generation).map(|state| &state.phase) {
            Some(Phase::Asked(_)) => ReadState::Waiting,
            Some(Phase::Connected) => ReadState::Blocked,
            _ => ReadState::Closing,
        }
    }

    fn handle(&mut self, conn: ConnId, frame: &Frame<'_>, fx: &mut Effects) -> Result<(), Violation> {
        self.counters.received(frame.packet_type);
        let Some(state) = self.conns.get(conn.index) else {
            return Ok(());
        };
        let version = state.link.version;
        match state.phase {
            Phase::Greeting => {
                self.connect(conn, frame, fx);
                return Ok(());
            }
            Phase::Exchanging(_) => return self.continue_exchange(conn, frame, fx),
            _ => {}
        }
        let Some(session) = state.session else {
            return Ok(());
        };
        // [MQTT-3.1.0-2] [MQTT3-3.1.0-2]
        if frame.packet_type == PacketType::Connect {
            return Err(Violation::SecondConnect);
        }
        match Packet::decode(frame, version)? {
            Packet::Publish(publish) => self.publish(conn, session, &publish, fx),
            Packet::Puback(ack) => self.puback(session, &ack, fx),
            Packet::Pubrec(ack) => self.pubrec(conn, session, &ack, fx),
            Packet::Pubrel(ack) => self.pubrel(conn, session, &ack, fx),
            Packet::Pubcomp(ack) => self.pubcomp(session, &ack, fx),
            Packet::Subscribe(packet) => self.subscribe(conn, session, &packet, fx),
            Packet::Unsubscribe(packet) => self.unsubscribe(conn, session, &packet, fx),
            // [MQTT-3.12.4-1] [MQTT3-3.12.4-1]
            Packet::Pingreq => {
                self.note_packet(session, false, "PINGREQ");
                self.note_packet(session, true, "PINGRESP");
                self.send(conn.index, &Packet::Pingresp, fx);
                Ok(())
            }
            Packet::Disconnect(packet) => self.disconnect(conn, session, &packet, fx),
            Packet::Auth(packet) => self.reauthenticate(conn, session, &packet, fx),
            other @ (Packet::Connack(_) | Packet::Suback(_) | Packet::Unsuback(_) | Packet::Pingresp) => {
                Err(Violation::UnexpectedPacket(other.packet_type()))
            }
        }
    }

    /// Appends a packet to a connection's output.
    pub(crate) fn send(&mut self, index: u32, packet: &Packet<'_>, fx: &mut Effects) {
        let id = self.conn_id(index);
        let Some(conn) = self.conns.get_mut(index) else {
            return;
        };
        if conn.out.capacity() == 0 {
            conn.out = self.spare.pop().unwrap_or_default();
        }
        let before = conn.out.len();
        // Only what came out of packets, or is short, is sent: it fits.
        let _fits = packet.encode(conn.link.version, &mut conn.out);
        if conn.out.len() - before > conn.link.packet_max as usize {
            // [MQTT-3.1.2-24]
            conn.out.truncate(before);
            return;
        }
        self.counters.sent(packet.packet_type());
        conn.mark(id, &mut fx.dirty);
    }

    /// Lends a connection an output buffer if it has none.
    pub(crate) fn lend_buffer(spare: &mut Vec<Vec<u8>>, conn: &mut Conn) {
        if conn.out.capacity() == 0
            && let Some(buffer) = spare.pop()
        {
            conn.out = buffer;
        }
    }

    /// Splits the shard into what delivering to one session needs.
    pub(crate) fn delivery_parts(&mut self) -> Parts<'_, H> {
        Parts {
            id: self.id,
            now: self.now,
            host: &mut self.host,
            settings: &self.settings,
            conns: &mut self.conns,
            sessions: &mut self.sessions,
            layouts: &mut self.layouts,
            counters: &mut self.counters,
            spare: &mut self.spare,
            holds: &mut self.holds,
        }
    }

    fn connect_timeout(&mut self, conn: ConnId, fx: &mut Effects) {
        let Some(state) = self.conns.lookup(conn.index, conn.generation) else {
            return;
        };
        let late = match state.reauth {
            Reauth::No => !state.is_connected(),
            Reauth::Asked(due) | Reauth::Owed(due) => self.now >= due,
        };
        if late {
            self.finish(conn.index, Ended::Timeout, fx);
            self.close(conn.index, fx);
        }
    }

    /// Silence for one and a half times the keep alive ends the connection. [MQTT-3.1.2-22] [MQTT3-3.1.2-24]
    fn keep_alive_timer(&mut self, conn: ConnId, fx: &mut Effects) {
        let now = self.now;
        let Some(state) = self.conns.lookup(conn.index, conn.generation) else {
            return;
        };
        if !state.is_connected() {
            return;
        }
        let due = state.last_heard + u64::from(state.link.keep_alive_s) * 1500;
        if planted!(KeepAliveNeverEnds) {
            return;
        }
        if now < due {
            self.timers.set(due, Timer::KeepAlive(conn));
            return;
        }
        self.say_disconnect(conn.index, reason::KEEP_ALIVE_TIMEOUT, fx);
        self.finish(conn.index, Ended::Timeout, fx);
        self.close(conn.index, fx);
    }

    pub(crate) fn note_packet(&mut self, session: u32, sent: bool, name: &'static str) {
        if self.host.wants(crate::host::NoteKind::Debug)
            && let Some(session) = self.sessions.get(session)
        {
            self.host.note(&Note::Packet { client: &session.client_id, sent, name });
        }
    }
}
