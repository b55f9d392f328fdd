//! Gate, rights and places, with files in a temporary directory.

use super::*;
use pondhawk_auth::{PasswordHash, Scheme};
use pondhawk_codec::{Properties, PropertiesBuf, Version};
use pondhawk_config::Logging;
use std::collections::HashSet;

fn connect(username: Option<&'static str>) -> Connect<'static> {
    Connect {
        version: Version::V5,
        bridge: false,
        clean_start: true,
        keep_alive: 60,
        properties: Properties::EMPTY,
        client_id: "c",
        will: None,
        username,
        password: None,
    }
}

fn config(text: &str) -> Config {
    Config::from_text(text, "test.conf").unwrap()
}

fn silent() -> Logging {
    config("listener 1883\nlog_dest none\n").logging
}

fn host(config: &Config) -> ShardHost {
    let (rules, _) = Rules::load(config, vec!["SCRAM".to_owned()]).unwrap();
    let log = Log::start(&silent(), "test", None).unwrap();
    ShardHost::new(Arc::new(rules), Arc::new(Slots::new(config)), log).unwrap()
}

/// A password file with one user, and an access control file.
fn files() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let hash = PasswordHash::create(b"p", Scheme::Sha512).unwrap();
    std::fs::write(dir.path().join("pw"), format!("ann:{hash}\n")).unwrap();
    std::fs::write(dir.path().join("acl"), "topic read news/#\nuser ann\ntopic readwrite ann/#\n").unwrap();
    dir
}

#[test]
fn anonymous_clients_pass_where_they_are_allowed() {
    let host = host(&config("per_listener_settings true\nlistener 1\nallow_anonymous true\nlistener 2\n"));
    let refused = Gate::Refuse(reason::NOT_AUTHORIZED);
    assert_eq!(host.gate(0, &connect(None)), Gate::Accept);
    assert_eq!(host.gate(0, &connect(Some("ann"))), Gate::Accept);
    assert_eq!(host.gate(1, &connect(None)), refused);
    assert_eq!(host.gate(1, &connect(Some("ann"))), refused);
    assert_eq!(host.gate(9, &connect(None)), refused);
}

#[test]
fn a_name_is_asked_about_where_there_are_passwords() {
    let dir = files();
    let text = format!("listener 1\nallow_anonymous true\npassword_file {}/pw\n", dir.path().display());
    let host = host(&config(&text));
    assert_eq!(host.gate(0, &connect(None)), Gate::Accept);
    assert_eq!(host.gate(0, &connect(Some("ann"))), Gate::Ask);
    assert_eq!(host.gate(0, &connect(Some(""))), Gate::Ask);
}

// [MQTT-4.12.0-1]
#[test]
fn methods_must_be_known() {
    let host = host(&config("listener 1\nallow_anonymous true\n"));
    let gate = |method| {
        let mut properties = PropertiesBuf::new();
        properties.push(Property::AuthenticationMethod(method)).unwrap();
        host.gate(0, &Connect { properties: properties.as_properties(), ..connect(None) })
    };
    assert_eq!(gate("SCRAM"), Gate::Ask);
    assert_eq!(gate("scram"), Gate::Refuse(reason::BAD_AUTHENTICATION_METHOD));
}

#[test]
fn rights_follow_the_access_control_file() {
    let dir = files();
    let host = host(&config(&format!("listener 1\nacl_file {}/acl\n", dir.path().display())));
    let (ann, nobody) = (host.identify(0, Some("ann"), "c"), host.identify(0, None, "c"));
    assert!(host.may_publish(&ann, "ann/x") && host.may_receive(&ann, "ann/x"));
    assert!(!host.may_publish(&nobody, "ann/x") && !host.may_publish(&nobody, "news/x"));
    assert!(host.may_receive(&nobody, "news/x") && host.may_subscribe(&nobody, "#"));
    let source = Source { client_id: "c".into(), username: Some("ann".into()), listener: 0 };
    assert!(host.source_may_publish(&source, "ann/x") && !host.source_may_publish(&source, "bob/x"));
    let elsewhere = host.identify(7, Some("ann"), "c");
    assert!(!host.may_publish(&elsewhere, "ann/x") && !host.may_receive(&elsewhere, "ann/x"));
}

#[test]
fn new_rules_hold_from_the_next_question_on() {
    let mut host = host(&config("listener 1\nallow_anonymous true\n"));
    let (rules, _) = Rules::load(&config("listener 1\n"), Vec::new()).unwrap();
    host.set_rules(Arc::new(rules));
    assert_eq!(host.gate(0, &connect(None)), Gate::Refuse(reason::NOT_AUTHORIZED));
}

#[test]
fn a_missing_or_bad_file_is_refused_by_name() {
    let dir = files();
    std::fs::write(dir.path().join("bad"), "nonsense\n").unwrap();
    for (directive, file) in [("password_file", "missing"), ("acl_file", "missing"), ("acl_file", "bad")] {
        let text = format!("listener 1\n{directive} {}/{file}\n", dir.path().display());
        let error = Rules::load(&config(&text), Vec::new()).unwrap_err();
        assert!(error.to_string().contains(&format!("/{file}\"")), "{error}");
    }
}

#[test]
fn shared_files_are_loaded_and_warned_about_once() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("acl"), "pattern read a/b\n").unwrap();
    let text = format!("acl_file {}/acl\nlistener 1\nlistener 2\n", dir.path().display());
    let (rules, warnings) = Rules::load(&config(&text), Vec::new()).unwrap();
    assert_eq!(rules.listeners.len(), 2);
    let about_pattern = warnings.iter().filter(|warning| warning.contains("does not contain"));
    assert_eq!(about_pattern.count(), 1, "{warnings:?}");
}

#[test]
fn places_are_limited_over_all_shards() {
    let config = config("listener 1\nglobal_max_connections 2\n");
    let (mut one, slots) = (host(&config), Arc::new(Slots::new(&config)));
    one.slots = Arc::clone(&slots);
    let mut two = host(&config);
    two.slots = slots;
    assert!(one.reserve(Slot::Connection) && two.reserve(Slot::Connection));
    assert!(!one.reserve(Slot::Connection) && one.reserve(Slot::Session));
    two.release(Slot::Connection);
    assert!(one.reserve(Slot::Connection));
}

#[test]
fn entropy_does_not_repeat() {
    let mut entropy = Entropy::new().unwrap();
    let drawn: HashSet<u128> = (0..1000).map(|_| entropy.next()).collect();
    assert_eq!(drawn.len(), 1000);
}

#[test]
fn nobody_new_is_let_in_over_the_memory_limit() {
    let host = host(&config("listener 1\nallow_anonymous true\n"));
    assert!(!host.slots.set_overloaded(true));
    assert_eq!(host.gate(0, &connect(None)), Gate::Refuse(reason::QUOTA_EXCEEDED));
    assert!(host.slots.set_overloaded(false));
    assert_eq!(host.gate(0, &connect(None)), Gate::Accept);
}
