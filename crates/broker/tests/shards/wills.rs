//! Wills: sent when a connection breaks, delayed, called off.

use crate::SHARDS;
use crate::host::Right;
use crate::net::{Client, Net, net};
use crate::wire::{Hello, disconnect, hello, msg, v5, v311};
use pondhawk_broker::ListenerSettings;
use pondhawk_codec::{Property, Version};

fn watcher(net: &mut Net) -> Client {
    let watcher = net.join(&v5("watcher"));
    net.subscribe(watcher, &[("w/#", 2 | 8)]);
    watcher
}

fn delayed(id: &str, delay_s: u32) -> Hello {
    v5(id).will(msg("w/x", "gone"), &[Property::WillDelayInterval(delay_s)])
}

/// [MQTT-3.1.2-7] [MQTT-3.1.2-8] [MQTT-3.1.2-10] [MQTT-3.1.2-14] [MQTT-3.1.2-15] [MQTT-3.14.4-3]
/// [MQTT3-3.1.2-8] [MQTT3-3.1.2-10] [MQTT3-3.1.2-12] [MQTT3-3.1.2-16] [MQTT3-3.1.2-17] [MQTT3-3.14.4-3]
#[test]
fn sent_unless_the_client_says_goodbye() {
    for shards in SHARDS {
        let mut net = net(shards);
        let watcher = watcher(&mut net);
        for version in [Version::V31, Version::V311, Version::V5] {
            let hello = hello("c", version).will(msg("w/x", "gone").acked(1, 0).retained(), &[]);
            let c = net.join(&hello);
            net.leave(c);
            assert!(net.messages(watcher).is_empty());
            let c = net.join(&hello);
            net.cut(c);
            let got = net.messages(watcher);
            assert_eq!((got.len(), got[0].qos, got[0].retain), (1, 1, true));
            assert_eq!(net.counters().retained, 1);
            let c = net.join(&hello);
            net.send(c, &[0]);
            assert_eq!(net.messages(watcher).len(), 1, "a violation is no goodbye");
            let will_less = net.join(&crate::wire::hello("c", version));
            net.cut(will_less);
            assert!(net.messages(watcher).is_empty());
            let plain = crate::wire::hello("c", version).will(msg("w/plain", "gone"), &[]);
            let c = net.join(&plain);
            net.cut(c);
            assert!(!net.messages(watcher)[0].retain);
            assert_eq!(net.counters().retained, 1, "the one of w/x");
        }
        let c = net.join(&v5("c").will(msg("w/x", "told"), &[]));
        net.send(c, &disconnect(Version::V5, 4, &[]));
        assert_eq!(net.payloads(watcher), ["told"], "DISCONNECT with will");
        let c = net.join(&v5("c").alive(1).will(msg("w/x", "silent"), &[]));
        net.advance(1500);
        assert_eq!((net.is_open(c), net.payloads(watcher)), (false, vec!["silent".to_owned()]));
        net.leave(watcher);
        net.assert_empty();
    }
}

/// [MQTT-3.1.2-8] [MQTT-3.1.3-9]
#[test]
fn delay() {
    for shards in SHARDS {
        let mut net = net(shards);
        let watcher = watcher(&mut net);
        let c = net.join(&delayed("c", 10).fresh(100));
        net.cut(c);
        net.advance(9_999);
        assert!(net.messages(watcher).is_empty());
        // Back in time: called off.
        let c = net.join(&v5("c").kept(100));
        net.advance(20_000);
        assert!(net.messages(watcher).is_empty());
        net.leave(c);
        let c = net.join(&delayed("c", 10).kept(100));
        net.cut(c);
        net.advance(10_000);
        assert_eq!(net.messages(watcher).len(), 1);
        // The next will has its own delay.
        let c = net.join(&delayed("c", 10).kept(100));
        net.cut(c);
        net.advance(5_000);
        let c = net.join(&delayed("c", 20).kept(100));
        net.cut(c);
        net.advance(19_999);
        assert!(net.messages(watcher).is_empty());
        net.advance(1);
        assert_eq!(net.messages(watcher).len(), 1);
        net.advance(80_000);
        assert!(net.messages(watcher).is_empty(), "once");
        net.leave(watcher);
        net.assert_empty();
    }
}

/// B12: at the session's end if that comes before the delay.
#[test]
fn at_the_end_of_the_session() {
    for shards in SHARDS {
        let mut net = net(shards);
        let watcher = watcher(&mut net);
        let c = net.join(&delayed("c", 3600).fresh(1));
        net.cut(c);
        net.advance(999);
        assert!(net.messages(watcher).is_empty());
        net.advance(1);
        assert_eq!(net.messages(watcher).len(), 1);
        let c = net.join(&delayed("c", 3600));
        net.cut(c);
        assert_eq!(net.messages(watcher).len(), 1, "the session ends with the connection");
        let c = net.join(&delayed("c", 3600).fresh(100));
        net.cut(c);
        let c = net.join(&v5("c"));
        assert_eq!(net.messages(watcher).len(), 1, "a clean start ends the session");
        net.leave(c);
        net.advance(3_600_000);
        assert!(net.messages(watcher).is_empty());
        net.leave(watcher);
        net.assert_empty();
    }
}

/// A take-over ends the connection without DISCONNECT. [MQTT-3.1.2-8] [MQTT3-3.1.2-8]
#[test]
fn at_take_over() {
    let mut net = net(2);
    let watcher = watcher(&mut net);
    net.join(&v5("c").will(msg("w/x", "first"), &[]).fresh(100));
    net.join(&delayed("c", 10).kept(100));
    assert_eq!(net.payloads(watcher), ["first"]);
    let last = net.join(&v5("c").kept(100));
    net.advance(60_000);
    assert!(net.messages(watcher).is_empty(), "the session goes on before the delay has passed");
    net.leave(last);
}

/// E05 E06: a will needs the right to it twice, when it is made and when it is sent.
#[test]
fn rights() {
    let mut net = net(2);
    let watcher = watcher(&mut net);
    net.world.borrow_mut().deny("bad", Right::Publish, "w/#");
    let bad = net.greet(&v5("bad").will(msg("w/x", "no"), &[]));
    assert!(!net.is_open(bad));
    net.assert_places(1, 1);
    let good = net.join(&v5("good").will(msg("w/x", "not any more"), &[]));
    net.world.borrow_mut().deny("good", Right::Publish, "w/#");
    net.reload(pondhawk_broker::Settings::default());
    net.cut(good);
    assert!(net.messages(watcher).is_empty());
    net.leave(watcher);
    net.assert_empty();
}

/// [MQTT-3.1.3-10] Properties of the will go to the recipient in order, without the delay; its expiry runs from
/// its sending.
#[test]
fn properties_and_mount_point() {
    let mut settings = pondhawk_broker::Settings::default();
    settings
        .listeners
        .push(ListenerSettings { mount_point: Some("w/".into()), ..ListenerSettings::default() });
    let mut net = Net::new(2, 1, settings);
    let watcher = watcher(&mut net);
    let properties = [
        Property::UserProperty("a", "1"),
        Property::WillDelayInterval(5),
        Property::ContentType("text"),
        Property::MessageExpiryInterval(60),
        Property::UserProperty("b", "2"),
    ];
    let c = net.join(&v5("c").fresh(100).on(1).will(msg("x", "gone"), &properties));
    net.cut(c);
    net.advance(5_000);
    let got = net.messages(watcher);
    let expected = msg("w/x", "gone").with(&[
        Property::TopicAlias(1),
        properties[0],
        properties[2],
        properties[4],
        properties[3],
    ]);
    assert_eq!(got.len(), 1);
    let strip = |message: &crate::wire::Msg| {
        message.find(|property| match property {
            Property::TopicAlias(_) => None,
            other => Some(format!("{other:?}")),
        })
    };
    assert_eq!((got[0].topic.as_str(), strip(&got[0])), ("w/x", strip(&expected)));
}

#[test]
fn a_will_to_oneself_reaches_the_next_connection() {
    let mut net = net(1);
    let c = net.join(&v311("c").kept(0).will(msg("w/x", "gone").acked(1, 0), &[]));
    net.subscribe(c, &[("w/x", 1)]);
    net.cut(c);
    let c = net.join(&v311("c").kept(0));
    assert_eq!(net.payloads(c), ["gone"]);
}
