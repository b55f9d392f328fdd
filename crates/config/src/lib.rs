//! `mosquitto.conf`, the broker's command line, and the documents about them.
//!
//! One declared table says of each directive its name, syntax, default, scope, reload class and meaning.
//! The parser, the defaults, `--test-config`, the reload plan, the reference page and the man page all
//! come from it.
//!
//! This crate starts nothing: it opens no socket, loads no key and checks no password. It reads files and
//! environment variables through [`Host`], so that a test needs neither.
//!
//! Place: below `server`, which boots from a [`Config`]; above nothing of this workspace.
//!
//! Invariants:
//! * Any bytes give a [`Config`] or a [`ConfigError`]; nothing panics and nothing is read twice.
//! * A line that is not understood is refused with its file, its number and, where possible, a remedy.
//! * A directive that this build cannot honour is reported by [`unsupported`], never ignored in silence.
//! * An explicit `allow_anonymous false` holds in local-only mode, too.
//!
//! ```
//! let config = pondhawk_config::Config::from_text("listener 1883\nallow_anonymous true\n", "a.conf")?;
//! assert!(config.listeners[0].access.allow_anonymous);
//! # Ok::<(), pondhawk_config::ConfigError>(())
//! ```

mod capability;
mod cmdline;
mod defaults;
mod directive;
mod docs;
mod error;
mod host;
mod lexer;
mod model;
mod parse;
mod record;
mod reload;
mod table;
mod value;

pub use capability::{Capabilities, Capability, Unsupported, unsupported};
pub use cmdline::{BrokerArgs, BrokerCommand, usage, version_text};
pub use directive::{Directive, ReloadClass, Scope, Section, Status};
pub use docs::{man_page, reference_markdown};
pub use error::{ConfigError, EXIT_INVALID};
pub use host::{EmptyHost, Host, SystemHost};
pub use model::*;
pub use parse::load;
pub use record::Place;
pub use reload::{Change, Reload, reload_diff};
pub use table::{directives, find};
