//! CONNECT, CONNACK, AUTH, DISCONNECT, and time.

use super::*;

// [MQTT-3.1.2-9] [MQTT-3.1.2-17] [MQTT-3.1.2-19] [MQTT3-3.1.2-9] [MQTT3-3.1.2-19] [MQTT3-3.1.2-21]
#[test]
fn connect_says_what_the_options_say() {
    let mut wire = Wire::new(Options {
        username: Some(String::from("user")),
        password: Some(b"expert".to_vec()),
        will: Some(WillMessage {
            topic: String::from("w"),
            payload: b"gone".to_vec(),
            qos: Qos::AtLeastOnce,
            retain: true,
            properties: block(&[Property::WillDelayInterval(3)]),
        }),
        properties: block(&[Property::SessionExpiryInterval(60)]),
        ..options(V5)
    });
    wire.client.connect(0).expect("offline");
    let output = wire.client.take_output();
    let Ok(Step::Frame(frame)) = frame::next(&output, 1000) else { panic!("one frame") };
    let connect = Connect::decode(&frame).expect("legal");
    assert_eq!((connect.client_id, connect.keep_alive, connect.clean_start), ("me", 60, true));
    assert_eq!((connect.username, connect.password), (Some("user"), Some(&b"expert"[..])));
    let will = connect.will.expect("a will");
    assert_eq!(
        (will.topic, will.payload, will.qos, will.retain),
        ("w", &b"gone"[..], Qos::AtLeastOnce, true)
    );
    assert!(connect.properties.iter().eq([Property::SessionExpiryInterval(60)]));
    assert_eq!(wire.client.connect(0), Err(Refused::AlreadyConnected));
}

// [MQTT-3.1.3-4] [MQTT-3.1.3-12] [MQTT3-3.1.2-22] [MQTT3-3.1.3-4] [MQTT3-3.1.3-7] [MQTT3-3.1.3-10]
// [MQTT3-3.1.3-11]
#[test]
fn connect_refuses_what_mqtt_has_not() {
    let try_connect = |options| {
        let mut client = Client::new(options);
        let checked = client.check_options();
        assert_eq!(client.connect(0), checked);
        checked
    };
    let nameless = Options { client_id: String::new(), ..kept(V3) };
    assert_eq!(try_connect(nameless), Err(Refused::ClientIdEmpty));
    let nameless_31 = Options { client_id: String::new(), ..options(Version::V31) };
    assert_eq!(try_connect(nameless_31), Err(Refused::ClientIdEmpty));
    let password = Options { password: Some(vec![1]), ..options(V3) };
    assert_eq!(try_connect(password), Err(Refused::PasswordWithoutUsername));
    let misplaced = Options { properties: block(&[Property::TopicAlias(1)]), ..options(V5) };
    assert!(matches!(try_connect(misplaced), Err(Refused::PropertiesInvalid(_))));
    let will = WillMessage { topic: String::from("a/#"), ..WillMessage::default() };
    let bad_will = Options { will: Some(will), ..options(V3) };
    assert_eq!(try_connect(bad_will), Err(Refused::TopicInvalid));
    let will = WillMessage { topic: String::from("a\0"), ..WillMessage::default() };
    assert_eq!(try_connect(Options { will: Some(will), ..options(V3) }), Err(Refused::TopicInvalid));
    let bad_id = Options { client_id: String::from("a\0"), ..options(V5) };
    assert_eq!(try_connect(bad_id), Err(Refused::TextInvalid));
    let bad_name = Options { username: Some(String::from("\u{ffff}")), ..options(V3) };
    assert_eq!(try_connect(bad_name), Err(Refused::TextInvalid));
}

#[test]
fn a_refusal_ends_the_connection() {
    for (version, code) in [(V3, ReasonCode(5)), (V5, reason::NOT_AUTHORIZED)] {
        let mut wire = Wire::new(options(version));
        wire.client.connect(0).expect("offline");
        wire.serve(&Packet::Connack(Connack {
            session_present: false,
            code,
            properties: Default::default(),
        }));
        let refused = Cause::Refused { code, properties: PropertiesBuf::new() };
        assert_eq!(wire.cause(), refused);
        assert_eq!(wire.client.deadline(), None);
    }
}

// [MQTT-3.1.2-21] [MQTT-3.2.2-21]
#[test]
fn the_server_assigns_an_id_and_a_keep_alive() {
    let nameless = Options { client_id: String::new(), ..options(V5) };
    let told = [Property::AssignedClientIdentifier("auto-1"), Property::ServerKeepAlive(7)];
    let mut wire = Wire::online(nameless, &told);
    assert_eq!(wire.client.client_id(), "auto-1");
    assert_eq!(wire.client.deadline(), Some(1_000 + 7_000));
    wire.now = 8_000;
    wire.client.tick(wire.now);
    assert_eq!(wire.sent(), [PacketType::Pingreq]);
    wire.now = 9_000;
    wire.serve(&Packet::Pingresp);
    assert_eq!(wire.client.deadline(), Some(8_000 + 7_000));
}

// [MQTT-3.1.2-20] [MQTT3-3.1.2-23]
#[test]
fn keep_alive_pings_and_gives_up() {
    let mut wire = Wire::online(options(V3), &[]);
    wire.now = 60_999;
    wire.client.tick(wire.now);
    assert_eq!(wire.sent(), []);
    wire.now = 61_000;
    wire.client.tick(wire.now);
    wire.client.tick(wire.now + 1);
    assert_eq!(wire.sent(), [PacketType::Pingreq]);
    wire.client.tick(120_999);
    assert!(wire.client.is_online());
    wire.client.tick(121_000);
    assert_eq!(wire.cause(), Cause::KeepAliveTimeout);
}

// [MQTT-3.1.2-20] [MQTT3-3.1.2-23]
#[test]
fn an_answer_begins_a_new_interval() {
    let mut wire = Wire::online(options(V3), &[]);
    wire.now = 61_000;
    wire.client.tick(wire.now);
    wire.client.receive(wire.now + 10, b"\xd0\x00");
    assert_eq!((wire.sent(), wire.client.deadline()), (vec![PacketType::Pingreq], Some(121_000)));
    wire.client.tick(121_000);
    assert_eq!(wire.sent(), [PacketType::Pingreq]);
    assert!(wire.client.is_online());
}

#[test]
fn a_server_may_take_for_ever_where_it_is_let() {
    let mut wire = Wire::new(Options { connect_timeout_ms: 0, ..options(V3) });
    wire.client.connect(100).expect("offline");
    assert_eq!(wire.client.deadline(), None);
}

/// MQTT 3.1 has no flag for it.
#[test]
fn a_kept_session_of_mqtt_3_1_is_believed_to_be_there() {
    for clean_start in [false, true] {
        let mut wire = Wire::new(Options { clean_start, ..options(Version::V31) });
        wire.client.connect(0).expect("offline");
        wire.client.receive(0, b"\x20\x02\x00\x00");
        let Some(Event::Connected(connected)) = wire.client.poll_event() else { panic!("connected") };
        assert_eq!(connected.session_present, !clean_start);
    }
}

#[test]
fn a_server_that_says_nothing_is_left() {
    let mut wire = Wire::new(Options { connect_timeout_ms: 500, ..options(V3) });
    wire.client.connect(100).expect("offline");
    assert_eq!(wire.client.deadline(), Some(600));
    wire.client.tick(600);
    assert_eq!(wire.cause(), Cause::ConnectTimeout);
}

// [MQTT-4.12.0-3] [MQTT-4.12.0-5]
#[test]
fn enhanced_authentication() {
    let method = Property::AuthenticationMethod("M");
    let mut wire = Wire::new(Options { properties: block(&[method]), ..options(V5) });
    wire.client.connect(0).expect("offline");
    let properties = block(&[method, Property::AuthenticationData(b"challenge")]);
    let code = reason::CONTINUE_AUTHENTICATION;
    wire.serve(&Packet::Auth(Auth { code, properties: properties.as_properties() }));
    assert_eq!(wire.events(), [Event::Auth { code, properties: properties.clone() }]);
    wire.client.authenticate(0, code, &properties).expect("awaited");
    assert_eq!(wire.sent(), [PacketType::Connect, PacketType::Auth]);
    let other = block(&[Property::AuthenticationMethod("N")]);
    wire.serve(&Packet::Auth(Auth { code, properties: other.as_properties() }));
    assert_eq!(wire.violation(), Violation::AuthMethodChanged);
}

// [MQTT-4.12.1-2] [MQTT-4.13.2-1]
#[test]
fn the_server_disconnects() {
    let mut wire = Wire::online(options(V5), &[]);
    let code = reason::SESSION_TAKEN_OVER;
    wire.serve(&Packet::Disconnect(Disconnect::new(code)));
    assert_eq!(wire.cause(), Cause::Server { code, properties: PropertiesBuf::new() });
    wire.serve_publish(Qos::AtMostOnce, None, "late", &[]);
    assert_eq!(wire.events(), []);
}

// [MQTT-3.14.4-1] [MQTT-3.14.4-2] [MQTT3-3.14.4-1] [MQTT3-3.14.4-2]
#[test]
fn nothing_goes_out_behind_disconnect() {
    for version in [V3, V5] {
        let mut wire = Wire::online(options(version), &[]);
        wire.client.disconnect(0, reason::SUCCESS, &PropertiesBuf::new()).expect("online");
        assert!(wire.client.is_offline(), "the driver closes the transport");
        wire.publish(Qos::AtLeastOnce);
        wire.serve_publish(Qos::AtLeastOnce, Some(1), "t", &[]);
        wire.client.tick(1_000_000);
        assert_eq!(wire.sent(), [PacketType::Disconnect]);
        assert_eq!(wire.cause(), Cause::Requested);
    }
}

// [MQTT-3.1.0-1] [MQTT-3.1.2-30] [MQTT3-3.1.0-1]
#[test]
fn connect_comes_first_and_nothing_but_authentication_before_connack() {
    let method = Property::AuthenticationMethod("M");
    for version in [V3, V5] {
        let properties = if version == V5 { block(&[method]) } else { PropertiesBuf::new() };
        let mut wire = Wire::new(Options { properties, ..options(version) });
        let plain = [SubscribeFilter { filter: "a", options: SubscribeOptions::default() }];
        let quick = NewMessage::new("t", b"");
        let mut expected = Vec::new();
        for connected in [false, true] {
            if connected {
                wire.client.connect(0).expect("offline");
                expected.push(PacketType::Connect);
            }
            let none = PropertiesBuf::new();
            assert_eq!(wire.client.subscribe(0, &plain, &none), Err(Refused::NotConnected));
            assert_eq!(wire.client.unsubscribe(0, &["a"], &none), Err(Refused::NotConnected));
            assert_eq!(wire.client.publish(0, &quick), Err(Refused::NotConnected));
            wire.publish(Qos::AtLeastOnce);
            wire.client.tick(20_000);
            assert_eq!(wire.sent(), expected);
        }
        if version == V5 {
            wire.client.authenticate(0, reason::CONTINUE_AUTHENTICATION, &block(&[method])).expect("fits");
            assert_eq!(wire.sent(), [PacketType::Auth]);
        }
    }
}

// [MQTT-4.12.0-3] [MQTT-4.12.0-5] [MQTT-4.12.0-7] [MQTT-4.12.1-1]
#[test]
fn authentication_keeps_to_the_method_of_connect() {
    let (m, n) = (Property::AuthenticationMethod("M"), Property::AuthenticationMethod("N"));
    let refused = Err(Refused::AuthenticationInvalid);
    let again = reason::REAUTHENTICATE;
    let mut plain = Wire::online(options(V5), &[]);
    assert_eq!(plain.client.authenticate(0, again, &block(&[m])), refused);

    let mut wire = Wire::new(Options { properties: block(&[m]), ..options(V5) });
    wire.client.connect(0).expect("offline");
    assert_eq!(wire.client.authenticate(0, again, &block(&[m])), refused, "not before CONNACK");
    wire.client.receive(0, &[0x20, 3, 0, 0, 0]);
    for (code, properties) in [(again, block(&[n])), (again, block(&[])), (reason::SUCCESS, block(&[m]))] {
        assert_eq!(wire.client.authenticate(0, code, &properties), refused);
    }
    assert_eq!(wire.sent(), [PacketType::Connect]);
    assert_eq!(wire.client.authenticate(0, again, &block(&[m])), Ok(()));
    assert_eq!(wire.sent(), [PacketType::Auth]);
}

// [MQTT-3.14.2-3] [MQTT-3.14.2-4] [MQTT-3.15.2-2] [MQTT-3.15.2-3] [MQTT-3.2.2-15]
#[test]
fn reasons_and_user_properties_that_are_too_large_are_not_sent() {
    let m = Property::AuthenticationMethod("M");
    let wanted = Options { properties: block(&[m]), ..options(V5) };
    let mut wire = Wire::online(wanted, &[Property::MaximumPacketSize(20)]);
    for extra in
        [Property::ReasonString("much longer than it may be"), Property::UserProperty("k", "a long value")]
    {
        let refused = Err(Refused::PacketTooLarge);
        assert_eq!(wire.client.disconnect(0, reason::SUCCESS, &block(&[extra])), refused);
        let auth = block(&[m, extra]);
        assert_eq!(wire.client.authenticate(0, reason::REAUTHENTICATE, &auth), refused);
    }
    assert_eq!(wire.sent(), []);
}

#[test]
fn we_disconnect() {
    let mut wire = Wire::online(options(V5), &[]);
    let properties = block(&[Property::SessionExpiryInterval(5)]);
    wire.client.disconnect(0, reason::SUCCESS, &properties).expect("online");
    assert_eq!(wire.sent(), [PacketType::Disconnect]);
    assert_eq!(wire.cause(), Cause::Requested);
    assert_eq!(wire.client.disconnect(0, reason::SUCCESS, &properties), Err(Refused::NotConnected));
}

#[test]
fn packets_are_traced_on_demand() {
    let mut wire = Wire::new(Options { trace: true, ..options(V3) });
    wire.client.connect(0).expect("offline");
    wire.client.receive(0, b"\x20\x02\x00\x00");
    let events = wire.events();
    assert_eq!(events[0], Event::Trace(Trace::Sent(TracedPacket::Plain(PacketType::Connect))));
    assert!(matches!(events[1], Event::Trace(Trace::Received(TracedPacket::Coded { .. }))));
    assert!(matches!(events[2], Event::Connected(_)));
    let id = wire.publish(Qos::AtLeastOnce);
    let _publish = wire.events();
    wire.serve(&Packet::Puback(ack(id.get(), reason::SUCCESS)));
    let packet = TracedPacket::Ack { packet_type: PacketType::Puback, id, code: reason::SUCCESS };
    assert_eq!(wire.events()[0], Event::Trace(Trace::Received(packet)));
}

#[test]
fn a_server_without_mqtt_5_says_so_in_its_own_way() {
    let mut wire = Wire::new(options(V5));
    wire.client.connect(0).expect("offline");
    wire.client.receive(0, b"\x20\x02\x00\x01");
    let code = reason::UNSUPPORTED_PROTOCOL_VERSION;
    let properties = PropertiesBuf::new();
    assert_eq!(wire.cause(), Cause::Refused { code, properties });
}
