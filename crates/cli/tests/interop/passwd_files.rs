//! `mosquitto_passwd` of both makers: what it prints and how it ends, and that each broker reads what it may read.

use std::path::Path;

use tempfile::TempDir;

use crate::kit::{Broker, Conf};
use crate::pairs::{Pair, for_every_pair};
use crate::runner::{self, Output};
use crate::toolbox::{Maker, Toolbox};

for_every_pair!(crate::pairs::Pair::new; every_broker_reads_the_file);

/// Runs the tool in a folder.
fn passwd(tools: &Toolbox, folder: &TempDir, line: &str, typed: &str) -> Output {
    let mut command = tools.command("mosquitto_passwd");
    runner::run_with(command.args(line.split(' ')).current_dir(folder.path()), typed)
}

fn read(folder: &TempDir, name: &str) -> String {
    std::fs::read_to_string(folder.path().join(name)).expect("the tool made it")
}

/// What both makers do alike.
fn behaviour(tools: &Toolbox) {
    let folder = TempDir::new().unwrap();
    let run = |line: &str, typed: &str| passwd(tools, &folder, line, typed);
    let prompts = |output: &Output| {
        let said = format!("{}{}", output.stdout, output.stderr);
        said.contains("Password: ") && said.contains("Reenter password: ")
    };
    let made = run("-c file username", "expert\nexpert\n");
    assert!(made.code == Some(0) && prompts(&made), "{made:?}");
    assert!(read(&folder, "file").starts_with("username:$"), "{}", read(&folder, "file"));
    let before = read(&folder, "file");
    let mismatch = run("file username", "expert\nother\n");
    assert_eq!(mismatch.code, Some(2), "{mismatch:?}");
    assert!(mismatch.stderr.contains("Error: Passwords do not match."), "{mismatch:?}");
    assert_eq!(read(&folder, "file"), before);
    let colon = run("-b file a:b password", "");
    assert_eq!(colon.code, Some(1), "{colon:?}");
    assert!(colon.stderr.contains("must not contain the ':' character"), "{colon:?}");
    assert_eq!(run("-b file second password", "").code, Some(0));
    assert_eq!(read(&folder, "file").lines().count(), 2);
    assert_eq!(run("-D file username", "").code, Some(0));
    assert!(read(&folder, "file").starts_with("second:$"));
    let nobody = run("-D file nobody", "");
    assert_eq!(nobody.code, Some(1), "{nobody:?}");
    assert!(nobody.stderr.contains("Warning: User nobody not found in password file."), "{nobody:?}");
    std::fs::write(folder.path().join("plain"), "one:eins\ntwo:zwei\n").unwrap();
    assert_eq!(run("-U plain", "").code, Some(0));
    let hashed = read(&folder, "plain");
    assert!(hashed.lines().all(|line| line.contains(":$")) && !hashed.contains("zwei"), "{hashed}");
    assert_eq!(run("-b file", "").code, Some(1));
}

#[test]
fn foreign_passwd_of_debian() {
    Toolbox::new(Maker::Debian).iter().for_each(behaviour);
}

#[test]
fn our_passwd() {
    behaviour(&Toolbox::ours());
}

fn logs_in(pair: &Pair, broker: &Broker, user: &str, password: &str) -> bool {
    let line = format!("mosquitto_pub -t t -m x -u {user} -P {password}");
    match pair.run(broker, &line).code {
        Some(0) => true,
        Some(5) => false,
        other => panic!("exit code {other:?}"),
    }
}

/// A file with every kind of hash that this pair shares, one user each, all with the password `geheim`.
fn file_of_hashes(pair: &Pair, folder: &TempDir) -> Vec<String> {
    let hashes: &[&str] = match (pair.tools.maker(), pair.broker.maker()) {
        (Maker::Debian, _) => &[""],
        (Maker::Ours, Maker::Debian) => &["-H sha512 "],
        (Maker::Ours, Maker::Ours) => &["", "-H sha512 ", "-H sha512-pbkdf2 ", "-H argon2id ", "-I 300 "],
    };
    let users: Vec<String> = (0..hashes.len()).map(|number| format!("user{number}")).collect();
    for (hash, user) in hashes.iter().zip(&users) {
        let create = if Path::new(&folder.path().join("file")).exists() { "" } else { "-c " };
        let line = format!("{hash}{create}-b file {user} geheim");
        let made = passwd(&pair.tools, folder, &line, "");
        assert_eq!(made.code, Some(0), "{line}: {made:?}");
    }
    users
}

/// Every hash of the tool's lets its user in, and nobody with another password.
fn every_broker_reads_the_file(pair: &Pair) {
    let folder = TempDir::new().unwrap();
    let users = file_of_hashes(pair, &folder);
    let broker = pair.start(Conf::accounts().file("passwd", read(&folder, "file")));
    for user in &users {
        assert!(logs_in(pair, &broker, user, "geheim"), "{user}");
        assert!(!logs_in(pair, &broker, user, "Geheim"), "{user}");
    }
}
