//! B: MQTT 5 properties, every pair of property and packet.

use crate::case::{Outcome, Trial};
use crate::kit::packet::{block, packet, prop, sized};
use crate::kit::*;
use crate::runner::{judge, play_all};
use crate::vitals::{Limits, Vitals, target};

/// A valid value of each property.
fn sample(id: u8) -> Vec<u8> {
    match id {
        0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28..=0x2A => prop::byte(id, 1),
        0x13 | 0x21 | 0x22 | 0x23 => prop::two(id, 1),
        0x02 | 0x11 | 0x18 | 0x27 => prop::four(id, 100),
        0x0B => prop::var(id, 1),
        0x26 => prop::user("k", "v"),
        _ => prop::text(id, "text"),
    }
}

/// All properties of the standard's table 2-4.
const ALL: [u8; 27] = [
    0x01, 0x02, 0x03, 0x08, 0x09, 0x0B, 0x11, 0x12, 0x13, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x1C, 0x1F,
    0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A,
];

/// A place where properties stand in what a client sends.
#[derive(Clone, Copy, Debug)]
enum Place {
    Connect,
    Will,
    Publish,
    Acknowledgement(u8),
    Subscribe,
    Unsubscribe,
    Disconnect,
    Auth,
}

/// Every place.
const PLACES: [Place; 11] = [
    Place::Connect,
    Place::Will,
    Place::Publish,
    Place::Acknowledgement(0x40),
    Place::Acknowledgement(0x50),
    Place::Acknowledgement(0x62),
    Place::Acknowledgement(0x70),
    Place::Subscribe,
    Place::Unsubscribe,
    Place::Disconnect,
    Place::Auth,
];

impl Place {
    /// What a client may put here.
    fn allowed(self) -> &'static [u8] {
        match self {
            Self::Connect => &[0x11, 0x15, 0x16, 0x17, 0x19, 0x21, 0x22, 0x26, 0x27],
            Self::Will => &[0x01, 0x02, 0x03, 0x08, 0x09, 0x18, 0x26],
            Self::Publish => &[0x01, 0x02, 0x03, 0x08, 0x09, 0x23, 0x26],
            Self::Acknowledgement(_) => &[0x1F, 0x26],
            Self::Subscribe => &[0x0B, 0x26],
            Self::Unsubscribe => &[0x26],
            Self::Disconnect => &[0x11, 0x1F, 0x26],
            Self::Auth => &[0x15, 0x16, 0x1F, 0x26],
        }
    }

    /// A packet with these properties in this place.
    fn packet(self, properties: &[Vec<u8>]) -> Vec<u8> {
        let block = block(properties);
        let connect = |flags: u8| [sized("MQTT"), vec![5, flags, 0, 60]].concat();
        match self {
            Self::Connect => packet(0x10, [connect(2), block, sized("attacker")].concat()),
            Self::Will => {
                let rest = [&[0][..], &sized("attacker"), &block, &sized("w"), &sized("m")].concat();
                packet(0x10, [connect(6), rest].concat())
            }
            Self::Publish => packet(0x30, [sized("t"), block, b"m".to_vec()].concat()),
            Self::Acknowledgement(first) => packet(first, [&[0, 9, 0][..], &block].concat()),
            Self::Subscribe => packet(0x82, [&[0, 1][..], &block, &sized("t"), &[0]].concat()),
            Self::Unsubscribe => packet(0xA2, [&[0, 1][..], &block, &sized("t")].concat()),
            Self::Disconnect => packet(0xE0, [&[0][..], &block].concat()),
            Self::Auth => packet(0xF0, [&[0x18][..], &block].concat()),
        }
    }

    /// A trial of such a packet. Mosquitto 2.0 closes some of these without a word.
    fn trial(self, properties: &[Vec<u8>], reasons: &[u8]) -> Trial {
        let session = (!matches!(self, Self::Connect | Self::Will)).then_some(V5);
        let outcome = if broker::ours() { Outcome::Reason(reasons.to_vec()) } else { Outcome::Close };
        Trial { session, bytes: self.packet(properties), outcome }
    }
}

// B01, S: every single-use property twice, in every packet that may have it.
#[test]
fn b01_properties_twice() {
    let mut trials = Vec::new();
    for place in PLACES {
        for &id in place.allowed().iter().filter(|id| **id != 0x26) {
            // Authentication data needs its method in front.
            let method = if id == 0x16 { vec![sample(0x15)] } else { vec![] };
            let properties = [method, vec![sample(id), sample(id)]].concat();
            trials.push((format!("{id:#04x} twice in {place:?}"), place.trial(&properties, &[0x82])));
        }
    }
    play_all("B01 (properties twice)", trials);
}

// B03, S: every property in every packet that may not have it.
#[test]
fn b03_properties_in_the_wrong_packet() {
    let mut trials = Vec::new();
    for place in PLACES {
        for id in ALL.into_iter().filter(|id| !place.allowed().contains(id)) {
            if id == 0x0B && matches!(place, Place::Publish) && !broker::ours() {
                continue; // Mosquitto 2.0 takes it.
            }
            trials.push((format!("{id:#04x} in {place:?}"), place.trial(&[sample(id)], &[0x82])));
        }
    }
    assert!(trials.len() > 200, "the pairs are generated: {}", trials.len());
    play_all("B03 (properties in the wrong packet)", trials);
}

/// User properties that differ.
fn many(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|n| prop::user("k", &(n % 10).to_string())).collect()
}

// B06, C(CVE-2021-41039).
#[test]
fn b06_too_many_user_properties() {
    if !broker::ours() {
        return; // Mosquitto 2.0 takes them all.
    }
    let mut trials = Vec::new();
    for place in [Place::Connect, Place::Publish, Place::Subscribe] {
        for count in [129, 9_000] {
            trials.push((format!("{count} in {place:?}"), place.trial(&many(count), &[0x97])));
        }
        let mut fits = place.trial(&many(128), &[]);
        fits.outcome = Outcome::Alive;
        trials.push((format!("128 in {place:?}"), fits));
    }
    play_all("B06 (user properties)", trials);
}

// B09, S C(mosquitto#3384): an alias does not outlive its connection, even in a session that does.
#[test]
fn b09_aliases_end_with_the_connection() {
    let mut broker = target().start();
    let vitals = Vitals::begin(&broker);
    let durable = Connect::new(V5, "aliaser").durable();
    for round in 0..20 {
        let (mut client, _) = Client::open(&broker, &durable);
        client.send(Publish::new(V5, "", "m").property(prop::two(prop::TOPIC_ALIAS, 1)).bytes());
        client.expect_disconnect(0x82);
        let (mut client, _) = Client::open(&broker, &durable);
        client.send(
            Publish::new(V5, format!("t/{round}"), "m").property(prop::two(prop::TOPIC_ALIAS, 1)).bytes(),
        );
        client.expect_silence();
        client.disconnect();
    }
    Client::clean(&broker, V5, "aliaser").disconnect();
    vitals.finish("B09 (aliases end with the connection)", &mut broker, Limits::of_connections(41));
}

// B11, C(CVE-2023-3592, CVE-2021-34431, CVE-2017-7654). Scale: 5 000 instead of 100 000.
#[test]
fn b11_illegal_will_properties_again_and_again() {
    let mut broker = target().start();
    let mut vitals = Vitals::begin(&broker);
    let payload = vec![b'w'; 10_000];
    let bad = Connect::new(V5, "attacker")
        .will(Publish::new(V5, "w", payload))
        .will_property(prop::user("key", "value"))
        .will_property(prop::text(prop::CONTENT_TYPE, "text"))
        .will_property(prop::two(prop::TOPIC_ALIAS, 1));
    let outcome = if broker::ours() { Outcome::Reason(vec![0x82]) } else { Outcome::Close };
    let trial = Trial { session: None, bytes: bad.bytes(), outcome };
    let rounds = 5_000;
    for round in 0..rounds {
        if let Err(complaint) = judge(&broker, &trial) {
            panic!("B11, round {round}: {complaint}");
        }
    }
    vitals.during("B11", &mut broker);
    vitals.finish("B11 (illegal will properties)", &mut broker, Limits::of_connections(rounds));
}
