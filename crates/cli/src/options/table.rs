//! The table of flags: the one place that says which flags there are. The parser, the usage text, the man
//! pages and the completions are made from it.

use super::flag::{Action, Flag, Group};
use super::number::{leading_float, leading_int};
use super::settings::{Settings, Source};
use super::url;
use crate::format::Format;
use crate::tool::Tool;
use pondhawk_codec::packet::RetainHandling;
use pondhawk_codec::{Qos, Version, topic};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

const ALL: &[Tool] = &[Tool::Pub, Tool::Sub, Tool::Rr];
const PUB: &[Tool] = &[Tool::Pub];
const SUB: &[Tool] = &[Tool::Sub];
const RR: &[Tool] = &[Tool::Rr];
const SENDERS: &[Tool] = &[Tool::Pub, Tool::Rr];
const RECEIVERS: &[Tool] = &[Tool::Sub, Tool::Rr];

/// Longest session: for ever.
const FOREVER: u32 = u32::MAX;

macro_rules! switch {
    ($names:expr, $tools:expr, $group:ident, $set:expr, $help:expr) => {
        Flag {
            names: &$names,
            action: Action::Switch($set),
            tools: $tools,
            group: Group::$group,
            help: $help,
        }
    };
}

macro_rules! value {
    ($names:expr, $tools:expr, $group:ident, $name:expr, $missing:expr, $set:expr, $help:expr) => {
        Flag {
            names: &$names,
            action: Action::Value { name: $name, missing: $missing, set: $set },
            tools: $tools,
            group: Group::$group,
            help: $help,
        }
    };
}

/// Every flag of the three tools.
pub(crate) static FLAGS: &[Flag] = &[
    // Connection
    value!(
        ["-h", "--host"],
        ALL,
        Connection,
        "HOST",
        "no host specified",
        |s, arg| arg.text().map(|host| s.broker.host = Some(host)),
        "The broker's host name or address; localhost unless given."
    ),
    value!(
        ["-p", "--port"],
        ALL,
        Connection,
        "PORT",
        "no port specified",
        |s, arg| port(arg.bytes).map(|port| s.broker.port = Some(port)),
        "The broker's port; 1883 unless given."
    ),
    value!(
        ["--unix"],
        ALL,
        Connection,
        "PATH",
        "no socket path specified",
        |s, arg| {
            s.broker.unix = Some(path(arg.bytes));
            Ok(())
        },
        "Connect to this Unix socket instead of a host."
    ),
    value!(
        ["-L", "--url"],
        ALL,
        Connection,
        "URL",
        "no URL specified",
        url::broker,
        "Host, port, user, password and topic in one: mqtt://[user[:password]@]host[:port]/topic; the scheme may also be ws, mqtts or wss."
    ),
    switch!(
        ["--ws"],
        ALL,
        Connection,
        |s| {
            s.broker.websockets = true;
            Ok(())
        },
        "Speak MQTT over WebSockets."
    ),
    value!(
        ["-A"],
        ALL,
        Connection,
        "ADDRESS",
        "no address specified",
        |s, arg| arg.text().map(|address| s.broker.bind = Some(address)),
        "Bind the connection to this local host name or address."
    ),
    value!(
        ["--proxy"],
        ALL,
        Connection,
        "URL",
        "no proxy url specified",
        url::proxy,
        "Connect through a SOCKS5 proxy: socks5h://[user[:password]@]host[:port]."
    ),
    switch!(
        ["-S"],
        ALL,
        Connection,
        |s| {
            s.broker.srv = true;
            Ok(())
        },
        "Look the broker up by its SRV record (this build cannot)."
    ),
    switch!(
        ["--nodelay"],
        ALL,
        Connection,
        |s| {
            s.broker.no_delay = true;
            Ok(())
        },
        "Send small packets at once (TCP_NODELAY)."
    ),
    value!(
        ["-u", "--username"],
        ALL,
        Connection,
        "USER",
        "no username specified",
        |s, arg| arg.text().map(|user| s.client.username = Some(user)),
        "The user name."
    ),
    value!(
        ["-P", "--pw"],
        ALL,
        Connection,
        "PASSWORD",
        "no password specified",
        |s, arg| {
            s.client.password = Some(arg.bytes.to_vec());
            Ok(())
        },
        "The password. Other users of the machine can see it on the command line; an options file hides it."
    ),
    // Session
    value!(
        ["-i", "--id"],
        ALL,
        Session,
        "ID",
        "no id specified",
        |s, arg| {
            s.client.id = Some(arg.text()?);
            one_kind_of_id(s)
        },
        "The client id; the broker chooses one unless given."
    ),
    value!(
        ["-I", "--id-prefix"],
        ALL,
        Session,
        "PREFIX",
        "no id prefix specified",
        |s, arg| {
            s.client.id_prefix = Some(arg.text()?);
            one_kind_of_id(s)
        },
        "Make the client id of this prefix and the process id."
    ),
    switch!(
        ["-c", "--disable-clean-session"],
        ALL,
        Session,
        |s| {
            s.client.clean = false;
            Ok(())
        },
        "Keep the session when the connection ends, and use one that was kept. Needs -i."
    ),
    value!(
        ["-x"],
        ALL,
        Session,
        "SECONDS",
        "no session expiry interval specified",
        |s, arg| {
            s.client.session_expiry = Some(session_expiry(arg.bytes)?);
            s.client.version = Version::V5;
            Ok(())
        },
        "How long the broker keeps the session after the connection: 0 to 4294967295, or -1 or \u{221e} for ever. Speaks MQTT 5."
    ),
    value!(
        ["-k", "--keepalive"],
        ALL,
        Session,
        "SECONDS",
        "no keepalive specified",
        |s, arg| {
            s.client.keep_alive = u16::try_from(leading_int(arg.bytes))
                .ok()
                .filter(|n| *n >= 5)
                .ok_or("Error: Invalid keepalive given, it must be between 5 and 65535 inclusive.\n")?;
            Ok(())
        },
        "Keep alive, 5 to 65535; 60 unless given."
    ),
    value!(
        ["-M"],
        ALL,
        Session,
        "COUNT",
        "max_inflight not specified",
        |s, arg| {
            s.client.inflight_max = positive(arg.bytes)
                .ok_or("Error: Maximum inflight messages must be greater than 0.\n")?
                .try_into()
                .unwrap_or(u16::MAX);
            Ok(())
        },
        "How many messages of QoS 1 and 2 may be unanswered; 20 unless given."
    ),
    value!(
        ["-V", "--protocol-version"],
        ALL,
        Session,
        "VERSION",
        "no version specified",
        |s, arg| {
            s.client.version = match arg.bytes {
                b"mqttv31" | b"31" => Version::V31,
                b"mqttv311" | b"311" => Version::V311,
                b"mqttv5" | b"5" => Version::V5,
                _ => return Err("Error: Invalid protocol version argument given.\n".to_owned()),
            };
            Ok(())
        },
        "The MQTT version: 31, 311 or 5, also with mqttv in front."
    ),
    Flag {
        names: &["-D", "--property"],
        action: Action::Property,
        tools: ALL,
        group: Group::Session,
        help: "Add a property to a command: connect, publish, subscribe, unsubscribe, disconnect or will. \
               A user-property takes a key and a value. Speaks MQTT 5.",
    },
    // Message
    value!(
        ["-t", "--topic"],
        ALL,
        Message,
        "TOPIC",
        "no topic specified",
        |s, arg| add_topic(s, arg.text()?),
        "The topic to publish to, or a filter to subscribe to (as often as needed)."
    ),
    value!(
        ["-e"],
        RR,
        Message,
        "TOPIC",
        "no response topic specified",
        |s, arg| {
            let response = arg.text()?;
            if topic::check_name(&response).is_err() {
                return Err(format!(
                    "Error: Invalid response topic '{response}', does it contain '+' or '#'?"
                ));
            }
            s.message.response_topic = Some(response);
            Ok(())
        },
        "The topic on which the response is awaited."
    ),
    value!(
        ["-q", "--qos"],
        ALL,
        Message,
        "QOS",
        "no QoS specified",
        |s, arg| {
            let number = leading_int(arg.bytes);
            s.message.qos = qos(number).ok_or_else(|| format!("Error: Invalid QoS given: {number}"))?;
            Ok(())
        },
        "The quality of service, 0, 1 or 2; 0 unless given."
    ),
    value!(
        ["-m", "--message"],
        SENDERS,
        Message,
        "TEXT",
        "no message specified",
        |s, arg| set_source(s, Source::Text(arg.bytes.to_vec())),
        "The message."
    ),
    value!(
        ["-f", "--file"],
        SENDERS,
        Message,
        "FILE",
        "no file specified",
        |s, arg| set_source(s, Source::File(OsString::from(OsStr::from_bytes(arg.bytes)))),
        "Send the contents of a file."
    ),
    switch!(
        ["-s", "--stdin-file"],
        SENDERS,
        Message,
        |s| set_source(s, Source::Stdin),
        "Send everything that comes on standard input as one message."
    ),
    switch!(
        ["-l", "--stdin-line"],
        PUB,
        Message,
        |s| set_source(s, Source::StdinLines),
        "Send each line that comes on standard input as a message."
    ),
    switch!(
        ["-n", "--null-message"],
        SENDERS,
        Message,
        |s| set_source(s, Source::Null),
        "Send an empty message."
    ),
    switch!(
        ["-r", "--retain"],
        SENDERS,
        Message,
        |s| {
            s.message.retain = true;
            Ok(())
        },
        "Have the broker retain the message."
    ),
    value!(
        ["--repeat"],
        PUB,
        Message,
        "COUNT",
        "no count specified",
        |s, arg| {
            s.message.repeat = positive(arg.bytes).ok_or("Error: --repeat argument must be >0.\n")?;
            Ok(())
        },
        "Send the message so many times."
    ),
    value!(
        ["--repeat-delay"],
        PUB,
        Message,
        "SECONDS",
        "no time specified",
        |s, arg| {
            let seconds = leading_float(arg.bytes);
            if seconds < 0.0 {
                return Err("Error: --repeat-delay argument must be >=0.0.\n".to_owned());
            }
            s.message.repeat_delay_ms = (seconds * 1000.0) as u64;
            Ok(())
        },
        "Wait so long between repeated messages; fractions are allowed."
    ),
    switch!(
        ["--latency"],
        RR,
        Message,
        |s| {
            s.message.latency = true;
            s.broker.no_delay = true;
            Ok(())
        },
        "Print the time from request to response."
    ),
    // Subscription
    value!(
        ["-T", "--filter-out"],
        SUB,
        Subscription,
        "FILTER",
        "no topic filter specified",
        |s, arg| {
            let filter = arg.text()?;
            if topic::check_filter(&filter).is_err() {
                return Err(format!(
                    "Error: Invalid filter topic '{filter}', are all '+' and '#' wildcards correct?"
                ));
            }
            s.subscription.filter_out.push(filter);
            Ok(())
        },
        "Do not print messages whose topic matches; may be repeated."
    ),
    value!(
        ["-U", "--unsubscribe"],
        SUB,
        Subscription,
        "FILTER",
        "no unsubscribe topic specified",
        |s, arg| {
            let filter = arg.text()?;
            if topic::check_filter(&filter).is_err() {
                return Err(format!(
                    "Error: Invalid unsubscribe topic '{filter}', are all '+' and '#' wildcards correct?"
                ));
            }
            s.subscription.unsubscribe.push(filter);
            Ok(())
        },
        "Unsubscribe from this filter; may be repeated."
    ),
    value!(
        ["-C"],
        SUB,
        Subscription,
        "COUNT",
        "no count specified",
        |s, arg| {
            let count = positive(arg.bytes)
                .ok_or_else(|| format!("Error: Invalid message count \"{}\".\n", leading_int(arg.bytes)))?;
            s.subscription.count = Some(count);
            Ok(())
        },
        "Exit after so many messages."
    ),
    switch!(
        ["-E"],
        SUB,
        Subscription,
        |s| {
            s.subscription.exit_after_suback = true;
            Ok(())
        },
        "Exit once the broker has answered the subscriptions."
    ),
    value!(
        ["-W"],
        RECEIVERS,
        Subscription,
        "SECONDS",
        "no timeout specified",
        |s, arg| {
            let timeout = positive(arg.bytes)
                .ok_or_else(|| format!("Error: Invalid timeout \"{}\".\n", leading_int(arg.bytes)))?;
            s.subscription.timeout_s = Some(timeout);
            Ok(())
        },
        "Exit after so many seconds, with code 27."
    ),
    switch!(
        ["-R"],
        RECEIVERS,
        Subscription,
        |s| {
            s.subscription.no_retained = true;
            s.subscription.retain_handling = RetainHandling::DoNotSend;
            Ok(())
        },
        "Ignore retained messages."
    ),
    switch!(
        ["--retained-only"],
        SUB,
        Subscription,
        |s| {
            s.subscription.retained_only = true;
            Ok(())
        },
        "Print only retained messages, and exit when the first other message comes."
    ),
    switch!(
        ["--remove-retained"],
        SUB,
        Subscription,
        |s| {
            s.subscription.remove_retained = true;
            Ok(())
        },
        "Delete the retained messages that come; -T keeps some of them."
    ),
    switch!(
        ["--retain-as-published"],
        RECEIVERS,
        Subscription,
        |s| {
            s.subscription.retain_as_published = true;
            Ok(())
        },
        "Ask for the publisher's retain flag on live messages (MQTT 5)."
    ),
    value!(
        ["--retain-handling"],
        RECEIVERS,
        Subscription,
        "WHEN",
        "no option specified",
        |s, arg| {
            s.subscription.retain_handling = match arg.bytes {
                b"always" => RetainHandling::Send,
                b"new" => RetainHandling::SendIfNew,
                b"never" => RetainHandling::DoNotSend,
                _ => {
                    return Err(
                        "Error: Unknown --retain-handling option, it must be always, new or never.\n"
                            .to_owned(),
                    );
                }
            };
            Ok(())
        },
        "When retained messages are sent: always, new (only for a new subscription) or never (MQTT 5)."
    ),
    // Output
    switch!(
        ["-v", "--verbose"],
        RECEIVERS,
        Output,
        |s| {
            s.output.verbose = true;
            Ok(())
        },
        "Print the topic in front of each message."
    ),
    value!(
        ["-F"],
        RECEIVERS,
        Output,
        "FORMAT",
        "no format specified",
        |s, arg| Format::parse(arg.bytes).map(|format| s.output.format = Some(format)),
        "Print messages in this format."
    ),
    switch!(
        ["-N"],
        RECEIVERS,
        Output,
        |s| {
            s.output.no_newline = true;
            Ok(())
        },
        "No line end behind each message."
    ),
    switch!(
        ["--pretty"],
        RECEIVERS,
        Output,
        |s| {
            s.output.pretty = true;
            Ok(())
        },
        "Indent JSON output."
    ),
    value!(
        ["--random-filter"],
        SUB,
        Output,
        "PERCENT",
        "no chance specified",
        |s, arg| {
            let percent = leading_float(arg.bytes);
            if !(0.1..=100.0).contains(&percent) {
                return Err("Error: --random-filter chance must be between 0.1-100.0\n".to_owned());
            }
            s.output.random_filter = Some((percent * 100.0).round() as u32);
            Ok(())
        },
        "Print each message with this chance, 0.1 to 100."
    ),
    switch!(
        ["-w", "--watch"],
        SUB,
        Output,
        |s| {
            s.output.watch = true;
            Ok(())
        },
        "On a terminal, keep one line for each topic and update it in place."
    ),
    switch!(
        ["--message-rate"],
        SUB,
        Output,
        |s| {
            s.output.message_rate = true;
            Ok(())
        },
        "Print how many messages come each second, not the messages."
    ),
    switch!(
        ["-d", "--debug"],
        ALL,
        Output,
        |s| {
            s.output.debug = true;
            Ok(())
        },
        "Print each packet that is sent or received."
    ),
    switch!(
        ["--quiet"],
        ALL,
        Output,
        |s| {
            s.output.quiet = true;
            Ok(())
        },
        "Print no error messages."
    ),
    // Will
    value!(
        ["--will-topic"],
        ALL,
        Will,
        "TOPIC",
        "no will topic specified",
        |s, arg| {
            let will = arg.text()?;
            if topic::check_name(&will).is_err() {
                return Err(format!("Error: Invalid will topic '{will}', does it contain '+' or '#'?"));
            }
            s.will.topic = Some(will);
            Ok(())
        },
        "Have the broker publish to this topic if the connection is lost."
    ),
    value!(
        ["--will-payload"],
        ALL,
        Will,
        "TEXT",
        "no will payload specified",
        |s, arg| {
            s.will.payload = Some(arg.bytes.to_vec());
            Ok(())
        },
        "The will's message; empty unless given."
    ),
    value!(
        ["--will-qos"],
        ALL,
        Will,
        "QOS",
        "no will QoS specified",
        |s, arg| {
            let number = leading_int(arg.bytes);
            s.will.qos = qos(number).ok_or_else(|| format!("Error: Invalid will QoS {number}.\n"))?;
            Ok(())
        },
        "The will's quality of service."
    ),
    switch!(
        ["--will-retain"],
        ALL,
        Will,
        |s| {
            s.will.retain = true;
            Ok(())
        },
        "Have the broker retain the will."
    ),
    // TLS
    value!(
        ["--cafile"],
        ALL,
        Tls,
        "FILE",
        "no file specified",
        |s, arg| {
            s.tls.ca_file = Some(path(arg.bytes));
            Ok(())
        },
        "Trust the certificates in this file."
    ),
    value!(
        ["--capath"],
        ALL,
        Tls,
        "DIRECTORY",
        "no directory specified",
        |s, arg| {
            s.tls.ca_path = Some(path(arg.bytes));
            Ok(())
        },
        "Trust the certificates in this directory."
    ),
    value!(
        ["--cert"],
        ALL,
        Tls,
        "FILE",
        "no file specified",
        |s, arg| {
            s.tls.cert = Some(path(arg.bytes));
            Ok(())
        },
        "The client's certificate. Needs --key."
    ),
    value!(
        ["--key"],
        ALL,
        Tls,
        "FILE",
        "no file specified",
        |s, arg| {
            s.tls.key = Some(path(arg.bytes));
            Ok(())
        },
        "The key of the client's certificate."
    ),
    value!(
        ["--keyform"],
        ALL,
        Tls,
        "FORM",
        "no keyform specified",
        |s, arg| arg.text().map(|form| s.tls.key_form = Some(form)),
        "The form of the key: pem or engine."
    ),
    value!(
        ["--ciphers"],
        ALL,
        Tls,
        "LIST",
        "no ciphers specified",
        |s, arg| arg.text().map(|list| s.tls.ciphers = Some(list)),
        "The ciphers to offer."
    ),
    value!(
        ["--tls-version"],
        ALL,
        Tls,
        "VERSION",
        "no version specified",
        |s, arg| arg.text().map(|version| s.tls.version = Some(version)),
        "The lowest TLS version: tlsv1.3 or tlsv1.2."
    ),
    value!(
        ["--tls-alpn"],
        ALL,
        Tls,
        "PROTOCOL",
        "no protocol specified",
        |s, arg| arg.text().map(|protocol| s.tls.alpn = Some(protocol)),
        "The protocol name to offer (ALPN)."
    ),
    value!(
        ["--tls-engine"],
        ALL,
        Tls,
        "ENGINE",
        "no engine_id specified",
        |s, arg| arg.text().map(|engine| s.tls.engine = Some(engine)),
        "The OpenSSL engine."
    ),
    value!(
        ["--tls-engine-kpass-sha1"],
        ALL,
        Tls,
        "SHA1",
        "no kpass sha1 specified",
        |s, arg| arg.text().map(|sha1| s.tls.engine_key_sha1 = Some(sha1)),
        "The hash of the engine key's password."
    ),
    switch!(
        ["--tls-use-os-certs"],
        ALL,
        Tls,
        |s| {
            s.tls.os_certs = true;
            Ok(())
        },
        "Trust the operating system's certificates."
    ),
    value!(
        ["--tls-keylog"],
        ALL,
        Tls,
        "FILE",
        "no file specified",
        |s, arg| {
            s.tls.key_log = Some(path(arg.bytes));
            Ok(())
        },
        "Append the session keys to this file, for packet inspectors."
    ),
    switch!(
        ["--insecure"],
        ALL,
        Tls,
        |s| {
            s.tls.insecure = true;
            Ok(())
        },
        "Do not compare the certificate's name with the host."
    ),
    switch!(
        ["--no-tls"],
        ALL,
        Tls,
        |s| {
            s.tls.off = true;
            Ok(())
        },
        "No TLS, even on port 8883."
    ),
    value!(
        ["--psk"],
        ALL,
        Tls,
        "HEX",
        "no key specified",
        |s, arg| arg.text().map(|key| s.tls.psk = Some(key)),
        "The pre-shared key. Needs --psk-identity."
    ),
    value!(
        ["--psk-identity"],
        ALL,
        Tls,
        "ID",
        "no identity specified",
        |s, arg| arg.text().map(|identity| s.tls.psk_identity = Some(identity)),
        "The identity that belongs to the pre-shared key."
    ),
    // General
    Flag {
        names: &["-o"],
        action: Action::OptionsFile,
        tools: ALL,
        group: Group::General,
        help: "Read options from this file, one a line, instead of the one in the configuration directory.",
    },
    Flag {
        names: &["--help"],
        action: Action::Help,
        tools: ALL,
        group: Group::General,
        help: "Print this text.",
    },
    Flag {
        names: &["--version"],
        action: Action::Version,
        tools: ALL,
        group: Group::General,
        help: "Print the version.",
    },
];

fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

fn qos(number: i64) -> Option<Qos> {
    u8::try_from(number).ok().and_then(Qos::from_u8)
}

fn port(bytes: &[u8]) -> Result<u16, String> {
    let number = leading_int(bytes);
    let port = u16::try_from(number).ok().filter(|port| *port != 0);
    port.ok_or_else(|| format!("Error: Invalid port given: {number}"))
}

fn positive(bytes: &[u8]) -> Option<u32> {
    u32::try_from(leading_int(bytes)).ok().filter(|n| *n > 0)
}

fn one_kind_of_id(settings: &Settings) -> Result<(), String> {
    match (&settings.client.id, &settings.client.id_prefix) {
        (Some(_), Some(_)) => Err("Error: -i and -I argument cannot be used together.\n".to_owned()),
        _ => Ok(()),
    }
}

/// The topic of a publisher, or one more filter of a subscriber.
pub(super) fn add_topic(settings: &mut Settings, text: String) -> Result<(), String> {
    if settings.tool == Tool::Sub {
        if topic::check_filter(&text).is_err() {
            return Err(format!(
                "Error: Invalid subscription topic '{text}', are all '+' and '#' wildcards correct?"
            ));
        }
        settings.subscription.topics.push(text);
        return Ok(());
    }
    if topic::check_name(&text).is_err() {
        return Err(format!("Error: Invalid publish topic '{text}', does it contain '+' or '#'?"));
    }
    settings.message.topic = Some(text);
    Ok(())
}

fn set_source(settings: &mut Settings, source: Source) -> Result<(), String> {
    if settings.message.source.is_some() {
        return Err("Error: Only one type of message can be sent at once.\n".to_owned());
    }
    settings.message.source = Some(source);
    Ok(())
}

fn session_expiry(bytes: &[u8]) -> Result<u32, String> {
    if bytes == "\u{221e}".as_bytes() {
        return Ok(FOREVER);
    }
    let text = String::from_utf8_lossy(bytes);
    let number: i128 =
        text.trim().parse().map_err(|_| "Error: session-expiry-interval not a number.\n".to_owned())?;
    match number {
        -1 => Ok(FOREVER),
        _ => u32::try_from(number).map_err(|_| "Error: session-expiry-interval out of range.\n".to_owned()),
    }
}

/// The flag called `name` that `tool` has.
pub(crate) fn find(name: &[u8], tool: Tool) -> Option<&'static Flag> {
    let is_it = |flag: &&Flag| flag.names.iter().any(|known| known.as_bytes() == name);
    FLAGS.iter().filter(|flag| flag.is_for(tool)).find(is_it)
}
