//! Which listeners there are, and who may come in through them.

use pondhawk_config::*;

fn read(text: &str) -> Config {
    Config::from_text(text, "t.conf").unwrap_or_else(|error| panic!("{error}"))
}

fn addresses(config: &Config) -> Vec<String> {
    config.listeners.iter().map(|listener| listener.address.to_string()).collect()
}

fn started_with(arguments: &[&str]) -> Config {
    match BrokerCommand::parse(arguments.iter().map(Into::into)) {
        Ok(BrokerCommand::Run(args)) => load(&args, &EmptyHost).expect("no file is named"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_at_all_serves_this_machine_and_its_browsers() {
    let config = started_with(&[]);
    assert!(config.local_only);
    assert_eq!(addresses(&config), ["1883 127.0.0.1", "1883 ::1", "9001 127.0.0.1", "9001 ::1"]);
    let protocols: Vec<_> = config.listeners.iter().map(|listener| listener.protocol).collect();
    use Protocol::{Mqtt, Websockets};
    assert_eq!(protocols, [Mqtt, Mqtt, Websockets, Websockets]);
    assert!(config.listeners.iter().all(|listener| listener.access.allow_anonymous));
    assert!(config.listeners.iter().all(|listener| !listener.access.allow_anonymous_explicit));
    assert!(config.sources.is_empty());
}

#[test]
fn ports_of_the_command_line() {
    let config = started_with(&["-p", "1884", "-p", "1885"]);
    assert_eq!(addresses(&config), ["1884 127.0.0.1", "1884 ::1", "1885 127.0.0.1", "1885 ::1"]);
    let args = BrokerArgs { ports: vec![1999], ..BrokerArgs::default() };
    assert!(load(&args, &EmptyHost).is_ok_and(|config| config.local_only));
}

#[test]
fn verbose_and_quiet_win_over_the_file() {
    assert_eq!(started_with(&["-v"]).logging.types, LogTypes::ALL);
    assert_eq!(started_with(&["-v", "-q"]).logging.types, LogTypes::NONE);
}

#[test]
fn a_file_without_listeners_stays_local_without_websockets() {
    let config = read("sys_interval 5\n");
    assert!(config.local_only);
    assert_eq!(addresses(&config), ["1883 127.0.0.1", "1883 ::1"]);
    assert!(config.listeners[0].access.allow_anonymous);
    assert!(!read("allow_anonymous false\n").listeners[0].access.allow_anonymous);
    assert!(!read("allow_anonymous false\n").listeners[1].access.allow_anonymous);
}

#[test]
fn a_listener_closes_the_door_unless_told_otherwise() {
    for text in ["listener 1883\n", "port 1883\n", "bind_address 127.0.0.1\n", "max_connections 3\n"] {
        let config = read(text);
        assert!(!config.local_only, "{text}");
        assert!(!config.listeners[0].access.allow_anonymous, "{text}");
    }
    let config = read("listener 1883\nallow_anonymous true\n");
    assert!(config.listeners[0].access.allow_anonymous);
}

#[test]
fn kinds_of_address() {
    let config =
        read("listener 1883\nlistener 1884 localhost\nlistener 1885 ::1 # note\nlistener 0 /run/a b.sock\n");
    assert_eq!(addresses(&config), ["1883", "1884 localhost", "1885 ::1", "0 /run/a b.sock"]);
    assert_eq!(config.listeners[3].address, Address::Unix("/run/a b.sock".into()));
    let places: Vec<_> =
        config.listeners.iter().filter_map(|it| it.place.as_ref()).map(Place::line).collect();
    assert_eq!(places, [1, 2, 3, 4]);
}

#[test]
fn the_default_listener_comes_last_and_is_announced() {
    // As the installed mosquitto 2.0.11 does: a listener setting above the first `listener` opens 1883.
    let config = read("max_connections 3\nlistener 1884\n");
    assert_eq!(addresses(&config), ["1884", "1883"]);
    assert_eq!(config.listeners[0].max_connections, None);
    assert_eq!(config.listeners[1].max_connections, Some(3));
    let warning = "Warning: 'max_connections' is above the first 'listener' line and opens the default listener, \
                   '1883', too. (t.conf:1)";
    assert_eq!(config.warnings, [warning]);

    let config = read("bind_address 127.0.0.1\nport 1886\nlistener 1885\nmax_connections 4\nport 1887\n");
    assert_eq!(addresses(&config), ["1885", "1887 127.0.0.1"]);
    assert_eq!(
        config.warnings,
        ["Warning: Default listener port specified multiple times. Only the latest will be used. (t.conf:5)"]
    );
    assert_eq!(addresses(&read("port 1884\n")), ["1884"]);
}

#[test]
fn settings_belong_to_the_listener_above() {
    let config = read(
        "listener 1\nmount_point a/\nmax_qos 1\nlistener 2\nprotocol websockets\nwebsockets_origin x\n\
         accept_protocol_versions 3, 4\nlistener_auto_id_prefix w-\nlistener_allow_anonymous true\n\
         use_username_as_clientid true\n",
    );
    let [one, two] = config.listeners.as_slice() else { panic!("two listeners") };
    assert_eq!((one.mount_point.as_deref(), one.max_qos, one.protocol), (Some("a/"), 1, Protocol::Mqtt));
    assert_eq!((two.mount_point.as_deref(), two.max_qos, two.protocol), (None, 2, Protocol::Websockets));
    assert_eq!(two.websockets_origins, ["x"]);
    let accepted: Vec<_> = (0..8).filter(|level| two.accept_versions.accepts(*level)).collect();
    assert_eq!(accepted, [3, 4]);
    assert_eq!((one.access.auto_id_prefix.as_str(), two.access.auto_id_prefix.as_str()), ("auto-", "w-"));
    assert_eq!((one.access.allow_anonymous, two.access.allow_anonymous), (false, true));
    assert!(two.use_username_as_clientid && !one.use_username_as_clientid);
}

#[test]
fn security_is_global_or_per_listener() {
    let lines = "listener 1\nallow_anonymous true\nlistener 2\npassword_file p\nacl_file a\n";
    let global = read(lines);
    for listener in &global.listeners {
        assert!(listener.access.allow_anonymous);
        assert_eq!(listener.access.password_file, Some("p".into()));
    }
    let own = read(&format!(
        "per_listener_settings true\n{lines}auto_id_prefix x-\nallow_zero_length_clientid false\n"
    ));
    let [one, two] = own.listeners.as_slice() else { panic!("two listeners") };
    assert!(one.access.allow_anonymous && one.access.password_file.is_none());
    assert!(one.access.allow_zero_length_clientid && one.access.auto_id_prefix == "auto-");
    assert!(!two.access.allow_anonymous && !two.access.allow_anonymous_explicit);
    assert_eq!((&two.access.password_file, &two.access.acl_file), (&Some("p".into()), &Some("a".into())));
    assert!(!two.access.allow_zero_length_clientid && two.access.auto_id_prefix == "x-");

    let local = read("per_listener_settings true\nallow_anonymous false\npassword_file p\n");
    assert!(local.local_only);
    assert!(local.listeners.iter().all(|it| !it.access.allow_anonymous && it.access.password_file.is_some()));
}

#[test]
fn one_password_file_for_each_listener() {
    let text = "per_listener_settings true\nlistener 1\npassword_file p\nlistener 2\npassword_file q\n";
    let config = read(text);
    let files: Vec<_> = config.listeners.iter().map(|it| it.access.password_file.clone()).collect();
    assert_eq!(files, [Some("p".into()), Some("q".into())]);
    assert!(Config::from_text(text.replace("true", "false"), "t").is_err(), "a duplicate without the switch");
}

#[test]
fn plugins_of_a_listener() {
    let config = read(
        "per_listener_settings true\nglobal_plugin g.so\nplugin_load l l.so\nlistener 1\nplugin p.so\n\
         plugin_opt_key a value\nlistener 2\nplugin_use l\n",
    );
    let used: Vec<_> = config.listeners.iter().map(|it| it.access.plugins.clone()).collect();
    assert_eq!(used, [vec![0, 2], vec![0, 1]]);
    let option = &config.plugins[2].options[0];
    assert_eq!((option.0.as_str(), option.1.expose()), ("key", "a value"));
    assert_eq!(config.plugins[1].name.as_deref(), Some("l"));
}
