//! What the tools print and how they end: recorded from Debian's, required of every pair.
//!
//! The rows are the ones of the seed's table: refusals, denied publications, debug lines, and mistakes on the command
//! line.

use crate::kit::Conf;
use crate::notes;
use crate::pairs::{Pair, for_every_pair};
use crate::runner::{self, Output};
use crate::toolbox::{Maker, Toolbox};

for_every_pair!(
    crate::pairs::Pair::new;
    wrong_password,
    denied_publication,
    publisher_debug_lines,
    subscriber_debug_lines,
    restricted_subscriber,
    assigned_client_id,
    output_formats,
    nothing_arrives,
    no_broker,
    request_and_response,
);

/// A broker for `user` only, who may write to `test` and read it.
fn accounts() -> Conf {
    Conf::empty()
        .line("user root")
        .line("listener {port} 127.0.0.1")
        .line("allow_anonymous false")
        .line("password_file {dir}/passwd")
        .file("passwd", notes::ACCOUNTS)
        .acl("user user\ntopic readwrite test\n")
}

/// Code 5, and 135 in MQTT 5: not 4 and 134, which would tell that the name exists.
fn wrong_password(pair: &Pair) {
    let broker = pair.start(accounts());
    let refused = "Connection error: Connection Refused: not authorised.\n";
    let refused_5 = "Connection error: Not authorized\n";
    let publish_5 =
        format!("{refused_5}Error: A network protocol error occurred when communicating with the broker.\n");
    let publish = format!("{refused}Error: The connection was refused.\n");
    for account in ["-u user -P wrong", "-u nobody -P expert", "-u user"] {
        let rows = [
            (format!("mosquitto_sub -t # {account}"), Output::new(5, "", refused)),
            (format!("mosquitto_sub -t # {account} -V 31"), Output::new(5, "", refused)),
            (format!("mosquitto_sub -t # {account} -V 5"), Output::new(135, "", refused_5)),
            (format!("mosquitto_pub -t test -m x {account}"), Output::new(5, "", &*publish)),
            (format!("mosquitto_pub -t test -m x {account} -V 5"), Output::new(135, "", &*publish_5)),
        ];
        for (line, expected) in rows {
            pair.expect(&broker, &line, expected);
        }
    }
}

/// Silence for QoS 0 and for MQTT 3.1.1; a warning where MQTT 5 can say it. Exit code 0 each time.
fn denied_publication(pair: &Pair) {
    let broker = pair.start(accounts());
    let line = "mosquitto_pub -t denied -m x -u user -P expert -i probe";
    pair.expect(&broker, line, Output::new(0, "", ""));
    pair.expect(&broker, &format!("{line} -q 1"), Output::new(0, "", ""));
    let debug = |reason: u8| {
        format!(
            "Client probe sending CONNECT\n\
             Client probe received CONNACK (0)\n\
             Client probe sending PUBLISH (d0, q1, r0, m1, 'denied', ... (1 bytes))\n\
             Client probe received PUBACK (Mid: 1, RC:{reason})\n\
             Client probe sending DISCONNECT\n"
        )
    };
    pair.expect(&broker, &format!("{line} -q 1 -d"), Output::new(0, debug(0), ""));
    let warning = "Warning: Publish 1 failed: Not authorized.\n";
    pair.expect(&broker, &format!("{line} -q 1 -d -V 5"), Output::new(0, debug(135), warning));
}

fn publisher_debug_lines(pair: &Pair) {
    let broker = pair.start(Conf::open());
    let rows = [
        ("-q 0", "sending PUBLISH (d0, q0, r0, m1, 'demo/try', ... (4 bytes))\n"),
        (
            "-q 1",
            "sending PUBLISH (d0, q1, r0, m1, 'demo/try', ... (4 bytes))\n\
             Client probe received PUBACK (Mid: 1, RC:0)\n",
        ),
        (
            "-q 2",
            "sending PUBLISH (d0, q2, r0, m1, 'demo/try', ... (4 bytes))\n\
             Client probe received PUBREC (Mid: 1)\n\
             Client probe sending PUBREL (m1)\n\
             Client probe received PUBCOMP (Mid: 1, RC:0)\n",
        ),
    ];
    for version in ["31", "311"] {
        for (qos, lines) in rows {
            let line = format!("mosquitto_pub -d -i probe -t demo/try -m four -V {version} {qos}");
            let expected = format!(
                "Client probe sending CONNECT\nClient probe received CONNACK (0)\n\
                 Client probe {lines}Client probe sending DISCONNECT\n"
            );
            pair.expect(&broker, &line, Output::new(0, expected, ""));
        }
    }
}

/// A subscriber that finds a retained message.
fn subscriber_debug_lines(pair: &Pair) {
    let broker = pair.start(Conf::open());
    let retain = "mosquitto_pub -t demo/try -m four -q 1 -r";
    pair.expect(&broker, retain, Output::new(0, "", ""));
    let expected = "Client probe sending CONNECT\n\
                    Client probe received CONNACK (0)\n\
                    Client probe sending SUBSCRIBE (Mid: 1, Topic: #, QoS: 0, Options: 0x00)\n\
                    Client probe received SUBACK\n\
                    Subscribed (mid: 1): 0\n\
                    Client probe received PUBLISH (d0, q0, r1, m0, 'demo/try', ... (4 bytes))\n\
                    four\n\
                    Client probe sending DISCONNECT\n";
    let line = "mosquitto_sub -d -i probe -t # -C 1";
    pair.expect(&broker, line, Output::new(0, expected, ""));
}

/// A filter that is wider than the access rules is granted; the rules hold for what is delivered.
fn restricted_subscriber(pair: &Pair) {
    let broker = pair.start(accounts());
    let expected = "Client probe sending CONNECT\n\
                    Client probe received CONNACK (0)\n\
                    Client probe sending SUBSCRIBE (Mid: 1, Topic: #, QoS: 0, Options: 0x00)\n\
                    Client probe received SUBACK\n\
                    Subscribed (mid: 1): 0\n\
                    Client probe sending DISCONNECT\n";
    let line = "mosquitto_sub -d -i probe -t # -W 1 -u user -P expert";
    pair.expect(&broker, line, Output::new(27, expected, "Timed out\n"));
}

/// In MQTT 5 the broker gives the name, and the tool uses it from then on.
fn assigned_client_id(pair: &Pair) {
    let broker = pair.start(Conf::open());
    let output = pair.run(&broker, "mosquitto_pub -d -t demo/try -m four -V 5");
    let text = output.success();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("Client (null) sending CONNECT"), "{text}");
    let second = lines.next().expect("a second line");
    let id = second.strip_prefix("Client ").and_then(|rest| rest.strip_suffix(" received CONNACK (0)"));
    let id = id.unwrap_or_else(|| panic!("{text}"));
    assert!(id.starts_with("auto-") && id.len() == 41, "{id}");
    let rest: Vec<&str> = lines.collect();
    let expected = [
        format!("Client {id} sending PUBLISH (d0, q0, r0, m1, 'demo/try', ... (4 bytes))"),
        format!("Client {id} sending DISCONNECT"),
    ];
    assert_eq!(rest, expected);
}

fn output_formats(pair: &Pair) {
    let broker = pair.start(Conf::open());
    let messages = [("a/1", "-m two"), ("a/2", "-m {\"k\":[1,2]}")];
    for (topic, message) in messages {
        let line = format!("mosquitto_pub -t {topic} {message} -q 1 -r");
        pair.expect(&broker, &line, Output::new(0, "", ""));
    }
    let rows = [
        ("-t a/1", "two\n"),
        ("-t a/1 -v", "a/1 two\n"),
        ("-t a/1 -N", "two"),
        ("-t a/1 -F %t|%p|%q|%r|%l|%m|%%", "a/1|two|0|1|3|0|%\n"),
        ("-t a/1 -F %x:%X", "74776f:74776F\n"),
        ("-t a/1 -F [%8t][%-8p][%08l]", "[     a/1][two     ][00000003]\n"),
        ("-t a/1 -F a\\tb\\\\c", "a\tb\\c\n"),
        ("-t a/2 -q 1 -F %q%r", "11\n"),
    ];
    for (arguments, expected) in rows {
        let line = format!("mosquitto_sub -C 1 {arguments}");
        pair.expect(&broker, &line, Output::new(0, expected, ""));
    }
    let json = pair.run(&broker, "mosquitto_sub -C 1 -t a/2 -q 1 -F %J").success();
    // Ours are the tools of 2.1, where this became a truth value.
    let retain = if pair.tools.maker() == Maker::Ours { "true" } else { "1" };
    let wanted = format!(
        "\"topic\":\"a/2\",\"qos\":1,\"retain\":{retain},\"payloadlen\":11,\"mid\":1,\"payload\":{{\"k\":[1,2]}}}}\n"
    );
    let (time, rest) = json.split_once(',').expect("several fields");
    assert!(time.starts_with("{\"tst\":\"20"), "{json}");
    assert_eq!(rest, wanted);
}

fn nothing_arrives(pair: &Pair) {
    let broker = pair.start(Conf::open());
    for version in ["31", "311", "5"] {
        let line = format!("mosquitto_sub -t none -W 1 -V {version}");
        pair.expect(&broker, &line, Output::new(27, "", "Timed out\n"));
    }
}

fn no_broker(pair: &Pair) {
    // A port that is ours and that nobody listens on.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    drop(taken);
    for (tool, arguments) in [
        ("mosquitto_pub", ["-t", "a", "-m", "b"].as_slice()),
        ("mosquitto_sub", &["-t", "a"]),
        ("mosquitto_rr", &["-t", "a", "-m", "b", "-e", "c"]),
    ] {
        let output = runner::run(&mut pair.tools.tool(tool, port, arguments));
        assert_eq!(output, Output::new(1, "", "Error: Connection refused\n"), "{tool}");
    }
}

/// One tool asks, another hears the question with its properties and answers.
fn request_and_response(pair: &Pair) {
    let broker = pair.start(Conf::open());
    let port = broker.port();
    // A retained message tells when the responder is subscribed.
    let marker = "mosquitto_pub -t ready -m ready -r -q 1";
    pair.expect(&broker, marker, Output::new(0, "", ""));
    let wait = ["-t", "ask", "-t", "ready", "-V", "5", "-F", "%p %R %D", "-C", "2"];
    let mut responder = runner::Task::start(&mut pair.tools.tool("mosquitto_sub", port, &wait));
    responder.wait_stdout("ready");
    let question = [
        "-t",
        "ask",
        "-e",
        "answer",
        "-m",
        "question",
        "-D",
        "publish",
        "correlation-data",
        "17",
        "-W",
        "30",
    ];
    let mut asker = runner::Task::start(&mut pair.tools.tool("mosquitto_rr", port, &question));
    let heard = responder.end().success();
    assert!(heard.ends_with("\nquestion answer 17\n"), "{heard}");
    assert!(asker.runs(), "{}", asker.stderr());
    let answer = "mosquitto_pub -V 5 -t answer -m 42 -q 1";
    pair.expect(&broker, answer, Output::new(0, "", ""));
    assert_eq!(asker.end(), Output::new(0, "42\n", ""));
}

/// Mistakes that need no broker.
fn mistakes(tools: &Toolbox) {
    let rows = [
        ("mosquitto_pub -h no.such.host.invalid -t a -m b", "Unable to connect (Lookup error.).\n"),
        ("mosquitto_pub -m b", "Error: Both topic and message must be supplied.\n"),
        ("mosquitto_pub -t a", "Error: Both topic and message must be supplied.\n"),
        ("mosquitto_sub", "Error: You must specify a topic to subscribe to.\n"),
        ("mosquitto_pub -t a/# -m b", "Error: Invalid publish topic 'a/#', does it contain '+' or '#'?\n"),
        (
            "mosquitto_sub -t a/#/b",
            "Error: Invalid subscription topic 'a/#/b', are all '+' and '#' wildcards correct?\n",
        ),
        ("mosquitto_pub -t a -m b -q 3", "Error: Invalid QoS given: 3\n"),
        ("mosquitto_pub -p 70000 -t a -m b", "Error: Invalid port given: 70000\n"),
        ("mosquitto_sub -t a --nonsense", "Error: Unknown option '--nonsense'.\n"),
        ("mosquitto_sub -t", "Error: -t argument given but no topic specified.\n"),
    ];
    for (line, message) in rows {
        let mut words = line.split(' ');
        let mut command = tools.command(words.next().unwrap());
        let output = runner::run(command.args(words));
        assert_eq!(output.code, Some(1), "{line}: {output:?}");
        assert!(output.stderr.contains(message), "{line}: {output:?}");
    }
}

#[test]
fn foreign_mistakes_on_the_command_line_of_debian() {
    Toolbox::new(Maker::Debian).iter().for_each(mistakes);
}

#[test]
fn mistakes_on_our_command_line() {
    mistakes(&Toolbox::ours());
}

/// What public brokers do: exactly `#` is refused, anything narrower is granted.
fn refused_filter(tools: &Toolbox) {
    let broker = Conf::open().own_line("refuse_subscribe #").start();
    let port = broker.port();
    crate::kit::client::plain(&broker, "keeps").publish_retained("xpert2018/demo", "kept", 1);
    for version in ["311", "5"] {
        let all = ["-t", "#", "-V", version, "-W", "20"];
        let output = runner::run(&mut tools.tool("mosquitto_sub", port, &all));
        let refused = "All subscription requests were denied.\n";
        assert_eq!(output.stderr, refused, "version {version}: {output:?}");
    }
    // The SUBACK of MQTT 3.1 cannot refuse: the filter is granted and matches nothing.
    let old = runner::run(&mut tools.tool("mosquitto_sub", port, &["-t", "#", "-V", "31", "-W", "1"]));
    assert_eq!(old, Output::new(27, "", "Timed out\n"));
    let narrow = ["-t", "xpert2018/#", "-E", "-d", "-i", "n"];
    let output = runner::run(&mut tools.tool("mosquitto_sub", port, &narrow)).success();
    assert!(output.contains("Subscribed (mid: 1): 0\n"), "{output}");
}

#[test]
fn foreign_tools_hear_that_everything_is_refused() {
    if crate::kit::broker::ours() {
        Toolbox::new(Maker::Debian).iter().for_each(refused_filter);
    }
}

#[test]
fn our_tools_hear_that_everything_is_refused() {
    if crate::kit::broker::ours() {
        refused_filter(&Toolbox::ours());
    }
}
