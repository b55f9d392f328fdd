//! Storage of sessions and messages.

use crate::capability::Capability;
use crate::directive::{Directive, Scope, Section, Status};
use crate::parse::durability;
use crate::value::fitted;

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
        .with_status(Status::NeedsWhen("true", Capability::Persistence))
        .bool(|d, v| d.config.persistence.enabled = v)
        .doc("Whether sessions, queued and retained messages are kept on disk and survive the broker."),
    row("persistence_file", "NAME")
        .default("mosquitto.db")
        .text(|d, v| d.config.persistence.file = v.into())
        .doc("The name of Mosquitto's file. No effect: records are kept in the folder `pondhawk-store`."),
    row("persistence_location", "DIR")
        .without("the current directory")
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
        .custom(durability)
        .doc(
            "What an acknowledgement promises: with `group`, that the message is on disk (many share one sync); \
             with `interval`, that it will be within so many milliseconds; with `none`, that it is in memory. \
             A Pondhawk directive.",
        ),
];
