//! What a SIGHUP changes.

use pondhawk_config::*;

fn read(text: &str) -> Config {
    Config::from_text(text, "t.conf").unwrap_or_else(|error| panic!("{error}"))
}

fn names(changes: &[Change]) -> Vec<String> {
    changes.iter().map(ToString::to_string).collect()
}

#[test]
fn live_changes_are_taken_over() {
    let old = read("listener 1\nmax_qos 1\nallow_anonymous true\n");
    let new = read(
        "listener 1\nmax_connections 5\nmax_packet_size 5000\nmax_keepalive 60\npassword_file p\n\
         log_type error\n",
    );
    let reload = reload_diff(&old, &new);
    assert_eq!(names(&reload.restart), Vec::<String>::new());
    assert_eq!(
        names(&reload.live),
        [
            "'allow_anonymous' (t.conf:3)",
            "'log_type' (t.conf:6)",
            "'max_keepalive' (t.conf:4)",
            "'max_packet_size' (t.conf:3)",
            "'password_file' (t.conf:5)",
            "'max_connections' of listener 1 (t.conf:2)",
            "'max_qos' of listener 1 (t.conf:2)",
        ]
    );
    assert_eq!(reload.config, new);
}

#[test]
fn a_default_written_out_is_no_change() {
    let reload = reload_diff(
        &read("listener 1\n"),
        &read("max_packet_size 0x1E8480\nlistener 1\nmax_qos 2\nprotocol mqtt\n"),
    );
    assert_eq!((reload.live, reload.restart), (vec![], vec![]));
}

#[test]
fn the_store_stays_the_one_that_was_opened() {
    let old = read("persistence true\npersistence_location /a\n");
    let new = read("persistence_durability none\npersistence_location /b\npersistence_on_failure exit\n");
    let reload = reload_diff(&old, &new);
    let waits = [
        "'persistence' (t.conf:1)",
        "'persistence_durability' (t.conf:1)",
        "'persistence_location' (t.conf:2)",
    ];
    assert_eq!(names(&reload.restart), waits);
    assert_eq!(names(&reload.live), ["'persistence_on_failure' (t.conf:3)"]);
    assert_eq!(reload.config.persistence, Persistence { on_failure: OnFailure::Exit, ..old.persistence });
}

#[test]
fn what_needs_a_restart_stays_as_it_was() {
    let old = read("pid_file a\nlistener 1\nprotocol websockets\n");
    let new = read("pid_file b\nshards 3\nlistener 1\nsocket_domain ipv4\nmax_qos 0\n");
    let reload = reload_diff(&old, &new);
    assert_eq!(
        names(&reload.restart),
        [
            "'pid_file' (t.conf:1)",
            "'shards' (t.conf:2)",
            "'protocol' of listener 1 (t.conf:3)",
            "'socket_domain' of listener 1 (t.conf:4)",
        ]
    );
    assert_eq!(names(&reload.live), ["'max_qos' of listener 1 (t.conf:5)"]);
    assert_eq!(reload.config.pid_file, Some("a".into()));
    assert_eq!(reload.config.threads.shards, None);
    let listener = &reload.config.listeners[0];
    assert_eq!(
        (listener.protocol, listener.socket_domain, listener.max_qos),
        (Protocol::Websockets, None, 0)
    );
    // Until the restart every reload says so again.
    let again = reload_diff(&reload.config, &new);
    assert_eq!(again.live, []);
    assert_eq!(names(&again.restart), names(&reload.restart));
}

#[test]
fn listeners_come_and_go_with_a_restart() {
    let old = read("listener 1\nmax_qos 1\nlistener 2\n");
    let new = read("listener 2\nmax_qos 0\nlistener 3\n");
    let reload = reload_diff(&old, &new);
    assert_eq!(
        names(&reload.restart),
        ["'listener' of listener 1 (t.conf:1)", "'listener' of listener 3 (t.conf:3)"]
    );
    assert_eq!(names(&reload.live), ["'max_qos' of listener 2 (t.conf:2)"]);
    let running: Vec<_> =
        reload.config.listeners.iter().map(|it| (it.address.to_string(), it.max_qos)).collect();
    assert_eq!(running, [("1".to_owned(), 1), ("2".to_owned(), 0)]);
}

#[test]
fn a_listener_that_was_taken_out_does_not_keep_revoked_rights() {
    let old = read("listener 1\nallow_anonymous true\n");
    let new = read("listener 2\npassword_file p\n");
    let access = &reload_diff(&old, &new).config.listeners[0].access;
    assert!(!access.allow_anonymous);
    assert_eq!(access.password_file, Some("p".into()));

    let local = read("sys_interval 3\n");
    let closed = read("listener 1883\nallow_anonymous false\n");
    let reload = reload_diff(&local, &closed);
    assert!(reload.config.listeners.iter().all(|it| !it.access.allow_anonymous));
    assert_eq!(reload.config.listeners.len(), 2);
}

#[test]
fn repeated_lines_are_compared_as_a_whole() {
    let old = read("refuse_subscribe #\nlog_dest stdout\n");
    let new = read("refuse_subscribe #\nrefuse_subscribe a/#\nlog_dest stdout\n");
    assert_eq!(names(&reload_diff(&old, &new).live), ["'refuse_subscribe' (t.conf:2)"]);
    let bridge = "connection b\naddress a\ntopic t\n";
    let more = format!("{bridge}topic u\npassword secret\n");
    let reload = reload_diff(&read(bridge), &read(&more));
    assert_eq!(
        names(&reload.live),
        ["'remote_password' of connection b (t.conf:5)", "'topic' of connection b (t.conf:4)"]
    );
}
