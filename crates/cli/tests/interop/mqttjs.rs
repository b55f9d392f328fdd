//! MQTT.js over TCP and WebSockets, in all three versions: messages of every QoS, retained messages, a will,
//! properties.

use crate::foreign;
use crate::kit::Conf;
use crate::runner::{self, Output};

/// What `session.cjs` prints before MQTT 5.
const SESSION: &str = "connected sub 0
connected pub 0
granted 2 2 2
message kept/0 kept 1 true
message live/0 payload 0 0 false
message live/1 payload 1 1 false
message live/2 payload 2 2 false
connected dying 0
message will/dying gone 1 false
message kept/0  1 false
unsubscribed
";

/// What it prints in MQTT 5, where every message carries the subscription's identifier.
const SESSION_5: &str = r#"connected sub 0
connected pub 0
granted 2 2 2
message kept/0 kept 1 true {"subscriptionIdentifier":7}
message live/0 payload 0 0 false {"subscriptionIdentifier":7}
message live/1 payload 1 1 false {"subscriptionIdentifier":7}
message live/2 payload 2 2 false {"subscriptionIdentifier":7}
message live/properties p 1 false {"contentType":"text/plain","responseTopic":"answer/here","correlationData":"correlated","payloadFormatIndicator":true,"userProperties":{"key":["one","two"],"other":"three"},"subscriptionIdentifier":7}
connected dying 0
message will/dying gone 1 false {"subscriptionIdentifier":7}
message kept/0  1 false {"subscriptionIdentifier":7}
unsubscribed
"#;

#[track_caller]
fn converse(shards: usize) {
    for (version, expected) in [("3", SESSION), ("4", SESSION), ("5", SESSION_5)] {
        for scheme in ["mqtt", "ws"] {
            let broker = Conf::open()
                .line("listener {port2} 127.0.0.1")
                .line("protocol websockets")
                .shards(shards)
                .start();
            let Some(mut command) = foreign::mqttjs("session.cjs") else {
                return;
            };
            let port = broker.port_n(if scheme == "ws" { 2 } else { 1 });
            let url = format!("{scheme}://127.0.0.1:{port}");
            let output = runner::run(command.args([&url, version]));
            assert_eq!(output, Output::new(0, expected, ""), "{scheme}, version {version}, {shards} shards");
        }
    }
}

// [MQTT3-7.0.0-2]: a client that knows nothing of us needs nothing else.
#[test]
fn foreign_mqttjs_with_one_shard() {
    converse(1);
}

#[test]
fn foreign_mqttjs_with_eight_shards() {
    converse(8);
}
