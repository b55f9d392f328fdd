//! Who may do what: the answers that a shard gets at once.
//!
//! Before: [`Rules`] are loaded from the files that the configuration names, at start and at every reload.
//! After: each shard asks its [`ShardHost`] at every CONNECT, publish and delivery; what takes time is left to
//! the [`crate::authenticator`].
//!
//! # Invariants
//! - Nothing here blocks or takes a lock.
//! - A listener without an access control file allows everything; an empty file allows nothing.

use crate::logging::Log;
use crate::pump::Ruled;
use pondhawk_auth::{AclFile, ClientRules, LoadError, PasswordFile, Symlinks};
use pondhawk_broker::{Gate, Host, Note, NoteKind, Slot, Source};
use pondhawk_codec::packet::Connect;
use pondhawk_codec::{Property, reason};
use pondhawk_config::{Access, Config};
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Exit code of a broker whose password or access control file cannot be loaded.
pub const EXIT_AUTH: i32 = 13;

/// Bytes of entropy that are asked of the kernel at a time.
const ENTROPY_BYTES: usize = 1024;

/// Everything that rights are decided by. Immutable: a reload makes new ones.
#[derive(Debug, Default)]
pub struct Rules {
    listeners: Vec<ListenerRules>,
    /// Names of the enhanced authentication methods.
    methods: Vec<String>,
}

/// The rules of one listener.
#[derive(Debug)]
struct ListenerRules {
    allow_anonymous: bool,
    passwords: Option<Arc<PasswordFile>>,
    acl: Option<AclFile>,
}

impl Rules {
    /// Loads the files that `config` names, each once. `methods` are the names of the registered methods of
    /// enhanced authentication. The second value are warnings for the log.
    ///
    /// # Errors
    /// The first file that cannot be used; [`EXIT_AUTH`] is the exit code for it.
    pub fn load(config: &Config, methods: Vec<String>) -> Result<(Self, Vec<String>), LoadError> {
        let symlinks = if config.environment.allow_symlinks { Symlinks::Follow } else { Symlinks::Refuse };
        let mut files =
            Files { symlinks, passwords: HashMap::new(), acls: HashMap::new(), warnings: Vec::new() };
        let listeners = config.listeners.iter().map(|listener| files.rules(&listener.access));
        let listeners = listeners.collect::<Result<Vec<_>, _>>()?;
        Ok((Rules { listeners, methods }, files.warnings))
    }

    /// The password file of a listener's clients.
    #[must_use]
    pub fn passwords(&self, listener: u16) -> Option<&Arc<PasswordFile>> {
        self.listeners.get(usize::from(listener))?.passwords.as_ref()
    }

    fn gate(&self, listener: u16, connect: &Connect<'_>) -> Gate {
        let Some(rules) = self.listeners.get(usize::from(listener)) else {
            return Gate::Refuse(reason::NOT_AUTHORIZED);
        };
        let method = connect.properties.find(|property| match property {
            Property::AuthenticationMethod(method) => Some(method),
            _ => None,
        });
        match method {
            Some(method) if self.methods.iter().any(|known| known == method) => return Gate::Ask,
            // [MQTT-4.12.0-1]
            Some(_) => return Gate::Refuse(reason::BAD_AUTHENTICATION_METHOD),
            None => {}
        }
        if connect.username.is_some() && rules.passwords.is_some() {
            Gate::Ask
        } else if rules.allow_anonymous {
            // A name that nobody can prove counts no more than none.
            Gate::Accept
        } else {
            Gate::Refuse(reason::NOT_AUTHORIZED)
        }
    }

    fn identify(&self, listener: u16, username: Option<&str>, client_id: &str) -> Identity {
        let acl = self.listeners.get(usize::from(listener)).map(|rules| rules.acl.as_ref());
        match acl {
            Some(None) => Identity::All,
            Some(Some(acl)) => Identity::Ruled(acl.rules_for(username, client_id)),
            None => Identity::Nobody,
        }
    }
}

/// Files that were loaded already: listeners usually share them.
struct Files {
    symlinks: Symlinks,
    passwords: HashMap<PathBuf, Arc<PasswordFile>>,
    acls: HashMap<PathBuf, AclFile>,
    warnings: Vec<String>,
}

impl Files {
    fn rules(&mut self, access: &Access) -> Result<ListenerRules, LoadError> {
        Ok(ListenerRules {
            allow_anonymous: access.allow_anonymous,
            passwords: access.password_file.as_deref().map(|path| self.passwords(path)).transpose()?,
            acl: access.acl_file.as_deref().map(|path| self.acl(path)).transpose()?,
        })
    }

    fn passwords(&mut self, path: &Path) -> Result<Arc<PasswordFile>, LoadError> {
        if let Some(file) = self.passwords.get(path) {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(PasswordFile::load(path, self.symlinks)?);
        self.warnings.extend(file.warnings().iter().map(ToString::to_string));
        self.passwords.insert(path.to_owned(), Arc::clone(&file));
        Ok(file)
    }

    fn acl(&mut self, path: &Path) -> Result<AclFile, LoadError> {
        if let Some(file) = self.acls.get(path) {
            return Ok(file.clone());
        }
        let file = AclFile::load(path, self.symlinks)?;
        self.warnings.extend(file.warnings().iter().map(ToString::to_string));
        self.acls.insert(path.to_owned(), file.clone());
        Ok(file)
    }
}

/// What a client may do.
#[derive(Clone, Debug)]
pub enum Identity {
    /// Everything: its listener has no access control file.
    All,
    /// What the file says.
    Ruled(ClientRules),
    /// Nothing: its listener is gone.
    Nobody,
}

/// The limited places of the broker, shared by its shards.
#[derive(Debug)]
pub struct Slots {
    connections: Places,
    sessions: Places,
    /// The process is over its `memory_limit`.
    overloaded: AtomicBool,
    retained: AtomicUsize,
    retained_bytes: AtomicUsize,
}

#[derive(Debug)]
struct Places {
    taken: AtomicUsize,
    max: AtomicUsize,
}

impl Slots {
    /// As many places as `global_max_connections` and `global_max_clients` say.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let slots = Slots {
            connections: Places::new(),
            sessions: Places::new(),
            overloaded: AtomicBool::new(false),
            retained: AtomicUsize::new(0),
            retained_bytes: AtomicUsize::new(0),
        };
        slots.reload(config);
        slots
    }

    /// Takes up new limits. Who is there stays.
    pub fn reload(&self, config: &Config) {
        self.connections.limit(config.limits.global_max_connections);
        self.sessions.limit(config.limits.global_max_clients);
    }

    /// Says whether the process uses more than its `memory_limit`: then nobody new is let in. Returns what was
    /// said before.
    pub fn set_overloaded(&self, over: bool) -> bool {
        self.overloaded.swap(over, Ordering::Relaxed)
    }

    fn of(&self, slot: Slot) -> &Places {
        match slot {
            Slot::Connection => &self.connections,
            Slot::Session => &self.sessions,
        }
    }
}

impl Places {
    fn new() -> Self {
        Places { taken: AtomicUsize::new(0), max: AtomicUsize::new(usize::MAX) }
    }

    fn limit(&self, max: Option<usize>) {
        self.max.store(max.unwrap_or(usize::MAX), Ordering::Relaxed);
    }

    fn reserve(&self) -> bool {
        let max = self.max.load(Ordering::Relaxed);
        let more = |taken| (taken < max).then_some(taken + 1);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    fn release(&self) {
        let before = self.taken.fetch_sub(1, Ordering::Relaxed);
        debug_assert!(before > 0, "a place is given back once");
    }
}

/// One shard's surroundings.
pub struct ShardHost {
    rules: Arc<Rules>,
    slots: Arc<Slots>,
    log: Log,
    entropy: Entropy,
}

impl ShardHost {
    /// A host that goes by `rules`.
    ///
    /// # Errors
    /// The operating system has no random bytes to give.
    pub fn new(rules: Arc<Rules>, slots: Arc<Slots>, log: Log) -> io::Result<Self> {
        Ok(ShardHost { rules, slots, log, entropy: Entropy::new()? })
    }
}

impl fmt::Debug for ShardHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardHost").field("slots", &self.slots).finish_non_exhaustive()
    }
}

impl Host for ShardHost {
    type Identity = Identity;

    fn gate(&self, listener: u16, connect: &Connect<'_>) -> Gate {
        if self.slots.overloaded.load(Ordering::Relaxed) {
            return Gate::Refuse(reason::QUOTA_EXCEEDED);
        }
        self.rules.gate(listener, connect)
    }

    fn identify(&self, listener: u16, username: Option<&str>, client_id: &str) -> Identity {
        self.rules.identify(listener, username, client_id)
    }

    fn may_publish(&self, identity: &Identity, topic: &str) -> bool {
        match identity {
            Identity::All => true,
            Identity::Ruled(rules) => rules.may_write(topic),
            Identity::Nobody => false,
        }
    }

    fn may_receive(&self, identity: &Identity, topic: &str) -> bool {
        match identity {
            Identity::All => true,
            Identity::Ruled(rules) => rules.may_read(topic),
            Identity::Nobody => false,
        }
    }

    /// Always: an access control file says nothing about SUBSCRIBE, deliveries are filtered instead.
    fn may_subscribe(&self, _: &Identity, _: &str) -> bool {
        true
    }

    fn source_may_publish(&self, source: &Source, topic: &str) -> bool {
        let identity = self.rules.identify(source.listener, source.username.as_deref(), &source.client_id);
        self.may_publish(&identity, topic)
    }

    fn reserve(&mut self, slot: Slot) -> bool {
        self.slots.of(slot).reserve()
    }

    fn release(&mut self, slot: Slot) {
        self.slots.of(slot).release();
    }

    fn overloaded(&self) -> bool {
        self.slots.overloaded.load(Ordering::Relaxed)
    }

    fn retained_changed(&mut self, messages: isize, bytes: isize) {
        // A shard takes back no more than it has added, so neither sum wraps.
        self.slots.retained.fetch_add(messages as usize, Ordering::Relaxed);
        self.slots.retained_bytes.fetch_add(bytes as usize, Ordering::Relaxed);
    }

    fn retained_total(&self) -> (usize, usize) {
        (self.slots.retained.load(Ordering::Relaxed), self.slots.retained_bytes.load(Ordering::Relaxed))
    }

    fn entropy(&mut self) -> u128 {
        self.entropy.next()
    }

    fn wants(&self, kind: NoteKind) -> bool {
        self.log.wants_note(kind)
    }

    fn note(&mut self, note: &Note<'_>) {
        self.log.note(note);
    }
}

impl Ruled for ShardHost {
    type Rules = Arc<Rules>;

    fn set_rules(&mut self, rules: Arc<Rules>) {
        self.rules = rules;
    }
}

/// Random bits, fetched from the kernel some at a time and used once.
struct Entropy {
    bytes: Box<[u8; ENTROPY_BYTES]>,
    used: usize,
}

impl Entropy {
    fn new() -> io::Result<Self> {
        let mut entropy = Entropy { bytes: Box::new([0; ENTROPY_BYTES]), used: 0 };
        getrandom::fill(&mut *entropy.bytes).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(entropy)
    }

    fn next(&mut self) -> u128 {
        const LEN: usize = size_of::<u128>();
        if self.used + LEN > ENTROPY_BYTES {
            getrandom::fill(&mut *self.bytes).expect("a kernel that had random bytes at the start has more");
            self.used = 0;
        }
        let (word, mut bytes) = (self.used..self.used + LEN, [0; LEN]);
        bytes.copy_from_slice(&self.bytes[word.clone()]);
        self.bytes[word].fill(0);
        self.used += LEN;
        u128::from_ne_bytes(bytes)
    }
}

#[cfg(test)]
mod tests;
