//! Who may come in and who may do what: the rules in force, and each shard's view of them.
//!
//! Before it: the shard, which asks at every message. After it: the password and access control files of
//! `pondhawk-auth`.

use crate::pump::Ruled;
use pondhawk_auth::{AclFile, ClientRules, PasswordFile};
use pondhawk_broker::{Gate, Host, Note, NoteKind, Slot, Source};
use pondhawk_codec::Property;
use pondhawk_codec::packet::Connect;
use pondhawk_codec::reason;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

/// The rules of every listener, replaced whole by a reload.
#[derive(Clone, Default)]
pub struct Rules {
    /// In the order of the listeners' numbers.
    pub listeners: Vec<ListenerRules>,
    /// The names of the enhanced authentication methods that are registered.
    pub methods: BTreeSet<String>,
    /// `global_max_connections` and `global_max_clients`.
    pub connections_max: Option<i64>,
    /// See `connections_max`.
    pub sessions_max: Option<i64>,
}

/// The rules of one listener.
#[derive(Clone, Default)]
pub struct ListenerRules {
    /// Whether clients without a user name are let in.
    pub allow_anonymous: bool,
    /// User names and password hashes.
    pub passwords: Option<Arc<PasswordFile>>,
    /// Rights; everything is allowed where there is no file.
    pub acl: Option<AclFile>,
}

/// Counts and conditions of the whole process that all shards share.
#[derive(Default)]
pub struct Totals {
    connections: AtomicI64,
    sessions: AtomicI64,
    /// The process is over its `memory_limit`.
    pub overloaded: AtomicBool,
}

/// Takes notes for the log.
pub trait Ear: Send {
    /// Whether notes of this kind are wanted.
    fn wants(&self, kind: NoteKind) -> bool;

    /// A note.
    fn note(&self, note: &Note<'_>);
}

/// A shard's surroundings.
pub struct ShardHost<E> {
    rules: Arc<Rules>,
    totals: Arc<Totals>,
    ear: E,
}

impl<E: Ear> ShardHost<E> {
    /// A host that begins with `rules`.
    pub fn new(rules: Arc<Rules>, totals: Arc<Totals>, ear: E) -> Self {
        ShardHost { rules, totals, ear }
    }

    fn listener(&self, number: u16) -> Option<&ListenerRules> {
        self.rules.listeners.get(usize::from(number))
    }
}

impl<E: Ear> Ruled for ShardHost<E> {
    type Rules = Arc<Rules>;

    fn set_rules(&mut self, rules: Arc<Rules>) {
        self.rules = rules;
    }
}

impl<E: Ear> Host for ShardHost<E> {
    /// The client's line-up of rules, or `None` where everything is allowed.
    type Identity = Option<ClientRules>;

    fn gate(&self, listener: u16, connect: &Connect<'_>) -> Gate {
        if self.totals.overloaded.load(Ordering::Relaxed) {
            return Gate::Refuse(reason::QUOTA_EXCEEDED);
        }
        let Some(rules) = self.listener(listener) else {
            return Gate::Refuse(reason::NOT_AUTHORIZED);
        };
        if let Some(method) = method_of(connect) {
            let known = self.rules.methods.contains(method);
            return if known {
                Gate::Ask
            } else {
                Gate::Refuse(reason::BAD_AUTHENTICATION_METHOD)
            };
        }
        match (connect.username, &rules.passwords) {
            (Some(_), Some(_)) => Gate::Ask,
            _ if rules.allow_anonymous => Gate::Accept,
            _ => Gate::Refuse(reason::NOT_AUTHORIZED),
        }
    }

    fn identify(&self, listener: u16, username: Option<&str>, client_id: &str) -> Self::Identity {
        let acl = self.listener(listener)?.acl.as_ref()?;
        Some(acl.rules_for(username, client_id))
    }

    fn may_publish(&self, identity: &Self::Identity, topic: &str) -> bool {
        identity.as_ref().is_none_or(|rules| rules.may_write(topic))
    }

    fn may_receive(&self, identity: &Self::Identity, topic: &str) -> bool {
        identity.as_ref().is_none_or(|rules| rules.may_read(topic))
    }

    /// An access control file never refuses a SUBSCRIBE: what may not be read is not delivered.
    fn may_subscribe(&self, _identity: &Self::Identity, _filter: &str) -> bool {
        true
    }

    fn source_may_publish(&self, source: &Source, topic: &str) -> bool {
        let identity = self.identify(source.listener, source.username.as_deref(), &source.client_id);
        self.may_publish(&identity, topic)
    }

    fn reserve(&mut self, slot: Slot) -> bool {
        let (count, max) = match slot {
            Slot::Connection => (&self.totals.connections, self.rules.connections_max),
            Slot::Session => (&self.totals.sessions, self.rules.sessions_max),
        };
        let taken = count.fetch_add(1, Ordering::Relaxed) + 1;
        let free = max.is_none_or(|max| taken <= max);
        if !free {
            count.fetch_sub(1, Ordering::Relaxed);
        }
        free
    }

    fn release(&mut self, slot: Slot) {
        let count = match slot {
            Slot::Connection => &self.totals.connections,
            Slot::Session => &self.totals.sessions,
        };
        count.fetch_sub(1, Ordering::Relaxed);
    }

    /// # Panics
    /// If the system has no entropy to give: nothing that needs to be unguessable can be made then.
    fn entropy(&mut self) -> u128 {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the system's entropy source works");
        u128::from_ne_bytes(bytes)
    }

    fn wants(&self, kind: NoteKind) -> bool {
        self.ear.wants(kind)
    }

    fn note(&mut self, note: &Note<'_>) {
        self.ear.note(note);
    }
}

fn method_of<'a>(connect: &Connect<'a>) -> Option<&'a str> {
    connect.properties.find(|property| match property {
        Property::AuthenticationMethod(method) => Some(method),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use pondhawk_codec::{Properties, PropertiesBuf, Version};
    use std::path::Path;

    struct Deaf;

    impl Ear for Deaf {
        fn wants(&self, _kind: NoteKind) -> bool {
            false
        }
        fn note(&self, _note: &Note<'_>) {}
    }

    fn connect<'a>(username: Option<&'a str>, properties: Properties<'a>) -> Connect<'a> {
        Connect {
            version: Version::V5,
            bridge: false,
            clean_start: true,
            keep_alive: 0,
            properties,
            client_id: "c",
            will: None,
            username,
            password: None,
        }
    }

    fn host(rules: ListenerRules) -> ShardHost<Deaf> {
        let rules = Rules {
            listeners: vec![rules],
            methods: ["known".to_owned()].into(),
            connections_max: Some(1),
            sessions_max: None,
        };
        ShardHost::new(Arc::new(rules), Arc::default(), Deaf)
    }

    fn gate(rules: ListenerRules, username: Option<&str>) -> Gate {
        host(rules).gate(0, &connect(username, Properties::EMPTY))
    }

    #[test]
    fn the_gate_by_user_name_and_password_file() {
        let open = ListenerRules {
            allow_anonymous: true,
            ..ListenerRules::default()
        };
        let closed = ListenerRules::default();
        let file = PasswordFile::parse(b"", Path::new("p")).expect("an empty file");
        let with_file = ListenerRules {
            passwords: Some(Arc::new(file)),
            ..ListenerRules::default()
        };
        assert_eq!(gate(open.clone(), None), Gate::Accept);
        assert_eq!(gate(open, Some("user")), Gate::Accept);
        assert_eq!(gate(closed.clone(), None), Gate::Refuse(reason::NOT_AUTHORIZED));
        assert_eq!(gate(closed, Some("user")), Gate::Refuse(reason::NOT_AUTHORIZED));
        assert_eq!(gate(with_file.clone(), Some("user")), Gate::Ask);
        assert_eq!(gate(with_file, None), Gate::Refuse(reason::NOT_AUTHORIZED));
    }

    #[test]
    fn only_registered_methods_are_asked() {
        for (method, gate) in [
            ("known", Gate::Ask),
            ("other", Gate::Refuse(reason::BAD_AUTHENTICATION_METHOD)),
        ] {
            let mut properties = PropertiesBuf::new();
            properties
                .push(Property::AuthenticationMethod(method))
                .expect("short");
            let host = host(ListenerRules {
                allow_anonymous: true,
                ..ListenerRules::default()
            });
            assert_eq!(host.gate(0, &connect(None, properties.as_properties())), gate);
        }
    }

    #[test]
    fn places_are_limited_and_given_back() {
        let mut host = host(ListenerRules::default());
        assert!(host.reserve(Slot::Connection));
        assert!(!host.reserve(Slot::Connection));
        assert!(host.reserve(Slot::Session));
        host.release(Slot::Connection);
        assert!(host.reserve(Slot::Connection));
    }

    #[test]
    fn rights_come_from_the_access_control_file() {
        let acl =
            AclFile::parse(b"user u\ntopic read r/#\ntopic write w\n", Path::new("acl")).expect("valid");
        let host = host(ListenerRules {
            acl: Some(acl),
            ..ListenerRules::default()
        });
        let user = host.identify(0, Some("u"), "c");
        assert!(host.may_receive(&user, "r/x") && !host.may_publish(&user, "r/x"));
        assert!(host.may_publish(&user, "w") && !host.may_receive(&user, "w"));
        let nobody = host.identify(0, None, "c");
        assert!(!host.may_receive(&nobody, "r/x"));
        let source = Source {
            client_id: "c".into(),
            username: Some("u".into()),
            listener: 0,
        };
        assert!(host.source_may_publish(&source, "w") && !host.source_may_publish(&source, "r/x"));
    }
}
