//! A capture of our traffic, read by tshark: every packet type in every version decodes, and the notes' conversation
//! looks as the notes say.
//!
//! Capturing starts when tshark has shown a first packet and ends when it has shown the last, so nothing is missed
//! and nothing is waited for in vain.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::foreign;
use crate::kit::client::{Client, plain};
use crate::kit::packet::{self, PINGREQ, PINGRESP, Publish, Subscribe, V3, V4, V5, Version, prop};
use crate::kit::{Broker, Conf, Connect, SECOND, broker, poll};
use crate::notes;
use crate::runner::{self, Task};
use crate::space::Space;
use crate::toolbox::Toolbox;

/// What tshark says of a packet that it cannot decode, or decodes to something that must not be.
const WRONG: &str = "_ws.malformed || mqtt.illegal_topic_length || mqtt.prop_unknown || mqtt.unknown_version \
                     || mqtt.unknown_topic_alias";

/// A running capture of one port on loopback.
struct Capture {
    task: Task,
    tshark: PathBuf,
    folder: TempDir,
    port: u16,
}

impl Capture {
    /// Starts tshark, prepared by `inside`; nothing where this user may not capture.
    #[track_caller]
    fn start(port: u16, mut knock: impl FnMut(), inside: impl Fn(&PathBuf) -> Command) -> Option<Self> {
        let tshark = foreign::program("PONDHAWK_TSHARK", "tshark")?;
        let folder = TempDir::new().expect("a temporary directory");
        let mut command = inside(&tshark);
        command
            .args(["-i", "lo", "-n", "-l", "-P", "-w"])
            .arg(folder.path().join("mqtt.pcapng"))
            .args(["-f", &format!("tcp port {port}")])
            .args(["-d", &format!("tcp.port=={port},mqtt")]);
        let mut task = Task::start(&mut command);
        // Knocking makes packets until one of them is seen: then the capture is on.
        let started = poll(30 * SECOND, || {
            knock();
            let ended = !task.runs();
            (ended || !task.stdout().is_empty()).then_some(!ended)
        });
        if started != Some(true) {
            eprintln!("skipped: no capture on loopback: {}", task.stderr());
            assert!(task.stderr().contains("permission"), "tshark ended, and not because of missing rights");
            return None;
        }
        Some(Self { task, tshark, folder, port })
    }

    /// A capture outside of any [`Space`].
    #[track_caller]
    fn of(broker: &Broker) -> Option<Self> {
        let port = broker.port();
        let knock = || drop(TcpStream::connect(("127.0.0.1", port)));
        Self::start(port, knock, |tshark| Command::new(tshark))
    }

    /// Ends the capture behind a publication to `last`.
    #[track_caller]
    fn finish(mut self, last: &str) -> Recording {
        self.task.wait_stdout(&format!("[{last}]"));
        let Self { task, tshark, folder, port } = self;
        assert_eq!(task.stop("INT").code, Some(0));
        Recording { tshark, folder, port }
    }
}

/// A finished capture.
struct Recording {
    tshark: PathBuf,
    folder: TempDir,
    port: u16,
}

impl Recording {
    /// Reads the recording with some of tshark's arguments.
    #[track_caller]
    fn read(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(&self.tshark);
        command
            .arg("-r")
            .arg(self.folder.path().join("mqtt.pcapng"))
            .args(["-n", "-d", &format!("tcp.port=={},mqtt", self.port)])
            .args(arguments);
        runner::run(&mut command).success()
    }

    /// Requires that tshark understands everything.
    #[track_caller]
    fn assert_well_formed(&self) {
        assert_eq!(self.read(&["-Y", WRONG, "-V"]), "");
    }

    /// The packets of one direction: version of the conversation and packet type.
    #[track_caller]
    fn types_from(&self, direction: &str) -> Vec<u8> {
        let filter = format!("mqtt && {direction} == {}", self.port);
        let text = self.read(&["-Y", &filter, "-T", "fields", "-e", "mqtt.msgtype"]);
        let mut types: Vec<u8> = text
            .split(['\n', ','])
            .filter(|field| !field.is_empty())
            .map(|field| field.parse().expect("a number"))
            .collect();
        types.sort_unstable();
        types.dedup();
        types
    }

    /// What each side of each conversation said, as tshark summarises it.
    #[track_caller]
    fn summaries(&self) -> BTreeMap<u32, Sides> {
        let fields = ["-e", "tcp.stream", "-e", "tcp.dstport", "-e", "_ws.col.Info"];
        let text = self.read(&[&["-Y", "mqtt", "-T", "fields"][..], &fields].concat());
        let mut streams: BTreeMap<u32, Sides> = BTreeMap::new();
        for line in text.lines() {
            let mut fields = line.split('\t');
            let mut number = || fields.next().and_then(|field| field.parse().ok());
            let stream = number().expect("a stream's number");
            let to_broker = number() == Some(u32::from(self.port));
            let sides = streams.entry(stream).or_default();
            let side = if to_broker { &mut sides.client } else { &mut sides.broker };
            let info = fields.next().expect("a summary");
            side.extend(info.split(", ").map(str::to_owned));
        }
        streams
    }
}

/// The summaries of a conversation, by who sent the packets.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sides {
    client: Vec<String>,
    broker: Vec<String>,
}

impl Sides {
    fn new(client: &[&str], broker: &[&str]) -> Self {
        let owned = |lines: &[&str]| lines.iter().map(|&line| line.to_owned()).collect();
        Self { client: owned(client), broker: owned(broker) }
    }
}

/// Every packet that the versions share, both ways: QoS 0, 1 and 2, retained, a will, a resumed session.
fn shared_packets(broker: &Broker, version: Version) {
    let id = format!("all-{}", version.0);
    let connect = || Connect::new(version, &id).durable();
    let will = Publish::new(version, "will/all", "gone").qos(1, 0);
    let (mut client, _) = Client::open(broker, &connect().will(will));
    for qos in 0..=2 {
        let topic = format!("{id}/{qos}");
        client.publish_retained(&topic, "kept", qos);
        client.subscribe(&topic, qos);
        client.receive(&topic, "kept");
        client.publish(&topic, "to myself", qos);
        client.receive(&topic, "to myself");
    }
    client.send(packet::unsubscribe(version, 9, &[&format!("{id}/0"), "in/none"]));
    assert_eq!(client.frame()[0], 0xB0);
    client.send(PINGREQ);
    client.expect(PINGRESP);
    client.cut();
    let topic = format!("{id}/2");
    // The resumed session has a queue; the other client makes it.
    let mut other = Client::clean(broker, version, "other");
    other.publish(&topic, "while away", 2);
    let (mut client, _) = Client::open(broker, &connect());
    client.receive(&topic, "while away");
    client.disconnect();
    other.disconnect();
}

/// Refusals that look different in each version.
fn refused_connections(broker: &Broker) {
    let mut old = Client::raw(broker, V3);
    old.send(Connect::new(V3, "").bytes());
    assert_eq!(old.frame(), [0x20, 2, 0, 2], "no client id in MQTT 3.1");
    let mut new = Client::raw(broker, V5);
    let method = prop::text(0x15, "unheard-of");
    new.send(Connect::new(V5, "auth").property(method).bytes());
    assert_eq!(new.frame()[3], 0x8C, "bad authentication method");
}

/// What only MQTT 5 has: properties of every packet, aliases, shared subscriptions, reasons, DISCONNECT and AUTH.
fn version_5_packets(broker: &Broker) {
    let connect = Connect::new(V5, "")
        .property(prop::four(prop::SESSION_EXPIRY, 60))
        .property(prop::two(prop::RECEIVE_MAXIMUM, 5))
        .property(prop::two(prop::TOPIC_ALIAS_MAXIMUM, 4))
        .property(prop::four(prop::MAXIMUM_PACKET_SIZE, 100_000))
        .property(prop::byte(0x17, 1))
        .property(prop::byte(0x19, 1))
        .property(prop::user("client", "yes"));
    let (mut client, _) = Client::open(broker, &connect);
    client.send(
        Subscribe::new(V5, 1, "five/#", 2)
            .filter("$share/group/shared/+", 1)
            .property(prop::var(prop::SUBSCRIPTION_ID, 4711))
            .property(prop::user("why", "because"))
            .bytes(),
    );
    assert_eq!(client.frame()[0], 0x90);
    for topic in ["five/1", "five/1", "shared/1"] {
        let publish = Publish::new(V5, topic, "text")
            .qos(1, 7)
            .property(prop::byte(prop::PAYLOAD_FORMAT, 1))
            .property(prop::four(prop::MESSAGE_EXPIRY, 100))
            .property(prop::text(prop::CONTENT_TYPE, "text/plain"))
            .property(prop::text(prop::RESPONSE_TOPIC, "five/answer"))
            .property(prop::text(prop::CORRELATION_DATA, [0, 1, 0xFF]))
            .property(prop::user("one", "1"))
            .property(prop::user("one", "2"))
            .property(prop::two(prop::TOPIC_ALIAS, 3));
        client.send(publish.bytes());
        let mut frames = [client.frame(), client.frame()];
        frames.sort_by_key(|frame| frame[0]);
        assert_eq!((frames[0][0] & 0xF0, frames[1][0] & 0xF0), (0x30, 0x40), "a delivery and PUBACK");
        let delivery = crate::kit::decode::delivery(V5, &frames[0]).expect("a delivery");
        client.acknowledge(&delivery);
    }
    client.publish("nobody/listens", "x", 2);
    client.send([0xF0, 2, 0x19, 0]);
    if broker::ours() {
        // Mosquitto 2.0 hangs up without a word.
        assert_eq!(client.frame()[0], 0xE0, "AUTH without a method ends in DISCONNECT");
    }
    let (mut first, _) = Client::open(broker, &Connect::new(V5, "twice"));
    let (second, _) = Client::open(broker, &Connect::new(V5, "twice"));
    first.expect_disconnect(0x8E);
    second.disconnect();
}

/// Our tools with every property that they can send.
fn tools_with_properties(port: u16) {
    let tools = Toolbox::ours();
    let rows = "-D connect session-expiry-interval 30 -D connect receive-maximum 9 -D connect topic-alias-maximum 3 \
                -D connect maximum-packet-size 50000 -D connect request-problem-information 1 \
                -D connect request-response-information 1 -D connect user-property k v \
                -D will will-delay-interval 1 -D will message-expiry-interval 9 -D will content-type w \
                -D will payload-format-indicator 1 -D will response-topic w/r -D will correlation-data w \
                -D will user-property w w --will-topic will/tool --will-payload gone \
                -D disconnect session-expiry-interval 0 -D disconnect user-property bye bye";
    let publish = "-t tool/1 -m text -q 2 -r -D publish payload-format-indicator 1 -D publish content-type t/p \
                   -D publish message-expiry-interval 60 -D publish response-topic r/t -D publish topic-alias 2 \
                   -D publish correlation-data c -D publish user-property a b";
    let subscribe = "-t tool/+ -t $share/g/tool/1 -U tool/none -C 1 -q 2 -D subscribe subscription-identifier 5 \
                     -D subscribe user-property s s -D unsubscribe user-property u u";
    for (tool, line) in [("mosquitto_pub", publish), ("mosquitto_sub", subscribe)] {
        let arguments: Vec<&str> = rows.split_whitespace().chain(line.split_whitespace()).collect();
        runner::run(&mut tools.tool(tool, port, &arguments)).success();
    }
    for version in ["31", "311", "5"] {
        let ask = ["-t", "echo", "-e", "echo", "-m", "itself", "-V", version, "-W", "30", "-q", "1"];
        let output = runner::run(&mut tools.tool("mosquitto_rr", port, &ask));
        assert_eq!(output.success(), "itself\n", "version {version}");
    }
}

#[test]
fn foreign_tshark_understands_every_packet() {
    let broker = Conf::open().start();
    let Some(capture) = Capture::of(&broker) else { return };
    for version in [V3, V4, V5] {
        shared_packets(&broker, version);
    }
    refused_connections(&broker);
    version_5_packets(&broker);
    tools_with_properties(broker.port());
    plain(&broker, "last").publish("capture/end", "", 1);
    let recording = capture.finish("capture/end");
    recording.assert_well_formed();
    // All that a client may send, and all that a broker may send and ours has a reason to.
    let from_clients = [1, 3, 4, 5, 6, 7, 8, 10, 12, 14, 15];
    assert_eq!(recording.types_from("tcp.dstport"), from_clients);
    let from_broker = [2, 3, 4, 5, 6, 7, 9, 11, 13, 14];
    assert_eq!(recording.types_from("tcp.srcport"), from_broker);
    for version in ["3", "4", "5"] {
        let filter = format!("mqtt.ver == {version}");
        assert_ne!(recording.read(&["-Y", &filter]), "", "version {version}");
    }
}

/// The check of the check: tshark does find what is wrong in a packet.
#[test]
fn foreign_tshark_finds_a_malformed_packet() {
    let broker = Conf::open().start();
    let Some(capture) = Capture::of(&broker) else { return };
    let mut client = Client::raw(&broker, V5);
    // A property that does not exist.
    client.send(Connect::new(V5, "bad").property(vec![0x7E, 1]).bytes());
    client.drain();
    plain(&broker, "last").publish("capture/end", "", 1);
    let recording = capture.finish("capture/end");
    assert_ne!(recording.read(&["-Y", WRONG]), "");
}

/// The notes' conversation, then one with QoS 2 and one in MQTT 5: in the words of the recorded summary.
#[test]
fn foreign_tshark_sees_the_notes_conversation() {
    if !broker::ours() {
        return;
    }
    let (Some(python), Some(space)) = (foreign::paho1(), Space::open()) else {
        return;
    };
    let tools = Toolbox::ours();
    let conf = "user root\nlistener 1883\nallow_anonymous true\n";
    std::fs::write(space.etc().join("test.conf"), conf).unwrap();
    let _broker = space.broker(&tools, "mosquitto -c /etc/mosquitto/test.conf", 1883);
    let knock = || {
        // Refused before it says anything of MQTT: it opens and closes a connection, no more.
        let _ = space.run(&tools, "bash -c '</dev/tcp/127.0.0.1/1883'");
    };
    let Some(capture) = Capture::start(1883, knock, |tshark| space.program(tshark)) else {
        return;
    };
    let subscribe = ["subscribe_before.py", "subscribe_after.py"]
        .map(|name| std::fs::read_to_string(foreign::script(name)).unwrap());
    let subscribe = [&*subscribe[0], notes::SUBSCRIBE, &*subscribe[1]].concat();
    let mut command = space.program(&python);
    let mut subscriber = Task::start(command.args(["-u", "-c", &subscribe]));
    subscriber.wait_stdout("subscribed");
    let mut command = space.program(&python);
    runner::run(command.args(["-c", notes::PUBLISH])).success();
    subscriber.wait_stdout("retain flag=");
    subscriber.end().success();
    let lines = [
        "mosquitto_pub -h 127.0.0.1 -t test -m 'hello world' -q 2 -r",
        "mosquitto_sub -h 127.0.0.1 -t test -V 5 -C 1",
        "mosquitto_pub -h 127.0.0.1 -t capture/end -n",
    ];
    for line in lines {
        assert_eq!(space.run(&tools, line).code, Some(0), "{line}");
    }
    let recording = capture.finish("capture/end");
    recording.assert_well_formed();
    let conversations: Vec<Sides> = recording.summaries().into_values().collect();
    let notes = "Publish Message [xpert2018/demo/chal]";
    let expected = [
        Sides::new(
            &["Connect Command", "Subscribe Request (id=1) [xpert2018/#]", "Disconnect Req"],
            &["Connect Ack", "Subscribe Ack (id=1)", notes],
        ),
        Sides::new(&["Connect Command", notes], &["Connect Ack"]),
        Sides::new(
            &["Connect Command", "Publish Message (id=1) [test]", "Publish Release (id=1)", "Disconnect Req"],
            &["Connect Ack", "Publish Received (id=1)", "Publish Complete (id=1)"],
        ),
        Sides::new(
            &["Connect Command", "Subscribe Request (id=1) [test]", "Disconnect Req"],
            &["Connect Ack", "Subscribe Ack (id=1)", "Publish Message [test]"],
        ),
    ];
    assert_eq!(conversations[..4], expected);
    let me = recording.read(&["-Y", "mqtt.clientid == \"Me\"", "-T", "fields", "-e", "mqtt.kalive"]);
    assert_eq!(me, "60\n", "the client of the notes");
    let accepted = recording.read(&["-O", "mqtt", "-Y", "mqtt.conack.val"]);
    assert!(accepted.contains("Return Code: Connection Accepted (0)"), "{accepted}");
}
