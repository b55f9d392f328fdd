//! What a command line comes to. Before it: the flags. After it: `connect`, `driver` and the tools.

use crate::format::Format;
use crate::tool::Tool;
use pondhawk_codec::packet::RetainHandling;
use pondhawk_codec::{PropertiesBuf, Qos, Version};
use std::ffi::OsString;
use std::path::PathBuf;

/// Everything that flags can say.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Which tool it is for.
    pub(crate) tool: Tool,
    pub(crate) broker: Broker,
    pub(crate) tls: Tls,
    pub(crate) client: ClientSettings,
    pub(crate) will: Will,
    pub(crate) message: Message,
    pub(crate) subscription: Subscription,
    pub(crate) output: Output,
    pub(crate) properties: CommandProperties,
}

/// Where the broker is, and the way to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Broker {
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) unix: Option<PathBuf>,
    pub(crate) bind: Option<String>,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) websockets: bool,
    pub(crate) no_delay: bool,
    pub(crate) srv: bool,
}

/// A SOCKS5 proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proxy {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
}

/// TLS options: they are understood and checked, and then refused because this build has no TLS.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tls {
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) ca_path: Option<PathBuf>,
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) key_form: Option<String>,
    pub(crate) ciphers: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) alpn: Option<String>,
    pub(crate) engine: Option<String>,
    pub(crate) engine_key_sha1: Option<String>,
    pub(crate) psk: Option<String>,
    pub(crate) psk_identity: Option<String>,
    pub(crate) os_certs: bool,
    pub(crate) insecure: bool,
    pub(crate) key_log: Option<PathBuf>,
    pub(crate) off: bool,
}

/// What CONNECT says.
#[derive(Clone, Debug)]
pub(crate) struct ClientSettings {
    pub(crate) version: Version,
    pub(crate) id: Option<String>,
    pub(crate) id_prefix: Option<String>,
    pub(crate) clean: bool,
    pub(crate) keep_alive: u16,
    pub(crate) inflight_max: u16,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Vec<u8>>,
    pub(crate) session_expiry: Option<u32>,
}

/// The will's flags, which may come without a topic and are refused then.
#[derive(Clone, Debug, Default)]
pub(crate) struct Will {
    pub(crate) topic: Option<String>,
    pub(crate) payload: Option<Vec<u8>>,
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
}

/// What is published, and how often.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) source: Option<Source>,
    pub(crate) topic: Option<String>,
    pub(crate) response_topic: Option<String>,
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
    pub(crate) repeat: u32,
    pub(crate) repeat_delay_ms: u64,
    pub(crate) latency: bool,
}

/// Where a payload comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// `-m`.
    Text(Vec<u8>),
    /// `-n`.
    Null,
    /// `-f`.
    File(OsString),
    /// `-s`.
    Stdin,
    /// `-l`.
    StdinLines,
}

/// What is subscribed to, and for how long.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subscription {
    pub(crate) topics: Vec<String>,
    pub(crate) filter_out: Vec<String>,
    pub(crate) unsubscribe: Vec<String>,
    pub(crate) retain_handling: RetainHandling,
    pub(crate) retain_as_published: bool,
    pub(crate) count: Option<u32>,
    pub(crate) exit_after_suback: bool,
    pub(crate) timeout_s: Option<u32>,
    pub(crate) no_retained: bool,
    pub(crate) retained_only: bool,
    pub(crate) remove_retained: bool,
}

/// What is printed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Output {
    pub(crate) debug: bool,
    pub(crate) quiet: bool,
    pub(crate) verbose: bool,
    pub(crate) no_newline: bool,
    pub(crate) pretty: bool,
    pub(crate) format: Option<Format>,
    /// How many of 10,000 messages are printed.
    pub(crate) random_filter: Option<u32>,
    pub(crate) watch: bool,
    pub(crate) message_rate: bool,
}

/// The properties given with `-D`, by command.
#[derive(Clone, Debug, Default)]
pub(crate) struct CommandProperties {
    pub(crate) connect: PropertiesBuf,
    pub(crate) publish: PropertiesBuf,
    pub(crate) subscribe: PropertiesBuf,
    pub(crate) unsubscribe: PropertiesBuf,
    pub(crate) disconnect: PropertiesBuf,
    pub(crate) will: PropertiesBuf,
}

impl Settings {
    /// What holds before the first flag.
    pub(crate) fn new(tool: Tool) -> Self {
        Settings {
            tool,
            broker: Broker::default(),
            tls: Tls::default(),
            client: ClientSettings {
                version: tool.default_version(),
                id: None,
                id_prefix: None,
                clean: true,
                keep_alive: 60,
                inflight_max: 20,
                username: None,
                password: None,
                session_expiry: None,
            },
            will: Will::default(),
            message: Message {
                source: None,
                topic: None,
                response_topic: None,
                qos: Qos::AtMostOnce,
                retain: false,
                repeat: 1,
                repeat_delay_ms: 0,
                latency: false,
            },
            subscription: Subscription::default(),
            output: Output::default(),
            properties: CommandProperties::default(),
        }
    }

    /// The port in use: 1883, or 8883 for TLS.
    pub(crate) fn port(&self) -> u16 {
        let default = if self.tls.wanted() { 8883 } else { 1883 };
        self.broker.port.unwrap_or(default)
    }
}

impl Tls {
    /// True if a flag asks for an encrypted connection.
    pub(crate) fn wanted(&self) -> bool {
        let certificates = self.ca_file.is_some() || self.ca_path.is_some() || self.os_certs;
        !self.off && (certificates || self.psk.is_some())
    }
}
