//! rumqttc, a client in Rust, in MQTT 3.1.1 and 5.0: messages of every QoS in order, a retained one, a will, a session
//! that waits for its client, and a broker that is killed in the middle.

use crate::kit::patience::REPLY;
use crate::kit::{Broker, Conf, broker};

/// More than either side has in flight at a time.
const MESSAGES: usize = 300;

/// Messages of a client that is cut off half way. rumqttc 0.25 loses some if it then has more of them than it may have in
/// flight: those that it had not sent yet it sends all at once, and gives them identifiers that are in use.
const HALF_WAY: usize = 20;

/// The tests of one version, whose items have the same names as those of the other.
macro_rules! version {
    ($version:ident { $($import:item)* } $options:ident, $will:expr, $settle:expr) => {
        mod $version {
            use super::{Broker, Conf, HALF_WAY, MESSAGES, REPLY, broker};
            $($import)*

            struct Peer {
                client: Client,
                connection: Connection,
            }

            fn options(port: u16, id: &str) -> MqttOptions {
                let mut options = MqttOptions::new(id, "127.0.0.1", port);
                let settle: fn(&mut MqttOptions) = $settle;
                settle(&mut options);
                options
            }

            impl Peer {
                /// A client that is connected, and whether the broker knew its session.
                fn open(options: MqttOptions) -> (Self, bool) {
                    // As many publishes as a test makes before it looks for answers.
                    let (client, connection) = Client::new(options, MESSAGES + 10);
                    let mut peer = Self { client, connection };
                    match peer.incoming() {
                        Packet::ConnAck(connack) => (peer, connack.session_present),
                        other => panic!("CONNACK comes first, not {other:?}"),
                    }
                }

                fn next(&mut self) -> Result<Event, String> {
                    match self.connection.recv_timeout(REPLY) {
                        Ok(event) => event.map_err(|error| error.to_string()),
                        Err(error) => panic!("nothing comes: {error:?}"),
                    }
                }

                fn incoming(&mut self) -> Packet {
                    loop {
                        match self.next() {
                            Ok(Event::Incoming(packet)) => return packet,
                            Ok(Event::Outgoing(_)) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                }

                fn subscribe(&mut self, filter: &str) {
                    self.client.subscribe(filter, QoS::ExactlyOnce).unwrap();
                    while !matches!(self.incoming(), Packet::SubAck(_)) {}
                }

                /// The next message: topic and payload, QoS, retained or not.
                fn message(&mut self) -> (String, QoS, bool) {
                    loop {
                        if let Packet::Publish(publish) = self.incoming() {
                            let topic = String::from_utf8(publish.topic.into()).unwrap();
                            let payload = String::from_utf8(publish.payload.to_vec()).unwrap();
                            return (format!("{topic} {payload}"), publish.qos, publish.retain);
                        }
                    }
                }

                fn publish(&mut self, topic: &str, payload: String, qos: QoS) {
                    self.client.publish(topic, qos, false, payload).unwrap();
                }

                /// Until so many messages are through.
                fn acknowledged(&mut self, mut messages: usize) {
                    while messages > 0 {
                        let packet = self.incoming();
                        messages -= usize::from(matches!(packet, Packet::PubAck(_) | Packet::PubComp(_)));
                    }
                }

                /// All messages, once each; in order are those of a QoS. One of QoS 2 counts from its PUBREL.
                fn expect_all(&mut self, topic: &str, level: fn(usize) -> QoS) {
                    let messages: Vec<_> = (0..MESSAGES).map(|_| self.message()).collect();
                    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
                        let sent = (0..MESSAGES).filter(|n| level(*n) == qos);
                        let sent: Vec<_> = sent.map(|n| (format!("{topic} {n}"), qos, false)).collect();
                        let came: Vec<_> = messages.iter().filter(|message| message.1 == qos).cloned().collect();
                        assert_eq!(came, sent);
                    }
                }

                fn leave(mut self) {
                    self.client.disconnect().unwrap();
                    while self.next().is_ok() {}
                }
            }

            fn level(n: usize) -> QoS {
                [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][n % 3]
            }

            fn acknowledged_level(n: usize) -> QoS {
                level(n % 2 + 1)
            }

            #[test]
            fn every_qos_a_retained_message_and_a_will() {
                let broker = Conf::open().line("max_queued_messages 0").shards(2).start();
                let (mut writer, _) = Peer::open(options(broker.port(), "writer"));
                writer.client.publish("kept", QoS::AtLeastOnce, true, "before").unwrap();
                writer.acknowledged(1);
                let (mut reader, known) = Peer::open(options(broker.port(), "reader"));
                assert!(!known);
                reader.subscribe("#");
                assert_eq!(reader.message(), ("kept before".to_string(), QoS::AtLeastOnce, true));
                for n in 0..MESSAGES {
                    writer.publish("live", n.to_string(), level(n));
                }
                writer.acknowledged(MESSAGES * 2 / 3);
                reader.expect_all("live", level);
                let mut dying = options(broker.port(), "dying");
                dying.set_last_will($will);
                drop(Peer::open(dying));
                assert_eq!(reader.message(), ("will gone".to_string(), QoS::AtLeastOnce, false));
            }

            #[test]
            fn a_session_waits_for_its_client() {
                let broker = Conf::open().line("max_queued_messages 0").shards(2).start();
                let (mut reader, _) = Peer::open(options(broker.port(), "reader"));
                reader.subscribe("while/away");
                reader.leave();
                let (mut writer, _) = Peer::open(options(broker.port(), "writer"));
                for n in 0..MESSAGES {
                    writer.publish("while/away", n.to_string(), acknowledged_level(n));
                }
                writer.acknowledged(MESSAGES);
                let (mut reader, known) = Peer::open(options(broker.port(), "reader"));
                assert!(known);
                reader.expect_all("while/away", acknowledged_level);
            }

            #[test]
            fn a_broker_that_is_killed_loses_nothing() {
                if !broker::ours() {
                    return;
                }
                let folder = tempfile::tempdir().unwrap();
                let mut broker = Conf::open()
                    .line("max_queued_messages 0")
                    .line("persistence true")
                    .line(&format!("persistence_location {}", folder.path().display()))
                    .start();
                let (mut reader, _) = Peer::open(options(broker.port(), "reader"));
                reader.subscribe("kept");
                reader.leave();
                let (mut writer, _) = Peer::open(options(broker.port(), "writer"));
                for n in 0..HALF_WAY {
                    writer.publish("kept", n.to_string(), QoS::AtLeastOnce);
                }
                writer.acknowledged(HALF_WAY / 3);
                broker.stop_with("KILL");
                broker.start_again();
                writer.goes_on(&broker);
                let (mut reader, known) = Peer::open(options(broker.port(), "reader"));
                assert!(known, "{}", broker.log());
                // A message that was not acknowledged comes again; none is missing or in front of an earlier one.
                let mut next = 0;
                while next < HALF_WAY {
                    let (message, ..) = reader.message();
                    let n: usize = message.trim_start_matches("kept ").parse().unwrap();
                    assert!(n <= next, "{next} is missing: {n} came");
                    next = next.max(n + 1);
                }
            }

            impl Peer {
                /// Sees its connection end and finishes what it had begun with the broker that is there now.
                fn goes_on(&mut self, broker: &Broker) {
                    while self.next().is_ok() {}
                    self.connection.eventloop.$options = options(broker.port(), "writer");
                    match self.incoming() {
                        Packet::ConnAck(connack) => assert!(connack.session_present),
                        other => panic!("CONNACK comes first, not {other:?}"),
                    }
                    self.client.publish("last", QoS::ExactlyOnce, false, "").unwrap();
                    while !matches!(self.incoming(), Packet::PubComp(_)) {}
                }
            }
        }
    };
}

version!(
    v4 {
        use rumqttc::{Client, Connection, Event, LastWill, MqttOptions, Packet, QoS};
    }
    mqtt_options,
    LastWill::new("will", "gone", QoS::AtLeastOnce, false),
    |options| {
        options.set_clean_session(false);
    }
);
version!(
    v5 {
        use rumqttc::v5::mqttbytes::QoS;
        use rumqttc::v5::mqttbytes::v5::{LastWill, Packet};
        use rumqttc::v5::{Client, Connection, Event, MqttOptions};
    }
    options,
    LastWill::new("will", "gone", QoS::AtLeastOnce, false, None),
    |options| {
        options.set_clean_start(false).set_session_expiry_interval(Some(600));
    }
);
