//! What can only be said of a command line when all of it is read.

use super::settings::{Settings, Tls};
use crate::tool::Tool;
use pondhawk_codec::property::{Place, Properties};
use pondhawk_codec::{Kind, PacketType, PropertiesBuf, Property, Version};

/// Settles what depends on several flags.
///
/// # Errors
/// The first contradiction, in Mosquitto's words.
pub(super) fn check(settings: &mut Settings) -> Result<(), String> {
    check_will(settings)?;
    check_tls(&settings.tls)?;
    settle_session(settings)?;
    if settings.tool == Tool::Sub {
        check_subscriptions(settings)?;
    }
    check_properties(settings)?;
    // Port 8883 is for TLS: without a certificate's place the operating system's are meant.
    let tls = &mut settings.tls;
    let chosen = tls.ca_file.is_some() || tls.ca_path.is_some() || tls.psk.is_some() || tls.off;
    tls.os_certs |= settings.broker.port == Some(8883) && !chosen;
    Ok(())
}

fn check_will(settings: &Settings) -> Result<(), String> {
    let will = &settings.will;
    if will.topic.is_none() && will.payload.is_some() {
        return Err("Error: Will payload given, but no will topic given.".to_owned());
    }
    if will.topic.is_none() && will.retain {
        return Err("Error: Will retain given, but no will topic given.".to_owned());
    }
    Ok(())
}

fn check_tls(tls: &Tls) -> Result<(), String> {
    let error = if tls.cert.is_some() != tls.key.is_some() {
        "Error: Both certfile and keyfile must be provided if one of them is set."
    } else if tls.key_form.is_some() && tls.key.is_none() {
        "Error: If keyform is set, keyfile must be also specified."
    } else if tls.engine_key_sha1.is_some() && (tls.engine.is_none() || tls.key_form.is_none()) {
        "Error: when using tls-engine-kpass-sha1, both tls-engine and keyform must also be provided."
    } else if tls.psk.is_some() && (tls.ca_file.is_some() || tls.ca_path.is_some()) {
        "Error: Only one of --psk or --cafile/--capath may be used at once."
    } else if tls.psk.is_some() && tls.psk_identity.is_none() {
        "Error: --psk-identity required if --psk used."
    } else {
        return Ok(());
    };
    Err(error.to_owned())
}

/// `-c` and `-x`: what the session is called and how long it lives.
fn settle_session(settings: &mut Settings) -> Result<(), String> {
    const FOREVER: u32 = u32::MAX;
    let client = &mut settings.client;
    let nameless = client.id.is_none();
    if client.version != Version::V5 {
        if !client.clean && nameless {
            return Err("Error: You must provide a client id if you are using the -c option.".to_owned());
        }
        return Ok(());
    }
    if !client.clean && client.session_expiry.is_none() {
        client.session_expiry = Some(FOREVER);
    }
    let Some(seconds) = client.session_expiry.filter(|seconds| *seconds > 0) else {
        return Ok(());
    };
    if seconds == FOREVER && nameless {
        let text =
            "Error: You must provide a client id if you are using an infinite session expiry interval.";
        return Err(text.to_owned());
    }
    // One given with -D is more precise.
    let given = |property| matches!(property, Property::SessionExpiryInterval(_)).then_some(());
    let connect = &mut settings.properties.connect;
    if connect.as_properties().find(given).is_none() {
        let added = connect.push(Property::SessionExpiryInterval(seconds));
        added.map_err(|_| "Error adding property session-expiry-interval".to_owned())?;
    }
    Ok(())
}

fn check_subscriptions(settings: &Settings) -> Result<(), String> {
    let subscription = &settings.subscription;
    if subscription.topics.is_empty() && subscription.unsubscribe.is_empty() {
        return Err("Error: You must specify a topic to subscribe to.".to_owned());
    }
    Ok(())
}

fn check_properties(settings: &mut Settings) -> Result<(), String> {
    limit_window(settings);
    let properties = &settings.properties;
    let packet = Place::Packet;
    for (name, block, place) in [
        ("CONNECT", &properties.connect, packet(PacketType::Connect)),
        ("PUBLISH", &properties.publish, packet(PacketType::Publish)),
        ("SUBSCRIBE", &properties.subscribe, packet(PacketType::Subscribe)),
        ("UNSUBSCRIBE", &properties.unsubscribe, packet(PacketType::Unsubscribe)),
        ("DISCONNECT", &properties.disconnect, packet(PacketType::Disconnect)),
        ("Will", &properties.will, Place::Will),
    ] {
        check_block(block, place).map_err(|text| format!("Error in {name} properties: {text}"))?;
    }
    Ok(())
}

fn check_block(block: &PropertiesBuf, place: Place) -> Result<(), &'static str> {
    match Properties::check(block.as_properties().as_bytes(), place) {
        Ok(_) => Ok(()),
        Err(malformed) if malformed.kind == Kind::PropertyTwice => Err("Duplicate property in property list"),
        Err(_) => Err("A network protocol error occurred when communicating with the broker."),
    }
}

/// A subscriber that wants few messages has few sent to it.
fn limit_window(settings: &mut Settings) {
    let Some(count) = settings.subscription.count.and_then(|count| u16::try_from(count).ok()) else {
        return;
    };
    let given = |property| matches!(property, Property::ReceiveMaximum(_)).then_some(());
    let connect = &mut settings.properties.connect;
    let free = connect.as_properties().find(given).is_none();
    if count < settings.client.inflight_max && free && settings.client.version == Version::V5 {
        let pushed = connect.push(Property::ReceiveMaximum(count));
        debug_assert!(pushed.is_ok(), "a number always fits");
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse::{Parsed, parse};
    use super::*;
    use std::ffi::OsString;

    fn run(tool: Tool, words: &str) -> Result<Settings, String> {
        let args = words.split_whitespace().map(OsString::from).collect();
        match parse(tool, args, &|_| None) {
            Ok(Parsed::Run(settings)) => Ok(*settings),
            Ok(other) => panic!("{other:?}"),
            Err(failure) => Err(failure.text),
        }
    }

    #[test]
    fn contradictions() {
        for (words, error) in [
            ("--will-payload x", "Will payload given, but no will topic given."),
            ("--will-retain", "Will retain given, but no will topic given."),
            ("--cert x", "Both certfile and keyfile must be provided if one of them is set."),
            ("--keyform pem", "If keyform is set, keyfile must be also specified."),
            ("--psk 00", "--psk-identity required if --psk used."),
            ("--psk 00 --psk-identity x --cafile y", "Only one of --psk or --cafile/--capath"),
            ("--tls-engine-kpass-sha1 x", "both tls-engine and keyform must also be provided."),
            ("-c", "You must provide a client id if you are using the -c option."),
            ("-c -I pre", "You must provide a client id if you are using the -c option."),
            ("-x -1", "if you are using an infinite session expiry interval."),
            ("-V 5 -c", "if you are using an infinite session expiry interval."),
            ("-D connect receive-maximum 0", "Error in CONNECT properties: A network protocol error"),
            (
                "-D connect receive-maximum 5 -D connect receive-maximum 5",
                "Error in CONNECT properties: Duplicate property in property list",
            ),
        ] {
            let got = run(Tool::Sub, &format!("-t a {words}")).map(drop).expect_err(words);
            assert!(got.contains(error), "{words}: {got}");
        }
        assert!(run(Tool::Sub, "").map(drop).expect_err("no topic").contains("You must specify a topic"));
        assert!(run(Tool::Sub, "-U a").is_ok());
    }

    #[test]
    fn sessions() {
        let expiry = |words: &str| {
            let settings = run(Tool::Sub, &format!("-t a {words}")).expect(words);
            settings.properties.connect.as_properties().find(|property| match property {
                Property::SessionExpiryInterval(seconds) => Some(seconds),
                _ => None,
            })
        };
        assert_eq!(expiry("-x 5"), Some(5));
        assert_eq!(expiry("-x -1 -i me"), Some(u32::MAX));
        assert_eq!(expiry("-x \u{221e} -i me"), Some(u32::MAX));
        assert_eq!(expiry("-c -i me -V 5"), Some(u32::MAX));
        assert_eq!(expiry("-c -i me"), None);
        assert_eq!(expiry("-x 0"), None);
    }

    #[test]
    fn port_8883_means_tls() {
        assert!(run(Tool::Sub, "-t a -p 8883").expect("legal").tls.wanted());
        assert!(!run(Tool::Sub, "-t a -p 8883 --no-tls").expect("legal").tls.wanted());
    }

    #[test]
    fn few_messages_are_asked_for() {
        let settings = run(Tool::Sub, "-t a -C 3 -V 5").expect("legal");
        assert!(settings.properties.connect.as_properties().iter().eq([Property::ReceiveMaximum(3)]));
        assert!(run(Tool::Sub, "-t a -C 30 -V 5").expect("legal").properties.connect.is_empty());
    }
}
