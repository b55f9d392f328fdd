//! Who may come in and do what.

use crate::directive::{Directive, Scope, Section, Status};
use crate::parse::{listener, per_listener_settings, refuse_subscribe};

const fn row(scope: Scope, name: &'static str, syntax: &'static str) -> Directive {
    Directive::new(Section::Access, scope, name, syntax)
}

pub(super) static ROWS: &[Directive] = &[
    row(Scope::Global, "per_listener_settings", "BOOL")
        .default("false")
        .with_status(Status::Deprecated("use `listener_allow_anonymous` and `listener_auto_id_prefix`"))
        .custom(per_listener_settings)
        .doc(
            "Makes the security directives belong to the `listener` before them instead of to the whole \
             broker: `allow_anonymous`, `password_file`, `acl_file`, `psk_file`, \
             `allow_zero_length_clientid`, `auto_id_prefix` and `plugin`. It must come before any of them.",
        ),
    row(Scope::Security, "allow_anonymous", "BOOL")
        .without("false with a listener, true in local-only mode")
        .bool(|d, v| d.security().allow_anonymous = Some(v))
        .doc(
            "Whether a client may connect without a user name. An explicit `false` always holds, also in \
             local-only mode.",
        ),
    row(Scope::Security, "password_file", "PATH")
        .text(|d, v| d.security().password_file = Some(v.into()))
        .doc(
            "The users and their password hashes, as `mosquitto_passwd` writes them. A client that gives a \
             user name must be in it. Read again at SIGHUP.",
        ),
    row(Scope::Security, "acl_file", "PATH").text(|d, v| d.security().acl_file = Some(v.into())).doc(
        "Which user may read and write which topics. What it does not grant is denied. A subscription is \
             accepted all the same; what it may not see is left out when messages are delivered. Read again \
             at SIGHUP.",
    ),
    row(Scope::Security, "allow_zero_length_clientid", "BOOL")
        .default("true")
        .bool(|d, v| d.security().allow_zero_length_clientid = v)
        .doc("Whether a client may leave its id empty and be given one."),
    row(Scope::Security, "auto_id_prefix", "TEXT")
        .default("auto-")
        .with_status(Status::Deprecated("use `listener_auto_id_prefix`"))
        .once()
        .custom(listener::global_auto_id_prefix)
        .doc("What the ids that the broker gives start with; at most 50 bytes."),
    row(Scope::Global, "clientid_prefixes", "PREFIX")
        .with_status(Status::Deprecated("use `acl_file` or `use_username_as_clientid`"))
        .text(|d, v| d.config.mqtt.clientid_prefixes = Some(v))
        .doc("Refuses every client whose id does not start with this."),
    row(Scope::Global, "check_retain_source", "BOOL")
        .default("false")
        .bool(|d, v| d.config.mqtt.check_retain_source = v)
        .doc(
            "Delivers a retained message only while the client that published it would still be allowed to \
             write to its topic.",
        ),
    row(Scope::Global, "allow_session_transfer", "BOOL")
        .default("false")
        .bool(|d, v| d.config.mqtt.allow_session_transfer = v)
        .doc(
            "Whether a client may take over the kept session of its client id when it logs in under another \
             user name. Otherwise the client is refused: what is queued in the session was meant for the \
             first user. A Pondhawk directive.",
        ),
    row(Scope::Global, "refuse_subscribe", "FILTER").repeats().custom(refuse_subscribe).doc(
        "Refuses a subscription to exactly this filter, whoever asks. `refuse_subscribe #` makes a public \
             broker whose clients have to know their topics. May be repeated. A Pondhawk directive.",
    ),
];
