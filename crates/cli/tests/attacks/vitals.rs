//! What must hold during and after every case: V1 to V7 of the catalogue, with its limits.
//!
//! An honest client ([`Heart`]) beats every 10 ms; a bystander without the right to read listens to
//! everything; `$SYS` and the kernel count. All signs are looked at, also when one has failed, and go into a
//! [`Report`]. V8 (a restart loses nothing) is looked at where the case's broker keeps anything.

use std::time::Duration;

use crate::heart::Heart;
use crate::kit::*;
use crate::report::Report;

/// V7: the longest that the broker may keep the honest client waiting.
const STALL_MAX: Duration = Duration::from_millis(250);

/// V2: what a round trip takes when the attack is over.
const CALM_MAX: Duration = Duration::from_millis(100);

/// V3: what the broker may have grown by when all is over.
const GROWTH_MAX: u64 = 8 << 20;

/// V3 and V4: how long memory, descriptors and counts may take to return.
const RETURN: Duration = Duration::from_secs(15);

/// V6: what an attacking connection may write to the log.
const LOG_MAX: usize = 64 << 10;

/// Counters that must return to where they were.
const COUNTERS: [&str; 3] = ["clients/total", "clients/connected", "subscriptions/count"];

/// Counters of stored messages, in which Mosquitto includes the `$SYS` topics themselves.
const STORES: [&str; 2] = ["messages/stored", "retained messages/count"];

/// The broker that is attacked: open to everybody, except that `eve` may read next to nothing.
pub fn target() -> Conf {
    Conf::accounts()
        .file("passwd", passwords(&["alice", "bob", "eve"]))
        .line("allow_anonymous true")
        .line("sys_interval 1")
        .acl("topic readwrite #\ntopic readwrite $SYS/#\ntopic readwrite $foo/#\ntopic readwrite $honest/#\ntopic readwrite $CONTROL/#\ntopic readwrite $share/#\nuser eve\ntopic read eve/#\nuser honest\ntopic readwrite $honest/#\n")
        .shards(2)
}

/// A broker that lets nobody in without a password, with these rights for alice, bob and eve; the honest
/// client and the watcher of `$SYS` have accounts of their own.
pub fn guarded(rules: &str) -> Conf {
    Conf::accounts()
        .line("sys_interval 1")
        .file("passwd", passwords(&["alice", "bob", "eve"]))
        .acl(&watched(rules))
        .shards(2)
}

/// A password file of these users and those who watch.
pub fn passwords(users: &[&str]) -> String {
    // The hash knows nothing of the name.
    let watchers = ["honest", "watcher"].map(|name| format!("{name}:{}\n", accounts::hash("eve")));
    accounts::password_file(users) + &watchers.concat()
}

/// Rules with those of the watchers behind them.
pub fn watched(rules: &str) -> String {
    format!("{rules}\nuser honest\ntopic readwrite $honest/#\nuser watcher\ntopic read $SYS/#\n")
}

/// What a case is allowed.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    connections: usize,
    peak: Option<u64>,
}

impl Limits {
    /// The catalogue's limits for a number of attacking connections.
    pub fn of_connections(connections: usize) -> Self {
        Self { connections: connections.max(1), peak: None }
    }

    /// Memory above the baseline that may be used at any time during the attack.
    pub fn peak(mut self, bytes: u64) -> Self {
        self.peak = Some(bytes);
        self
    }
}

/// The watch over one broker.
pub struct Vitals {
    heart: Heart,
    bystander: Client,
    sys: Sys,
    resident: u64,
    descriptors: usize,
    counters: [i64; 3],
    stores: [[i64; 2]; 2],
    log_from: usize,
}

impl Vitals {
    /// Connects the honest client, the bystander and the counter to a [`target`], and takes the baseline.
    #[track_caller]
    pub fn begin(broker: &Broker) -> Self {
        Self::begin_as(broker, [Connect::new(V4, "honest"), Connect::new(V4, "sys-watch")])
    }

    /// As [`Vitals::begin`] on a [`guarded`] broker.
    #[track_caller]
    pub fn begin_guarded(broker: &Broker) -> Self {
        let login = |name: &str| Connect::new(V4, name).login(name, accounts::PASSWORD);
        Self::begin_as(broker, [login("honest"), login("watcher")])
    }

    #[track_caller]
    fn begin_as(broker: &Broker, [honest, watcher]: [Connect; 2]) -> Self {
        let mut sys = Sys::watch_as(broker, &watcher.keepalive(600));
        let (mut bystander, _) =
            Client::open(broker, &Connect::new(V4, "bystander").login("eve", "secret").keepalive(600));
        bystander.subscribe("#", 1).subscribe("$honest/#", 1);
        let heart = Heart::start(broker, &honest);
        let ready = sys.until(15 * SECOND, |sys| {
            sys.number("clients/connected") == 3 && sys.number("subscriptions/count") == 4
        });
        assert!(ready, "three honest clients are counted as {}", sys.number("clients/connected"));
        sys.take_all();
        Self {
            resident: broker.resident_bytes(),
            descriptors: broker.descriptors(),
            counters: COUNTERS.map(|name| sys.number(name)),
            stores: stores(&sys),
            log_from: broker.log_bytes(),
            heart,
            bystander,
            sys,
        }
    }

    /// V1 and V2 at this moment: the broker lives and the honest client gets through.
    #[track_caller]
    pub fn during(&mut self, what: &str, broker: &mut Broker) {
        assert!(broker.alive(), "V1: the broker died after {what}; log:\n{}", broker.log());
        assert!(self.heart.beats_on(), "V2: the honest client does not get through after {what}");
    }

    /// Everything after the attack. Its connections must be closed by now.
    #[track_caller]
    pub fn finish(self, name: &str, broker: &mut Broker, limits: Limits) {
        let keeps = broker.keeps();
        self.conclude((name, keeps), broker, limits);
    }

    /// As [`Vitals::finish`], without the restart.
    #[track_caller]
    pub fn finish_here(self, name: &str, broker: &mut Broker, limits: Limits) {
        self.conclude((name, false), broker, limits);
    }

    #[track_caller]
    fn conclude(mut self, (name, restarts): (&str, bool), broker: &mut Broker, limits: Limits) {
        self.during(name, broker);
        let calm = self.heart.quick_beat(CALM_MAX);
        let beats = self.heart.stop();
        let mut report = Report::default();
        report.add(
            "V1",
            broker
                .crash_mark()
                .map_or(Ok(String::new()), |mark| Err(format!("{mark:?} in the log:\n{}", broker.log()))),
        );
        report
            .add("V2", calm.map(shown).ok_or_else(|| format!("no round trip under {CALM_MAX:?} afterwards")));
        let Some(beats) = beats else { panic!("V2: the honest client failed during {name}") };
        let peak = beats.peak_bytes.saturating_sub(self.resident);
        report.add("V3", memory_returns(|| broker.resident_bytes(), (self.resident, peak), limits));
        // The honest client's own connection is closed by now.
        let descriptors = descriptors_return(broker, self.descriptors - 1);
        report.add("V4", descriptors.and_then(|()| counts_return(&mut self.sys, self.counters, self.stores)));
        report.add("V5", nothing_heard(&mut self.bystander));
        report.add("V6", check_log(&broker.log()[self.log_from..], limits.connections));
        let stalled =
            (beats.longest > STALL_MAX).then(|| format!("the honest client waited {}", shown(beats.longest)));
        report.add("V7", stalled.map_or(Ok(shown(beats.longest)), Err));
        if restarts {
            drop((self.bystander, self.sys));
            report.add("V8", restart_keeps(broker));
        } else {
            report.silent("V8", "nothing is kept here");
        }
        report.close(name);
    }
}

/// V8: a session, what waits in it, and a retained message are there after a restart.
fn restart_keeps(broker: &mut Broker) -> Result<String, String> {
    let durable = Connect::new(V5, "durable").login("honest", accounts::PASSWORD).durable();
    let (mut client, _) = Client::open(broker, &durable);
    client.subscribe("$honest/waiting", 1);
    client.publish_retained("$honest/kept", "kept", 1);
    client.disconnect();
    let mut writer = Client::open(broker, &Connect::new(V5, "w").login("honest", accounts::PASSWORD)).0;
    writer.publish("$honest/waiting", "waiting", 1);
    writer.disconnect();
    let code = broker.stop();
    if code != Some(0) {
        return Err(format!("exit code {code:?}; log:\n{}", broker.log()));
    }
    broker.start_again();
    let (mut client, connack) = Client::open(broker, &durable);
    if connack[2] != 1 {
        return Err(format!("the session is gone; log:\n{}", broker.log()));
    }
    for (filter, payload) in [("", "waiting"), ("$honest/kept", "kept")] {
        if !filter.is_empty() {
            client.subscribe(filter, 1);
        }
        match client.patient_frame().and_then(|frame| decode::delivery(V5, &frame)) {
            Some(delivery) if delivery.text() == payload => client.acknowledge(&delivery),
            other => return Err(format!("{payload:?} is gone, there is {other:?}")),
        }
    }
    client.disconnect();
    Ok(String::new())
}

/// A time as people read it.
fn shown(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

/// V3: memory stayed under its cap and returns.
pub fn memory_returns(
    now: impl Fn() -> u64,
    (resident, peak): (u64, u64),
    limits: Limits,
) -> Result<String, String> {
    if let Some(cap) = limits.peak.filter(|cap| peak > *cap) {
        return Err(format!("{} KiB more were used, {} are allowed", peak >> 10, cap >> 10));
    }
    let growth = || now().saturating_sub(resident);
    let small = poll(RETURN, || (growth() <= GROWTH_MAX).then(growth));
    small
        .map(|left| format!("+{} KiB, at most +{} KiB", left >> 10, peak >> 10))
        .ok_or_else(|| format!("{} KiB more stay resident, {} are allowed", growth() >> 10, GROWTH_MAX >> 10))
}

/// V4: no connection or file is left open.
fn descriptors_return(broker: &Broker, wanted: usize) -> Result<(), String> {
    let closed = poll(RETURN, || (broker.descriptors() <= wanted).then_some(()));
    closed.ok_or_else(|| format!("{} descriptors instead of {wanted}", broker.descriptors()))
}

/// V4: sessions, subscriptions and stored messages are what they were, without the honest client.
fn counts_return(sys: &mut Sys, before: [i64; 3], stores_before: [[i64; 2]; 2]) -> Result<String, String> {
    let wanted = before.map(|count| count - 1);
    sys.settle();
    let returned = sys.until(RETURN, |sys| {
        let now = stores(sys);
        COUNTERS.map(|name| sys.number(name)) == wanted
            && (0..2).any(|way| (0..2).all(|store| now[way][store] <= stores_before[way][store]))
    });
    if returned {
        return Ok(String::new());
    }
    Err(format!(
        "{COUNTERS:?} are {:?} instead of {wanted:?}, {STORES:?} are {:?} instead of {stores_before:?}",
        COUNTERS.map(|name| sys.number(name)),
        stores(sys),
    ))
}

/// Stored messages as counted, and without the `$SYS` topics.
fn stores(sys: &Sys) -> [[i64; 2]; 2] {
    let counted = STORES.map(|name| sys.number(name));
    let own = i64::try_from(sys.topics().count()).expect("a few dozen topics");
    [counted, counted.map(|count| count - own)]
}

/// V5: the bystander was told nothing.
pub fn nothing_heard(bystander: &mut Client) -> Result<String, String> {
    bystander.send(packet::PINGREQ);
    match bystander.patient_frame() {
        Some(frame) if frame == packet::PINGRESP => Ok(String::new()),
        Some(frame) => Err(format!("delivered without the right to it: {}", hex::dump(&frame))),
        None => Err("the bystander was cut off".to_owned()),
    }
}

/// V7: nobody was kept waiting.
pub fn no_stall(longest: Duration) -> Result<String, String> {
    if longest > STALL_MAX {
        return Err(format!("the honest client waited {}", shown(longest)));
    }
    Ok(shown(longest))
}

/// V6: the log is small, and nothing in it can move a cursor or forge a line.
pub fn check_log(log: &str, connections: usize) -> Result<String, String> {
    if log.len() > LOG_MAX * connections {
        return Err(format!("{} bytes of log for {connections} connections", log.len()));
    }
    // A tabulator behind the time is the broker's own: it indents topics as Mosquitto does.
    let forged = |line: &&str| line.replacen(": \t", "", 1).chars().any(char::is_control);
    match log.split('\n').find(forged) {
        Some(line) => Err(format!("a control character in the log: {}", line.escape_debug())),
        None => Ok(format!("{} bytes", log.len())),
    }
}
