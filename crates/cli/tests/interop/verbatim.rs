//! The notes' commands, unchanged, with each pair of broker and tools.
//!
//! Debian's tools with Debian's broker are the reference: every other pair must print the same and end with the same
//! exit code, and all of them what was recorded. The commands need port 1883, host names and `/etc/mosquitto`, which
//! they find in a [`Space`].

use crate::notes;
use crate::pairs::for_every_pair;
use crate::runner::{self, Output};
use crate::space::{Space, SpaceBroker};
use crate::toolbox::{Maker, Toolbox};

/// Broker and tools.
struct Pair {
    broker: Toolbox,
    tools: Toolbox,
    space: Space,
}

impl Pair {
    #[track_caller]
    fn new(broker: Maker, tools: Maker) -> Option<Self> {
        Some(Self { broker: Toolbox::new(broker)?, tools: Toolbox::new(tools)?, space: Space::open()? })
    }

    /// Starts the broker on port 1883 with a configuration.
    #[track_caller]
    fn start(&self, conf: &str) -> SpaceBroker {
        self.write("test.conf", conf);
        let line = "mosquitto -c /etc/mosquitto/test.conf";
        self.space.broker(&self.broker, line, 1883)
    }

    fn write(&self, name: &str, content: &str) {
        std::fs::write(self.space.etc().join(name), content).expect("our own folder");
    }

    #[track_caller]
    fn run(&self, line: &str) -> Output {
        self.space.run(&self.tools, line)
    }

    /// Starts a subscriber and waits until it is one: a retained message tells.
    #[track_caller]
    fn subscriber(&self, line: &str) -> runner::Task {
        let mut task = self.space.start(&self.tools, line);
        task.wait_stdout("ready yes\n");
        task
    }
}

for_every_pair!(
    super::Pair::new;
    open_broker,
    broker_with_accounts,
    anonymous_is_refused,
    password_file,
);

/// What everybody prints who is not let in.
const REFUSED: &str = "Connection error: Connection Refused: not authorised.\n";

/// Anybody may do everything: both subscribers see both messages and nothing of `$SYS`.
fn open_broker(pair: &Pair) {
    let _broker = pair.start("user root\nlistener 1883\nallow_anonymous true\n");
    let marker = pair.run("mosquitto_pub -h localhost -t ready -m yes -r -q 1");
    assert_eq!(marker, Output::new(0, "", ""));
    let to_all = pair.subscriber(notes::command(notes::SUBSCRIBE_TO_ALL));
    let as_user = pair.subscriber(notes::command(notes::SUBSCRIBE_AS_USER));
    for number in [notes::PUBLISH_HI, notes::PUBLISH_HELLO] {
        let output = pair.run(notes::command(number));
        assert_eq!(output, Output::new(0, "", ""), "{}", notes::command(number));
    }
    let seen = "ready yes\nxpert2018/demo/chal hi there\ntest hello world\n";
    for mut task in [to_all, as_user] {
        task.wait_stdout("hello world\n");
        assert_eq!(task.stop("TERM"), Output::new(0, seen, ""));
    }
}

/// `user` sees what the access rules let through, though the subscription to `#` is granted.
fn broker_with_accounts(pair: &Pair) {
    let lines = ["user root", "listener 1883", "log_dest none"].join("\n");
    let files = "password_file /etc/mosquitto/passwd\nacl_file /etc/mosquitto/acl\n";
    pair.write("passwd", notes::ACCOUNTS);
    pair.write("acl", "user user\ntopic readwrite ready\ntopic readwrite test\ntopic write secret\n");
    let _broker = pair.start(&format!("{lines}\n{}{files}", "allow_anonymous false\n"));
    let account = "-u user -P expert";
    let marker = format!("mosquitto_pub -h localhost -t ready -m yes -r -q 1 {account}");
    assert_eq!(pair.run(&marker), Output::new(0, "", ""));
    let mut task = pair.subscriber(notes::command(notes::SUBSCRIBE_AS_USER));
    let secret = format!("mosquitto_pub -h localhost -t secret -m no -q 1 {account}");
    assert_eq!(pair.run(&secret), Output::new(0, "", ""));
    let hello = pair.run(notes::command(notes::PUBLISH_HELLO));
    assert_eq!(hello, Output::new(0, "", ""));
    task.wait_stdout("hello world\n");
    let seen = "ready yes\ntest hello world\n";
    assert_eq!(task.stop("TERM"), Output::new(0, seen, ""));
}

/// The lines without a name are refused with code 5, and with 135 in MQTT 5.
fn anonymous_is_refused(pair: &Pair) {
    pair.write("passwd", notes::ACCOUNTS);
    let _broker = pair.start(&format!("user root\nlistener 1883\n{}", notes::AUTHENTICATION));
    let subscribe = notes::command(notes::SUBSCRIBE_TO_ALL);
    assert_eq!(pair.run(subscribe), Output::new(5, "", REFUSED));
    let with_5 = pair.run(&format!("{subscribe} -V 5"));
    assert_eq!(with_5, Output::new(135, "", "Connection error: Not authorized\n"));
    let publish = pair.run(notes::command(notes::PUBLISH_HI));
    let refused = format!("{REFUSED}Error: The connection was refused.\n");
    assert_eq!(publish, Output::new(5, "", refused));
    assert_eq!(pair.run(notes::command(notes::PUBLISH_HELLO)), Output::new(0, "", ""));
}

/// The notes' own way to a password file; then its account is let in and a wrong password is not.
fn password_file(pair: &Pair) {
    let mut command = pair.space.line(&pair.tools, notes::command(notes::MAKE_PASSWORD_FILE));
    let made = runner::run_with(&mut command, "expert\nexpert\n");
    assert_eq!(made.code, Some(0), "{made:?}");
    assert!(made.stdout.contains("Password: ") && made.stdout.contains("Reenter password: "), "{made:?}");
    if pair.broker.maker() == Maker::Debian && pair.tools.maker() == Maker::Ours {
        // Mosquitto 2.0 reads neither argon2id, our default, nor the long salts of 2.1; it reads this.
        let again = "mosquitto_passwd -H sha512 -c -b /etc/mosquitto/passwd username expert";
        assert_eq!(pair.run(again).code, Some(0));
    }
    let _broker = pair.start(&format!("user root\nlistener 1883\n{}", notes::AUTHENTICATION));
    let publish = "mosquitto_pub -h 127.0.0.1 -t test -m x -u username -P";
    assert_eq!(pair.run(&format!("{publish} expert")), Output::new(0, "", ""));
    let refused = format!("{REFUSED}Error: The connection was refused.\n");
    assert_eq!(pair.run(&format!("{publish} wrong")), Output::new(5, "", refused));
}
