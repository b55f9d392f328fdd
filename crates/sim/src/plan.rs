//! What a seed decides before anything happens: shards, settings, clients and the faults that there will be.

use crate::random::Rng;
use pondhawk_broker::{ListenerSettings, Settings};
use pondhawk_codec::Version;

/// Topics that clients publish to. The last two are reached through the second listener too, whose mount point
/// is [`MOUNT`].
pub const TOPICS: &[&str] =
    &["t/a", "t/b", "t/c", "t/a/x", "t/b/x", "u/a", "u", "/t", "$x/a", "n/0", "n/1", "n/2", "m/t/a", "m/u/a"];
/// Filters that plain clients subscribe to.
pub const FILTERS: &[&str] =
    &["t/#", "t/+", "#", "t/a", "t/b", "+/a", "t/+/x", "u/#", "+", "$x/#", "n/+", "t/a/#", "$SYS/#"];
/// Filters that members of shared groups subscribe to.
pub const SHARED: &[&str] = &["$share/g/t/+", "$share/h/u/#", "$share/g/#"];
/// What the listener 1 puts in front of topics and filters.
pub const MOUNT: &str = "m/";
/// What a bridge puts in front of the topics that it passes on.
pub const BRIDGED: &str = "t/back/";

/// What a client is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Publishes and subscribes.
    Plain,
    /// A member of shared groups, and nothing else.
    Member,
    /// Hears every will.
    Watcher,
    /// Passes on what it hears, under another prefix.
    Bridge,
    /// Comes at the end, to see what is retained.
    Auditor,
}

/// How long a client wants its session kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Until its connection ends.
    Not,
    /// For so many seconds more. MQTT 5.0 only.
    For(u32),
    /// Until it starts clean.
    Ever,
}

/// One client for the whole run.
#[derive(Clone, Debug)]
pub struct ClientPlan {
    /// The client identifier.
    pub id: String,
    /// What it does.
    pub role: Role,
    /// The protocol version that it speaks.
    pub version: Version,
    /// How it wants its session kept.
    pub keep: Keep,
    /// Keep alive in seconds.
    pub keep_alive: u16,
    /// Its receive maximum, MQTT 5.0.
    pub receive_max: u16,
    /// Topic aliases that it takes, MQTT 5.0.
    pub aliases: u16,
    /// The listener that it comes in by.
    pub listener: u16,
    /// The authenticator must be asked about it.
    pub asked: bool,
    /// It takes its time to acknowledge.
    pub slow: bool,
}

/// A run before it begins.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where it came from.
    pub seed: u64,
    /// Shards at the beginning.
    pub shards: u8,
    /// Operations of the workload.
    pub steps: usize,
    /// One mailbox a shard, as the server has it, instead of one for each pair of shards.
    pub one_mailbox: bool,
    /// Bytes that a socket takes before it blocks.
    pub socket_bytes: usize,
    /// The settings to begin with.
    pub settings: Settings,
    /// The clients.
    pub clients: Vec<ClientPlan>,
}

/// What the command line may pin down.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wishes {
    /// The number of shards.
    pub shards: Option<u8>,
    /// The number of operations.
    pub steps: Option<usize>,
}

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn new(seed: u64, wishes: Wishes) -> Plan {
        let rng = &mut Rng::new(seed ^ 0x706c_616e);
        let shards = rng.pick(&[1, 2, 2, 3, 3, 4, 5, 8]);
        let steps = rng.between(60, 400);
        let mut settings = settings(rng);
        settings.queue_memory_bytes = Rng::new(seed ^ 0x7370_696c).pick(&[1, 30, 100, 1 << 20]);
        let mut clients = clients(rng);
        // Before MQTT 5.0 a keep alive above the broker's maximum is refused.
        for client in &mut clients {
            if settings.max_keepalive_s > 0 && client.version != Version::V5 {
                client.keep_alive = client.keep_alive.clamp(5, settings.max_keepalive_s);
            }
        }
        Plan {
            seed,
            shards: wishes.shards.unwrap_or(shards),
            steps: wishes.steps.unwrap_or(steps),
            one_mailbox: rng.chance(1, 2),
            socket_bytes: rng.pick(&[64, 300, 2000, 100_000]),
            settings,
            clients,
        }
    }
}

fn settings(rng: &mut Rng) -> Settings {
    let listener = |mount: Option<&str>, rng: &mut Rng| ListenerSettings {
        max_topic_alias: rng.pick(&[0, 2, 10]),
        max_topic_alias_broker: rng.pick(&[0, 1, 10]),
        mount_point: mount.map(Into::into),
        ..ListenerSettings::default()
    };
    let mut settings = Settings {
        max_inflight_messages: rng.pick(&[1, 2, 5, 20, 20]),
        queue_qos0_messages: rng.chance(1, 4),
        allow_duplicate_messages: rng.chance(1, 2),
        check_retain_source: rng.chance(1, 4),
        max_output_bytes: rng.pick(&[100, 1000, 1 << 20]),
        max_keepalive_s: rng.pick(&[0, 0, 0, 60]),
        connect_timeout_ms: 30_000,
        persistent: rng.chance(1, 2),
        listeners: vec![listener(None, rng), listener(Some(MOUNT), rng)],
        ..Settings::default()
    };
    settings.outbox.queued_messages = 0;
    settings
}

fn clients(rng: &mut Rng) -> Vec<ClientPlan> {
    let plain = rng.between(3, 7);
    let members = rng.pick(&[0, 2, 3]);
    let mut clients: Vec<ClientPlan> =
        (0..plain).map(|n| client(rng, format!("c{n}"), Role::Plain)).collect();
    clients.extend((0..members).map(|n| client(rng, format!("s{n}"), Role::Member)));
    clients.extend((0..2).map(|n| client(rng, format!("w{n}"), Role::Watcher)));
    if rng.chance(1, 2) {
        clients.push(client(rng, "bridge".into(), Role::Bridge));
    }
    clients.push(ClientPlan {
        version: Version::V5,
        keep: Keep::Not,
        keep_alive: 0,
        receive_max: 10,
        asked: false,
        ..client(rng, "auditor".into(), Role::Auditor)
    });
    clients
}

fn client(rng: &mut Rng, id: String, role: Role) -> ClientPlan {
    let version =
        rng.pick(&[Version::V31, Version::V311, Version::V311, Version::V5, Version::V5, Version::V5]);
    let keep = match (role, version) {
        (Role::Watcher, _) => Keep::Ever,
        (_, Version::V5) => rng.pick(&[Keep::Not, Keep::For(5), Keep::For(100), Keep::Ever, Keep::Ever]),
        _ => rng.pick(&[Keep::Not, Keep::Ever, Keep::Ever]),
    };
    ClientPlan {
        id,
        role,
        version,
        keep,
        keep_alive: rng.pick(&[0, 5, 30, 90]),
        receive_max: rng.pick(&[1, 2, 10, 65_535]),
        aliases: rng.pick(&[0, 1, 5]),
        listener: u16::from(role == Role::Plain && rng.chance(1, 5)),
        asked: rng.chance(1, 5),
        slow: rng.chance(1, 3),
    }
}
