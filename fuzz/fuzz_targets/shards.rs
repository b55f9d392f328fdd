//! Several clients and one to three shards on a virtual wire, whose every move the input chooses: what clients send,
//! when links break, in which order mail arrives, when rights change and the store stalls.
//!
//! Whatever they do: packet identifiers in flight are unique and within the window, messages of one publisher come
//! in order, nobody gets what they may not read or did not subscribe to, nothing is routed that its publisher may
//! not write, every counter equals a recount, others are still served, and everybody who leaves leaves nothing.

#![no_main]

use std::collections::{BTreeMap, BTreeSet};

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use pondhawk_broker::{Answer, Gate, Settings};
use pondhawk_codec::PacketType::{Puback, Pubcomp, Pubrec, Pubrel};
use pondhawk_codec::{Property, Version, reason};
use pondhawk_fuzz::host::Right;
use pondhawk_fuzz::many::Many;
use pondhawk_fuzz::matching;
use pondhawk_fuzz::net::{Client, Net};
use pondhawk_fuzz::wire::{self, Got, Msg, hello, msg};

/// As many as there are greetings in an input.
const CLIENTS: u8 = 4;
const TOPICS: [&str; 5] = ["a", "a/b", "a/b/c", "b", "$x/a"];
const FILTERS: [&str; 10] =
    ["#", "a/#", "+/b", "a", "a/b", "+", "$x/+", "a/+/c", "$share/g/a/#", "$share/g/b"];

#[derive(Arbitrary, Debug)]
struct Input {
    shards: u8,
    persistent: bool,
    one_copy: bool,
    window: u8,
    queue: u8,
    start: [(Hello, u8, u8); 4],
    ops: Many<Op>,
}

#[derive(Arbitrary, Debug)]
enum Op {
    Connect { who: u8, hello: Hello },
    Publish { who: u8, topic: u8, qos: u8, id: u8, retain: bool, extra: u8 },
    Burst { who: u8, topic: u8, qos: u8, count: u8 },
    Subscribe { who: u8, filter: u8, options: u8, id: u8 },
    Unsubscribe { who: u8, filter: u8 },
    Ack { who: u8, kind: u8, refused: bool },
    Raw { who: u8, bytes: Vec<u8> },
    Leave { who: u8, will: bool },
    Cut { who: u8 },
    Block { who: u8, blocked: bool },
    Step { choices: [u8; 4] },
    Settle,
    Advance { ms: u16 },
    Deny { who: u8, right: u8, topic: u8 },
    AllowAll,
    Stall { stalls: bool },
    Answer { kind: u8 },
}

#[derive(Arbitrary, Debug)]
struct Hello {
    version: u8,
    clean: bool,
    expiry: u8,
    receive_max: u8,
    aliases: u8,
    silent: bool,
    will: Option<u8>,
    exchange: bool,
}

fuzz_target!(|input: Input| {
    let mut run = Run::new(&input);
    for (who, (hello, filter, options)) in (0..CLIENTS).zip(&input.start) {
        run.connect(who, hello);
        run.subscribe(who, *filter, *options, 0);
    }
    for op in &input.ops.0 {
        run.act(op);
        run.listen();
    }
    run.finish();
});

/// A connection, as its client sees it.
struct Link {
    client: Client,
    /// Its number.
    stream: u32,
    version: Version,
    /// It acknowledges by itself.
    acks: bool,
    greeted: bool,
    /// It has sent bytes of which nobody knows what they mean.
    wild: bool,
    window: usize,
    /// Identifiers of messages that came and are not done, with their QoS, in the order of coming.
    open: Vec<(u16, u8)>,
}

/// A client over all its connections.
#[derive(Default)]
struct Party {
    link: Option<Link>,
    /// Connections that it has turned its back on, which the broker may not know yet.
    former: Vec<Link>,
    filters: BTreeSet<&'static str>,
    wild: bool,
    /// The last message of each stream, topic and both QoS.
    last: BTreeMap<(u32, String, u32, u8), u32>,
}

struct Run {
    net: Net,
    settings: Settings,
    parties: Vec<Party>,
    honest: Client,
    window: usize,
    sent: u32,
    streams: u32,
    denied: BTreeSet<(u8, u8, &'static str)>,
    /// Messages that were sent without the right to it.
    forbidden: BTreeSet<u32>,
}

impl Run {
    fn new(input: &Input) -> Run {
        let mut settings = Settings {
            persistent: input.persistent,
            allow_duplicate_messages: !input.one_copy,
            max_inflight_messages: u16::from(input.window % 8),
            persistent_client_expiration_s: Some(30),
            ..Settings::default()
        };
        settings.outbox.queued_messages = usize::from(input.queue % 32);
        let mut net = Net::new(1 + input.shards % 3, 1, settings.clone());
        let honest = net.join(&hello("honest", Version::V5));
        net.subscribe(honest, &[("honest/x", 1)]);
        // Only those who want an exchange are asked about.
        net.world.borrow_mut().gate = Gate::Accept;
        Run {
            net,
            settings,
            parties: (0..CLIENTS).map(|_| Party::default()).collect(),
            honest,
            window: usize::from(input.window % 8),
            sent: 0,
            streams: 0,
            denied: BTreeSet::new(),
            forbidden: BTreeSet::new(),
        }
    }

    fn act(&mut self, op: &Op) {
        match op {
            Op::Connect { who, hello } => self.connect(who % CLIENTS, hello),
            Op::Publish { who, topic, qos, id, retain, extra } => {
                self.publish(who % CLIENTS, (*topic, qos % 3, *id), *retain, *extra);
            }
            Op::Burst { who, topic, qos, count } => {
                for id in 0..count % 16 {
                    self.publish(who % CLIENTS, (*topic, qos % 3, id), false, 0);
                }
            }
            Op::Subscribe { who, filter, options, id } => {
                self.subscribe(who % CLIENTS, *filter, *options, *id)
            }
            Op::Unsubscribe { who, filter } => {
                self.say(who % CLIENTS, |version| wire::unsubscribe(version, 998, &[pick(*filter)]));
            }
            Op::Ack { who, kind, refused } => self.ack(who % CLIENTS, *kind, *refused),
            Op::Raw { who, bytes } => {
                let party = &mut self.parties[usize::from(who % CLIENTS)];
                party.wild |= party.link.is_some() && !bytes.is_empty();
                party.link.iter_mut().for_each(|link| link.wild = true);
                self.say(who % CLIENTS, |_| bytes.clone());
            }
            Op::Leave { who, will } => {
                self.say(who % CLIENTS, |version| match version {
                    Version::V5 => wire::disconnect(version, if *will { 4 } else { 0 }, &[]),
                    _ => wire::disconnect(version, 0, &[]),
                });
            }
            Op::Cut { who } => {
                self.listen();
                if let Some(link) = self.parties[usize::from(who % CLIENTS)].link.take() {
                    self.net.cut_quietly(link.client);
                }
            }
            Op::Block { who, blocked } => {
                if let Some(link) = &self.parties[usize::from(who % CLIENTS)].link {
                    self.net.block(link.client, *blocked);
                }
            }
            Op::Step { choices } => {
                self.net.choose(choices);
                (0..choices.len()).for_each(|_| _ = self.net.step());
            }
            Op::Settle => self.settle(),
            Op::Advance { ms } => self.net.advance(u64::from(*ms)),
            Op::Deny { who, right, topic } => {
                self.deny(who % CLIENTS, right % 2, TOPICS[usize::from(topic % 5)])
            }
            Op::AllowAll => {
                self.settle();
                self.denied.clear();
                self.net.world.borrow_mut().denied.clear();
                self.renew_rights();
            }
            Op::Stall { stalls } => self.net.store_stalls = *stalls,
            Op::Answer { kind } => self.answer(*kind),
        }
    }

    /// Bytes from the client, if it has a connection.
    fn say(&mut self, who: u8, bytes: impl FnOnce(Version) -> Vec<u8>) {
        if let Some(link) = &self.parties[usize::from(who)].link {
            self.net.write(link.client, &bytes(link.version));
        }
    }

    fn connect(&mut self, who: u8, wanted: &Hello) {
        self.listen();
        let version = [Version::V31, Version::V311, Version::V5][usize::from(wanted.version % 3)];
        let mut greeting = hello(&format!("client{who}"), version);
        let receive_max = u16::from(wanted.receive_max % 8);
        if version == Version::V5 {
            let mut properties = vec![
                Property::SessionExpiryInterval(u32::from(wanted.expiry % 64)),
                Property::TopicAliasMaximum(u16::from(wanted.aliases % 3)),
            ];
            if receive_max > 0 {
                properties.push(Property::ReceiveMaximum(receive_max));
            }
            if wanted.exchange {
                properties.push(Property::AuthenticationMethod("M"));
            }
            greeting = greeting.props(&properties);
        }
        if let Some(delay) = wanted.will {
            let delay = [Property::WillDelayInterval(u32::from(delay % 8))];
            let none = version != Version::V5 || delay == [Property::WillDelayInterval(0)];
            greeting = greeting.will(msg(TOPICS[0], "will"), if none { &[] } else { &delay });
        }
        greeting.clean = wanted.clean;
        greeting.acks = !wanted.silent;
        let own = if version == Version::V5 && receive_max > 0 { receive_max.into() } else { usize::MAX };
        let ours = if self.window == 0 { usize::MAX } else { self.window };
        self.streams += 1;
        let party = &mut self.parties[usize::from(who)];
        party.former.extend(party.link.take());
        party.link = Some(Link {
            client: self.net.greet_quietly(&greeting),
            stream: self.streams,
            version,
            acks: greeting.acks,
            greeted: false,
            wild: false,
            window: own.min(ours),
            open: Vec::new(),
        });
    }

    fn publish(&mut self, who: u8, (topic, qos, id): (u8, u8, u8), retain: bool, extra: u8) {
        self.sent += 1;
        let topic = TOPICS[usize::from(topic % 5)];
        // Two connections of one client are two streams: what the network holds of the older one may come later.
        let stream = self.parties[usize::from(who)].link.as_ref().map_or(0, |link| link.stream);
        let text = format!("{who}:{qos}:{}:{stream}", self.sent);
        let delete = retain && extra % 4 == 0;
        let mut message = msg(topic, if delete { "" } else { &text });
        message = message.acked(qos, if qos == 0 { 0 } else { 1 + u16::from(id % 16) });
        message.retain = retain;
        let denied = self.denied.contains(&(who, 0, topic));
        self.say(who, |version| {
            if version == Version::V5 && extra & 16 != 0 {
                let expiry = Property::MessageExpiryInterval(u32::from(extra % 4));
                let alias = Property::TopicAlias(1 + u16::from(extra % 12));
                message = message.with(&[expiry, alias]);
            }
            message.encode(version)
        });
        // A client between PUBLISH and PUBREL keeps the first message of an identifier; the number is gone then.
        if denied {
            self.forbidden.insert(self.sent);
        }
    }

    fn subscribe(&mut self, who: u8, filter: u8, options: u8, id: u8) {
        let filter = pick(filter);
        let party = &mut self.parties[usize::from(who)];
        if party.link.is_some() {
            party.filters.insert(filter);
        }
        self.say(who, |version| {
            let v5 = version == Version::V5;
            let mut byte = options % 3 | if v5 { options & 0x0c } else { 0 };
            if filter.starts_with("$share") {
                // [MQTT-3.8.3-4]
                byte &= !4;
            }
            byte |= if v5 { options / 64 % 3 << 4 } else { 0 };
            wire::subscribe(version, 999, &[(filter, byte)], if v5 { u32::from(id % 4) } else { 0 })
        });
    }

    /// A silent client does the next step of its oldest message.
    fn ack(&mut self, who: u8, kind: u8, refused: bool) {
        let Some(link) = self.parties[usize::from(who)].link.as_mut().filter(|link| !link.acks) else {
            return;
        };
        if link.open.is_empty() {
            return;
        }
        let (id, qos) = link.open[usize::from(kind) % link.open.len()];
        let refused = refused && link.version == Version::V5;
        let code = if refused { 0x80 } else { 0 };
        let packet_type = if qos == 1 { Puback } else { Pubrec };
        if qos == 1 || refused {
            link.open.retain(|(open, _)| *open != id);
        }
        let bytes = wire::ack(link.version, packet_type, id, code);
        self.net.write(link.client, &bytes);
    }

    fn deny(&mut self, who: u8, right: u8, topic: &'static str) {
        self.settle();
        self.denied.insert((who, right, topic));
        let kind = if right == 0 { Right::Publish } else { Right::Receive };
        self.net.world.borrow_mut().deny(&format!("client{who}"), kind, topic);
        self.renew_rights();
    }

    fn renew_rights(&mut self) {
        self.net.reload(self.settings.clone());
    }

    fn answer(&mut self, kind: u8) {
        if !self.net.questions.is_empty() {
            self.net.answer(&match kind % 4 {
                0 => Answer::Refuse(reason::NOT_AUTHORIZED),
                1 => Answer::Continue { data: [1].into() },
                _ => Answer::Accept { username: None, data: None },
            });
        }
    }

    /// Lets everything happen that can, and recounts.
    fn settle(&mut self) {
        self.net.store_stalls = false;
        for index in 0..self.parties.len() {
            let party = &self.parties[index];
            for link in party.link.iter().chain(&party.former) {
                self.net.block(link.client, false);
            }
        }
        self.net.run();
        while !self.net.questions.is_empty() {
            self.answer(2);
        }
        self.listen();
        let links = self.parties.iter().flat_map(|party| party.link.iter().chain(&party.former));
        let open: Vec<&Link> = links.filter(|link| self.net.is_open(link.client)).collect();
        let greeted = open.iter().filter(|link| link.greeted).count();
        // A search for retained messages waits for a client that is away or does not acknowledge.
        let all_listen = open.iter().all(|link| link.acks && !link.wild);
        let counters = self.net.counters();
        self.net.assert_places(greeted + 1, counters.sessions as usize);
        if all_listen && counters.sessions == counters.connected {
            assert_eq!(counters.waiting, 0, "{counters:?}");
        }
        let retained = (counters.retained as usize, counters.retained_bytes as usize);
        assert_eq!(self.net.world.borrow().retained, retained);
    }

    // ---- What clients get ---------------------------------------------------------------------------------

    fn listen(&mut self) {
        for who in 0..CLIENTS {
            for link in &mut self.parties[usize::from(who)].former {
                let connack = |got: &Got| matches!(got, Got::Connack { code: 0, .. });
                link.greeted |= self.net.got(link.client).iter().any(connack);
            }
            let Some(link) = &self.parties[usize::from(who)].link else { continue };
            for got in self.net.got(link.client) {
                self.hear(who, got);
            }
        }
    }

    fn hear(&mut self, who: u8, got: Got) {
        let party = &mut self.parties[usize::from(who)];
        let link = party.link.as_mut().expect("it got something");
        match got {
            Got::Connack { code, .. } => {
                assert!(!link.greeted, "CONNACK twice");
                link.greeted = code == 0;
            }
            Got::Publish(message) => {
                assert!(link.greeted, "a message before CONNACK");
                link.open(&message);
                self.delivered(who, &message);
            }
            Got::Ack(Pubrel, id, _) => {
                // The exchange is done; a client that does not acknowledge by itself does this much.
                link.open.retain(|(open, _)| *open != id);
                if !link.acks {
                    let bytes = wire::ack(link.version, Pubcomp, id, 0);
                    self.net.write(link.client, &bytes);
                }
            }
            Got::Ack(Pubrec, id, code) if code < 0x80 && !link.acks => {
                let bytes = wire::ack(link.version, Pubrel, id, 0);
                self.net.write(link.client, &bytes);
            }
            _ => {}
        }
    }

    fn delivered(&mut self, who: u8, message: &Msg) {
        let denied = self.denied.contains(&(who, 1, message.topic.as_str()));
        assert!(!denied, "client {who} may not read {message:?}");
        let party = &mut self.parties[usize::from(who)];
        if !party.wild {
            let unshared =
                |filter: &&'static str| filter.strip_prefix("$share/g/").unwrap_or(filter).to_owned();
            let mut filters = party.filters.iter().map(|filter| unshared(filter));
            let wanted = filters.any(|filter| matching::matches(&filter, &message.topic));
            assert!(wanted, "client {who} did not subscribe to {message:?}");
        }
        let mut words = message.text().split(':');
        let mut word = || words.next()?.parse::<u32>().ok();
        let (Some(from), Some(qos), Some(number), Some(stream)) = (word(), word(), word(), word()) else {
            return;
        };
        assert!(!self.forbidden.contains(&number), "{from} may not write {message:?}");
        let shares = party.filters.iter().any(|filter| filter.starts_with("$share"));
        let tame = !party.wild && !shares && !self.parties[from as usize].wild;
        if tame && qos < 2 && !message.dup && !message.retain {
            // [MQTT-4.6.0-5] [MQTT-4.6.0-6]; copies for several subscriptions have one number.
            let key = (stream, message.topic.clone(), qos, message.qos);
            let party = &mut self.parties[usize::from(who)];
            let before = party.last.insert(key, number).unwrap_or(0);
            assert!(before <= number, "client {who} got {message:?} behind number {before}");
        }
    }

    /// Others are served as ever, and everybody leaves.
    fn finish(mut self) {
        self.act(&Op::AllowAll);
        self.net.publish(self.honest, &msg("honest/x", "still here").acked(1, 1));
        let got = self.net.payloads(self.honest);
        assert!(got.iter().any(|text| text == "still here"), "{got:?}");
        for who in 0..CLIENTS {
            let last = self.net.join(&hello(&format!("client{who}"), Version::V311));
            self.net.leave(last);
        }
        self.net.leave(self.honest);
        self.net.advance(100_000);
        self.net.assert_empty();
        assert_eq!(self.net.counters().inbox_bytes, 0);
    }
}

impl Link {
    /// A message came: its identifier is free, and it has room in the window.
    fn open(&mut self, message: &Msg) {
        assert!(message.qos > 0 || (message.id == 0 && !message.dup));
        if message.qos == 0 || self.wild || (self.acks && message.qos == 1) {
            return;
        }
        let free = self.open.iter().all(|(id, _)| *id != message.id);
        assert!(free, "identifier {} is in flight: {:?}", message.id, self.open);
        self.open.push((message.id, message.qos));
        assert!(self.open.len() <= self.window, "more than {} in flight: {:?}", self.window, self.open);
    }
}

fn pick(filter: u8) -> &'static str {
    FILTERS[usize::from(filter) % FILTERS.len()]
}
