//! The program by itself: names, help, mistakes, brokers that are not there.

use crate::program::{Ended, Maker, run, words};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

fn pondhawk(line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pondhawk")).args(words(line)).output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn help_and_version_end_with_one() {
    for tool in ["pub", "sub", "rr"] {
        let help = run(Maker::Ours, &format!("{tool} --help"));
        assert_eq!((help.code, help.err.as_str()), (Some(1), ""));
        assert!(help.out.contains(&format!("\nUsage: mosquitto_{tool} ")), "{}", help.out);
        let version = run(Maker::Ours, &format!("{tool} --version"));
        assert_eq!((version.code, version.err.as_str()), (Some(1), ""));
        assert!(version.out.starts_with(&format!("mosquitto_{tool} version ")), "{}", version.out);
    }
}

#[test]
fn a_broker_that_is_not_there() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let port = listener.local_addr().expect("bound").port();
    drop(listener);
    let err = "Error: Connection refused\n".to_owned();
    let refused = Ended { code: Some(1), out: String::new(), err };
    assert_eq!(run(Maker::Ours, &format!("pub -h 127.0.0.1 -p {port} -t a -m x")), refused);
    assert_eq!(run(Maker::Ours, &format!("sub -h 127.0.0.1 -p {port} -t a")), refused);
    let quiet = Ended { err: String::new(), ..refused };
    assert_eq!(run(Maker::Ours, &format!("rr -h 127.0.0.1 -p {port} -t a -e b -m x --quiet")), quiet);
}

#[test]
fn what_this_build_cannot_do_is_said() {
    for (line, part) in [
        ("sub -t a -S", "cannot look up SRV records"),
        ("sub -t a --tls-use-os-certs", "has no TLS yet"),
        ("sub -t a -p 8883", "has no TLS yet"),
        ("sub -L mqtts://host/a", "has no TLS yet"),
        ("sub -t a --psk 00 --psk-identity me", "has no TLS yet"),
    ] {
        let ended = run(Maker::Ours, line);
        assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""));
        assert!(ended.err.contains(part), "{line}: {}", ended.err);
    }
}

#[test]
fn subcommands_are_the_tools() {
    let called = run(Maker::Ours, "sub -t a/#/b");
    let output = pondhawk("sub -t a/#/b");
    assert_eq!((output.status.code(), text(&output.stderr)), (called.code, called.err));
    let unknown = pondhawk("bogus");
    assert_eq!(unknown.status.code(), Some(1));
    assert!(text(&unknown.stderr).contains("Unknown command 'bogus'"));
    assert!(text(&pondhawk("help").stdout).contains("install-names DIRECTORY"));
    assert!(text(&pondhawk("--version").stdout).starts_with("pondhawk "));
}

#[test]
fn installed_names_work() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = directory.path().to_str().expect("UTF-8");
    let installed = pondhawk(&format!("install-names {place}"));
    assert_eq!((installed.status.code(), text(&installed.stderr)), (Some(0), String::new()));
    for name in ["mosquitto_pub", "mosquitto_sub", "mosquitto_rr"] {
        let output =
            Command::new(Path::new(place).join(name)).arg("--version").output().expect("the link works");
        assert!(text(&output.stdout).starts_with(&format!("{name} version ")));
    }
    assert!(directory.path().join("mosquitto").is_symlink());
    assert!(directory.path().join("mosquitto_passwd").is_symlink());
    assert_eq!(pondhawk("install-names /dev/null/x").status.code(), Some(1));
    assert_eq!(pondhawk("install-names").status.code(), Some(1));
}

#[test]
fn pages_and_completions_come_out() {
    for page in ["mosquitto_pub", "sub", "mosquitto_rr", "mosquitto.conf"] {
        assert!(text(&pondhawk(&format!("man {page}")).stdout).contains(".SH NAME"), "{page}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = text(&pondhawk(&format!("completions {shell}")).stdout);
        assert!(script.contains("mosquitto_pub") && script.contains("retain-handling"), "{shell}");
    }
    assert_eq!(pondhawk("completions tcsh").status.code(), Some(1));
    assert_eq!(pondhawk("man bogus").status.code(), Some(1));
}

/// The shell itself reads the completions.
#[test]
fn bash_accepts_its_completions() {
    let script = pondhawk("completions bash").stdout;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("completions");
    std::fs::write(&file, script).expect("written");
    let checked = Command::new("bash").arg("-n").arg(&file).output().expect("bash is there");
    assert_eq!(text(&checked.stderr), "");
}
