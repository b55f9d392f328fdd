//! Log lines.

use crate::directive::{Directive, Scope, Section, Status};
use crate::parse::logging;
use crate::value::fitted;

const fn row(name: &'static str, syntax: &'static str) -> Directive {
    Directive::new(Section::Logging, Scope::Global, name, syntax)
}

pub(super) static ROWS: &[Directive] = &[
    row("log_dest", "stdout | stderr | syslog | topic | file PATH | none")
        .default("stderr")
        .repeats()
        .custom(logging::log_dest)
        .doc(
            "Where log lines go. Several lines name several destinations; `none` forgets those before it. \
             `topic` publishes each line below `$SYS/broker/log`. One `file` is possible; it is opened anew \
             at SIGHUP and SIGRTMIN, so that it can be rotated. `dlt` and `android` are accepted with a \
             warning and ignored.",
        ),
    row(
        "log_type",
        "debug | error | warning | notice | information | subscribe | unsubscribe | websockets | internal | \
         all | none",
    )
    .default("error warning notice information")
    .repeats()
    .custom(logging::log_type)
    .doc(
        "Which classes of lines are logged. Several lines name several classes. The command line wins: \
         `-v` logs everything and `-q` nothing.",
    ),
    row("log_facility", "0..7")
        .without("the facility daemon")
        .int(0, 7, |d, v| d.config.logging.facility = Some(fitted(v)))
        .doc("With `log_dest syslog`, uses the facility `local0` to `local7` instead of `daemon`."),
    row("log_timestamp", "BOOL")
        .default("true")
        .bool(|d, v| d.config.logging.timestamp = v)
        .doc("Whether each line starts with the time."),
    row("log_timestamp_format", "FORMAT")
        .without("seconds since 1970")
        .text(|d, v| d.config.logging.timestamp_format = Some(v))
        .doc(
            "The form of that time, in the language of strftime(3). `%Y-%m-%dT%H:%M:%S` gives a readable one. \
             A colon and a space follow it.",
        ),
    row("connection_messages", "BOOL")
        .default("true")
        .bool(|d, v| d.config.logging.connection_messages = v)
        .doc("Whether a client that connects or disconnects is logged."),
    row("websockets_log_level", "N")
        .default("0")
        .with_status(Status::NoOp("has no effect, because WebSockets are logged like every other connection"))
        .int(i64::MIN, i64::MAX, |_, _| ())
        .doc("The log mask of the library that Mosquitto once used for WebSockets. Accepted and ignored."),
];
