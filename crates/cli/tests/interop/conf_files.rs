//! Configuration files as they are found in the world: Debian's main file with its folder, a container's short file,
//! and the long kind in which nearly everything is commented out.

use crate::kit::{SECOND, poll};
use crate::notes;
use crate::runner::{self, Output, Task};
use crate::space::Space;
use crate::toolbox::Toolbox;

const DEBIAN: &str = include_str!("conf/debian.conf");
const CONTAINER: &str = include_str!("conf/container.conf");

const REFUSED: &str = "Connection error: Connection Refused: not authorised.\n";

/// A space with our programs and Debian's layout of files.
fn debian(lines_before: &str) -> Option<(Space, Toolbox)> {
    let space = Space::open()?;
    let etc = space.etc();
    std::fs::write(etc.join("mosquitto.conf"), format!("{lines_before}{DEBIAN}")).unwrap();
    std::fs::write(etc.join("conf.d/default.conf"), notes::AUTHENTICATION).unwrap();
    // Only what ends in `.conf` is read.
    std::fs::write(etc.join("conf.d/README"), "this is no option\n").unwrap();
    Some((space, Toolbox::ours()))
}

/// The notes' two lines, in the place where the notes want them, keep everybody without a name out.
#[test]
fn the_notes_two_lines_keep_anonymous_clients_out() {
    let Some((space, tools)) = debian("") else { return };
    let mut command = space.line(&tools, notes::command(notes::MAKE_PASSWORD_FILE));
    runner::run_with(&mut command, "expert\nexpert\n").success();
    let line = "mosquitto -c /etc/mosquitto/mosquitto.conf";
    let broker = space.broker(&tools, line, 1883);
    // Debian's file has no `listener` line: Mosquitto 2.0 then lets everybody in, whatever the two lines say.
    let anonymous = space.run(&tools, "mosquitto_sub -h 127.0.0.1 -t test -W 20");
    assert_eq!(anonymous, Output::new(5, "", REFUSED));
    let publish = "mosquitto_pub -h 127.0.0.1 -t test -m x -q 1 -u username -P expert";
    assert_eq!(space.run(&tools, publish), Output::new(0, "", ""));
    let pid = space.run(&tools, "cat /run/mosquitto/mosquitto.pid").success();
    assert_eq!(pid.trim().parse(), Ok(broker.pid()));
    let log = std::fs::read_to_string(space.log().join("mosquitto.log")).expect("the log file");
    assert!(log.contains("terminating") != log.contains(" running"), "{log}");
}

/// Debian's file says `persistence true`, in a folder that the broker's user owns.
#[test]
fn what_debian_s_file_keeps_outlives_the_broker() {
    let Some((space, tools)) = debian("persistence true\n") else {
        return;
    };
    let mut command = space.line(&tools, notes::command(notes::MAKE_PASSWORD_FILE));
    runner::run_with(&mut command, "expert\nexpert\n").success();
    let line = "mosquitto -c /etc/mosquitto/mosquitto.conf";
    let broker = space.broker(&tools, line, 1883);
    let publish = "mosquitto_pub -h 127.0.0.1 -t kept -m x -r -q 1 -u username -P expert";
    assert_eq!(space.run(&tools, publish), Output::new(0, "", ""));
    drop(broker);
    let _broker = space.broker(&tools, line, 1883);
    let subscribe = "mosquitto_sub -h 127.0.0.1 -t kept -C 1 -W 20 -u username -P expert";
    assert_eq!(space.run(&tools, subscribe), Output::new(0, "x\n", ""));
}

#[test]
fn a_bad_line_in_an_included_file_is_named() {
    let Some((space, tools)) = debian("") else { return };
    std::fs::write(space.etc().join("conf.d/later.conf"), "# one\nnonsense 1\n").unwrap();
    let output = space.run(&tools, "mosquitto -c /etc/mosquitto/mosquitto.conf");
    assert_eq!(output.code, Some(3), "{output:?}");
    let place = "Error found at /etc/mosquitto/conf.d/later.conf:2.";
    assert!(output.stderr.contains(place), "{output:?}");
}

/// A file with comments of every odd kind around each line of another file.
fn commented_out(lines: &str) -> Vec<u8> {
    let odd = [
        "# =================================================================",
        "#listener 1884 no.such.host",
        "#\tpersistence\ttrue",
        "# \"quotes\", 'more', `more`, \\backslashes\\ and %percent $dollar {braces}",
        "# Umlaute: \u{e4}\u{f6}\u{fc}, \u{221e}, \u{1f985}",
        "#nonsense that would be an error",
        "#",
        "",
        "   ",
    ];
    let mut out = Vec::new();
    for line in lines.lines() {
        for _ in 0..4 {
            for comment in odd {
                out.extend_from_slice(comment.as_bytes());
                out.push(b'\n');
            }
            // Not UTF-8: an old file's Latin-1.
            out.extend_from_slice(b"# caf\xE9\n");
        }
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }
    out
}

/// The same broker comes out of the short file and of the long one.
fn accounts_from(content: &[u8]) {
    let Some(space) = Space::open() else { return };
    let tools = Toolbox::ours();
    let files = [
        ("passwd", notes::ACCOUNTS.as_bytes()),
        ("acl", b"user user\ntopic read test\n"),
        ("test.conf", content),
    ];
    for (name, content) in files {
        std::fs::write(space.etc().join(name), content).unwrap();
    }
    let check = space.run(&tools, "mosquitto -c /etc/mosquitto/test.conf --test-config");
    assert_eq!(check.code, Some(0), "{check:?}");
    let said = format!("{}{}", check.stdout, check.stderr);
    assert!(said.contains("Configuration file is OK."), "{check:?}");
    let _broker = space.broker(&tools, "mosquitto -c /etc/mosquitto/test.conf", 1883);
    let anonymous = space.run(&tools, notes::command(notes::SUBSCRIBE_TO_ALL));
    assert_eq!(anonymous, Output::new(5, "", REFUSED));
    let denied = "mosquitto_pub -h 127.0.0.1 -t test -m x -q 1 -V 5 -u user -P expert";
    let warning = "Warning: Publish 1 failed: Not authorized.\n";
    assert_eq!(space.run(&tools, denied), Output::new(0, "", warning));
}

#[test]
fn a_short_file_of_the_past_loads() {
    assert_eq!(CONTAINER.lines().count(), 37);
    accounts_from(CONTAINER.as_bytes());
}

#[test]
fn a_long_file_of_comments_loads() {
    let long = commented_out(CONTAINER);
    assert!(long.len() > 37_000, "{}", long.len());
    accounts_from(&long);
}

/// Debian ships the long file as an example; every line of it is a comment.
#[test]
fn foreign_example_of_debian_loads() {
    let path = "/usr/share/doc/mosquitto/examples/mosquitto.conf";
    let Ok(example) = std::fs::read(path) else {
        eprintln!("skipped: no {path}; some images leave documentation out");
        return;
    };
    accounts_from(&[&example, CONTAINER.as_bytes()].concat());
}

/// A signal makes the broker read its files again; one that keeps its old file says why.
#[test]
fn a_changed_file_of_the_folder_is_read_again() {
    let Some((space, tools)) = debian("user root\nsys_interval 1\n") else {
        return;
    };
    std::fs::write(space.etc().join("passwd"), notes::ACCOUNTS).unwrap();
    let line = "mosquitto -c /etc/mosquitto/mosquitto.conf";
    let broker = space.broker(&tools, line, 1883);
    let sub = "mosquitto_sub -h 127.0.0.1 -t '$SYS/broker/uptime' -t test -u user -P expert";
    let mut stays: Task = space.start(&tools, sub);
    stays.wait_stdout(" seconds");
    let open = "allow_anonymous true\npassword_file /etc/mosquitto/passwd\n";
    std::fs::write(space.etc().join("conf.d/default.conf"), open).unwrap();
    broker.signal("HUP");
    let publish = "mosquitto_pub -h 127.0.0.1 -t test -m 'without a name'";
    let let_in = poll(20 * SECOND, || (space.run(&tools, publish).code == Some(0)).then_some(()));
    assert!(let_in.is_some(), "the new file is not in force");
    stays.wait_stdout("without a name\n");
    assert_eq!(stays.stop("TERM").code, Some(0));
}
