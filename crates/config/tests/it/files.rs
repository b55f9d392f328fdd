//! Whole files: where they are found, in which order, and how a mistake in them is told.

use crate::memory_host::MemoryHost;
use pondhawk_config::*;
use std::path::PathBuf;
use std::time::Duration;

const MAIN: &str = "/etc/mosquitto/mosquitto.conf";

/// The main file as Debian installs it, in our own words.
const DEBIAN_MAIN: &str = "\
# Local settings belong into conf.d.

pid_file /run/mosquitto/mosquitto.pid

persistence true
persistence_location /var/lib/mosquitto/

log_dest file /var/log/mosquitto/mosquitto.log

include_dir /etc/mosquitto/conf.d
";

#[test]
fn the_notes_two_lines_keep_anonymous_clients_out() {
    let notes = "allow_anonymous false\npassword_file /etc/mosquitto/passwd\n";
    let host =
        MemoryHost::default().file(MAIN, DEBIAN_MAIN).file("/etc/mosquitto/conf.d/default.conf", notes);
    let config = host.load(MAIN).expect("the notes' configuration");
    assert_eq!(config.sources, [PathBuf::from(MAIN), "/etc/mosquitto/conf.d/default.conf".into()]);
    assert_eq!(config.pid_file, Some("/run/mosquitto/mosquitto.pid".into()));
    assert_eq!(config.persistence.location, Some("/var/lib/mosquitto/".into()));
    assert_eq!(config.logging.destinations.file, Some("/var/log/mosquitto/mosquitto.log".into()));
    assert!(config.local_only);
    assert_eq!(config.listeners.len(), 2);
    for listener in &config.listeners {
        assert!(!listener.access.allow_anonymous && listener.access.allow_anonymous_explicit);
        assert_eq!(listener.access.password_file, Some("/etc/mosquitto/passwd".into()));
    }
    let places: Vec<_> =
        unsupported(&config, Capabilities::NONE).iter().map(|it| it.place.to_string()).collect();
    assert_eq!(places, [format!("{MAIN}:5")]);
}

#[test]
fn a_long_file_of_comments_with_seven_live_lines() {
    let live = [
        "log_dest stdout",
        "log_type error",
        "log_type warning",
        "log_type subscribe",
        "allow_anonymous false",
        "password_file /mosquitto/config/passwd",
        "acl_file /mosquitto/config/acl",
    ];
    let comment =
        "# A comment as long as those of the original file, about one directive and its meaning.\n#\n";
    let mut text = String::new();
    for line in live {
        text.push_str(&comment.repeat(58));
        text.push_str("#\n# Default:\n#something else\n\n");
        text.push_str(line);
        text.push('\n');
    }
    assert!(text.len() > 36_000 && text.len() < 40_000, "{}", text.len());
    let config = Config::from_text(&text, "original.conf").expect("the original's configuration");
    assert_eq!(config.warnings, Vec::<String>::new());
    assert_eq!(unsupported(&config, Capabilities::NONE), []);
    assert_eq!(config.logging.types, LogTypes::ERROR | LogTypes::WARNING | LogTypes::SUBSCRIBE);
    assert!(config.logging.destinations.stdout && !config.logging.destinations.stderr);
    let access = &config.listeners[0].access;
    assert!(!access.allow_anonymous);
    assert_eq!(access.password_file, Some("/mosquitto/config/passwd".into()));
    assert_eq!(access.acl_file, Some("/mosquitto/config/acl".into()));
}

#[test]
fn a_mistake_in_an_included_file_names_both_files() {
    let host = MemoryHost::default()
        .file(MAIN, "allow_anonymous false\ninclude_dir /etc/mosquitto/conf.d\n")
        .file("/etc/mosquitto/conf.d/b.conf", "\nlistenr 1883\n");
    let error = host.load(MAIN).expect_err("a typo");
    assert_eq!(
        error.lines(),
        [
            "Error: Unknown configuration variable 'listenr'.",
            "Error found at /etc/mosquitto/conf.d/b.conf:2.",
            "Error found at /etc/mosquitto/mosquitto.conf:2.",
            "hint: did you mean 'listener'?",
        ]
    );
}

#[test]
fn included_files_are_read_in_mosquittos_order() {
    let host = ["b.conf", "B.conf", "a.conf", "A.conf", "10.conf", ".conf", "z.conf.bak", "notes.txt"]
        .iter()
        .fold(MemoryHost::default(), |host, name| host.file(&format!("/d/{name}"), "# nothing\n"))
        .file("/m.conf", "include_dir /d\n");
    let sources = host.load("/m.conf").expect("only comments").sources;
    assert_eq!(
        sources,
        ["/m.conf", "/d/10.conf", "/d/A.conf", "/d/a.conf", "/d/B.conf", "/d/b.conf"].map(PathBuf::from)
    );
}

#[test]
fn listeners_go_on_across_files_and_includes_are_followed_once() {
    let host = MemoryHost::default()
        .file("/m.conf", "listener 1884\ninclude_dir /d\n")
        .file("/d/a.conf", "max_connections 3\ninclude_dir /e\n")
        .file("/e/x.conf", "nonsense\n");
    let config = host.load("/m.conf").expect("one level of includes");
    assert_eq!(config.listeners[0].max_connections, Some(3));
    assert_eq!(config.warnings, ["Warning: 'include_dir' is only followed in the main file. (/d/a.conf:2)"]);
}

#[test]
fn files_that_cannot_be_read() {
    let host = MemoryHost::default().file("/m.conf", "include_dir /nowhere\n");
    let first_lines = |path: &str| {
        let error = host.load(path).expect_err("unreadable");
        assert_eq!(error.exit_code(), 3);
        error.lines()[..error.lines().len() - 1].to_vec()
    };
    assert_eq!(first_lines("/none.conf"), ["Error: Unable to open config file /none.conf."]);
    assert_eq!(first_lines("/"), ["Error: Config file / is a directory."]);
    let include = ["Error: Unable to open include_dir '/nowhere'.", "Error found at /m.conf:1."];
    assert_eq!(first_lines("/m.conf"), include);
    let empty = Config::from_text("include_dir\n", "t").expect_err("no directory");
    assert_eq!(empty.lines()[0], "Error: Empty 'include_dir' value in configuration.");
}

#[test]
fn the_environment_is_asked_through_the_host() {
    let host = MemoryHost::default()
        .file("/m.conf", "persistence_location /a\n")
        .variable("MOSQUITTO_PERSISTENCE_LOCATION", "/b")
        .variable("PUID", "1000")
        .variable("PGID", "100")
        .variable("UMASK_SET", "027")
        .variable("MOSQUITTO_UNSAFE_ALLOW_SYMLINKS", "1")
        .variable("WATCHDOG_USEC", "30000000")
        .variable("SNAP_NAME", "mosquitto");
    let config = host.load("/m.conf").expect("a good environment");
    assert_eq!(config.persistence.location, Some("/b".into()));
    assert_eq!(
        config.environment,
        Environment {
            puid: Some(1000),
            pgid: Some(100),
            umask: Some(0o027),
            allow_symlinks: true,
            watchdog: Some(Duration::from_secs(30)),
            snap: true,
        }
    );
    let bad = MemoryHost::default().file("/m.conf", "").variable("PUID", "me");
    let error = bad.load("/m.conf").expect_err("no number");
    assert_eq!(error.lines()[0], "Error: Invalid environment variable PUID (me).");
}

#[test]
fn the_real_file_system() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let args = BrokerArgs { config_file: Some(manifest.into()), ..BrokerArgs::default() };
    let error = load(&args, &SystemHost).expect_err("a manifest is no configuration");
    assert_eq!(error.lines()[0], "Error: Unknown configuration variable '[package]'.");
    assert_eq!(error.lines()[1], format!("Error found at {manifest}:1."));
    let folder = BrokerArgs { config_file: Some(env!("CARGO_MANIFEST_DIR").into()), ..BrokerArgs::default() };
    let error = load(&folder, &SystemHost).expect_err("a directory");
    assert!(error.lines()[0].ends_with(" is a directory."));
    assert!(SystemHost.list(env!("CARGO_MANIFEST_DIR").as_ref()).is_ok_and(|names| names.len() >= 2));
    assert_eq!(SystemHost.variable("CARGO_PKG_NAME").as_deref(), Some("pondhawk-config"));
}
