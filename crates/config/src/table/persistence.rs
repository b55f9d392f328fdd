//! Storage of sessions and messages.

use crate::capability::Capability;
use crate::directive::{Directive, Scope, Section, Status};
use crate::parse::{durability, on_failure};
use crate::value::{fitted, unless_zero};

/// The largest 32-bit number.
const MAX_U32: i64 = 0xffff_ffff;

const fn row(name: &'static str, syntax: &'static str) -> Directive {
    Directive::new(Section::Persistence, Scope::Global, name, syntax)
        .with_status(Status::Refines(Capability::Persistence))
}

pub(super) static ROWS: &[Directive] = &[
    row("persistence", "BOOL")
        .also(&["retained_persistence"])
        .default("false")
        .restart()
        .with_status(Status::NeedsWhen("true", Capability::Persistence))
        .bool(|d, v| d.config.persistence.enabled = v)
        .doc(
            "Whether sessions, queued and retained messages are kept on disk and survive the broker. A broker that \
             is started with neither a configuration file nor a port keeps them too, in the folder `pondhawk` below \
             `$XDG_STATE_HOME` or `~/.local/state`; one that is started as root, below `/var/lib`.",
        ),
    row("persistence_file", "NAME")
        .default("mosquitto.db")
        .restart()
        .text(|d, v| d.config.persistence.file = v.into())
        .doc("The name of Mosquitto's file. No effect: records are kept in the folder `pondhawk-store`."),
    row("persistence_location", "DIR")
        .without("the current directory")
        .restart()
        .text(|d, v| d.config.persistence.location = Some(v.into()))
        .doc("The directory of the store. The environment variable `MOSQUITTO_PERSISTENCE_LOCATION` overrides it."),
    row("autosave_interval", "SECONDS")
        .default("1800")
        .int(i64::MIN, MAX_U32, |d, v| {
            d.config.persistence.autosave_interval = fitted(v.max(0));
        })
        .doc("No effect: what is acknowledged is written before, see `persistence_durability`."),
    row("autosave_on_changes", "BOOL")
        .default("false")
        .bool(|d, v| d.config.persistence.autosave_on_changes = v)
        .doc("No effect, as `autosave_interval`."),
    row("persistence_durability", "group | interval MS | none")
        .default("group")
        .restart()
        .custom(durability)
        .doc(
            "What an acknowledgement promises: with `group`, that the message is on disk (many share one sync); \
             with `interval`, that it will be within so many milliseconds; with `none`, that it is in memory. \
             A Pondhawk directive.",
        ),
    row("persistence_on_failure", "refuse | exit")
        .default("refuse")
        .custom(on_failure)
        .doc(
            "What the broker does when a sync has failed, so that what is on disk is not known until it is started \
             again: with `refuse`, it refuses what would have to be kept and goes on with the rest; with `exit`, it \
             ends with exit code 1, so that a supervisor starts it again. A Pondhawk directive.",
        ),
    row("max_waiting_messages", "N")
        .default("10000")
        .int(0, i64::MAX, |d, v| d.config.persistence.max_waiting_messages = unless_zero(v))
        .doc(
            "How many acknowledgements of one shard may wait for the disk. Beyond it, no more is read from clients \
             that wait for one, until one goes out. 0 is no limit. A Pondhawk directive.",
        ),
    row("max_waiting_bytes", "BYTES")
        .default("67108864")
        .int(0, i64::MAX, |d, v| d.config.persistence.max_waiting_bytes = unless_zero(v))
        .doc("The same in bytes of messages. 0 is no limit. A Pondhawk directive."),
];
