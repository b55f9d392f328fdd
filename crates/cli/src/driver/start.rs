//! From settings to a running driver.

use super::{App, Driver, wait::Signals};
use crate::connect::{self, connect};
use crate::console::Console;
use crate::failure::{ERRNO, Failure, USAGE};
use crate::options::settings::Settings;
use crate::tool::Tool;
use pondhawk_codec::{PropertiesBuf, Property, Version};
use pondhawk_session::client::{Client, Options, WillMessage};
use std::time::Instant;

/// Connects and runs the tool until it is done.
///
/// # Errors
/// Why it ended early.
pub(crate) fn run(settings: &Settings, console: &mut Console, app: impl App) -> Result<i32, Failure> {
    connect::check(settings)?;
    let options = options(settings)?;
    let client = Client::new(options);
    client.check_options().map_err(super::ending::of_refused)?;
    let transport = connect(settings)?;
    let system = |error: std::io::Error| Failure::system(ERRNO, &error);
    let signals = app.handles_signals().then(Signals::catch).transpose().map_err(system)?;
    let give_up_at = settings.subscription.timeout_s.map(|seconds| u64::from(seconds) * 1000);
    let mut driver = Driver {
        app,
        settings,
        console,
        client,
        transport: Some(transport),
        signals,
        started: Instant::now(),
        reconnect_at: None,
        give_up_at,
        timed_out: false,
        was_online: false,
        leaving: false,
        finished: false,
    };
    let outcome = driver.run();
    driver.drain();
    outcome
}

/// What CONNECT says.
fn options(settings: &Settings) -> Result<Options, Failure> {
    let client = &settings.client;
    let client_id = match (&client.id, &client.id_prefix) {
        (Some(id), _) if id.is_empty() => return Err(Failure::new(USAGE, empty_id(settings.tool))),
        (Some(id), _) => id.clone(),
        (None, Some(prefix)) => format!("{prefix}{}", std::process::id()),
        // MQTT 3.1 has no empty client id.
        (None, None) if client.version == Version::V31 => random_id()?,
        (None, None) => String::new(),
    };
    let will = settings.will.topic.as_ref().map(|topic| WillMessage {
        topic: topic.clone(),
        payload: settings.will.payload.clone().unwrap_or_default(),
        qos: settings.will.qos,
        retain: settings.will.retain,
        properties: match client.version {
            Version::V5 => settings.properties.will.clone(),
            Version::V31 | Version::V311 => PropertiesBuf::new(),
        },
    });
    Ok(Options {
        version: client.version,
        client_id,
        clean_start: client.clean,
        keep_alive: client.keep_alive,
        username: client.username.clone(),
        password: client.password.clone(),
        will,
        properties: connect_properties(settings),
        inflight_max: client.inflight_max,
        connect_timeout_ms: u64::from(client.keep_alive) * 1000,
        // The tools stop reading their input long before.
        queue_bytes_max: usize::MAX,
        trace: settings.output.debug,
        ..Options::default()
    })
}

fn empty_id(tool: Tool) -> &'static str {
    match tool {
        Tool::Pub => "Error: Invalid id.",
        Tool::Sub | Tool::Rr => "Error: Invalid id and/or clean_session.",
    }
}

/// `-D connect`, and the window of `-M` both ways.
fn connect_properties(settings: &Settings) -> PropertiesBuf {
    if settings.client.version != Version::V5 {
        return PropertiesBuf::new();
    }
    let mut properties = settings.properties.connect.clone();
    let given = |property| matches!(property, Property::ReceiveMaximum(_)).then_some(());
    if properties.as_properties().find(given).is_none() {
        let pushed = properties.push(Property::ReceiveMaximum(settings.client.inflight_max));
        debug_assert!(pushed.is_ok(), "a number always fits");
    }
    properties
}

/// A client id of 23 characters, the most that MQTT 3.1 allows.
fn random_id() -> Result<String, Failure> {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut bytes = [0u8; 18];
    getrandom::fill(&mut bytes).map_err(|error| Failure::system(ERRNO, &error.into()))?;
    let letters = bytes.iter().map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]));
    Ok(format!("mosq-{}", letters.collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_ids() {
        let id = |change: fn(&mut Settings)| {
            let mut settings = Settings::new(Tool::Pub);
            change(&mut settings);
            options(&settings).expect("random numbers").client_id
        };
        assert_eq!(id(|_| {}), "");
        assert_eq!(id(|s| s.client.id = Some("me".to_owned())), "me");
        let prefixed = id(|s| s.client.id_prefix = Some("pre".to_owned()));
        assert_eq!(prefixed, format!("pre{}", std::process::id()));
        let random = id(|s| s.client.version = Version::V31);
        assert_eq!((random.len(), &random[..5]), (23, "mosq-"));
    }

    #[test]
    fn the_window_goes_both_ways() {
        let mut settings = Settings::new(Tool::Rr);
        settings.client.inflight_max = 7;
        let options = options(&settings).expect("random numbers");
        assert!(options.properties.as_properties().iter().eq([Property::ReceiveMaximum(7)]));
        assert_eq!(options.inflight_max, 7);
    }
}
