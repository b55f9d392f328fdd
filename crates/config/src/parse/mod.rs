//! Lines → a configuration.
//!
//! Before: `lexer` splits files into lines and `table` says what each first word means. Here a [`Draft`]
//! collects what the lines say and `finish` turns it into a [`Config`]. After: `model` is handed out.

mod access;
mod args;
pub(crate) mod bridge;
mod draft;
mod finish;
mod include;
pub(crate) mod listener;
pub(crate) mod logging;
pub(crate) mod plugin;
mod reader;
mod suggest;

pub(crate) use access::{durability, on_failure, per_listener_settings, refuse_subscribe};
pub(crate) use args::Args;
pub(crate) use draft::{Draft, ListenerDraft};
pub(crate) use finish::{MQTT_PORT, access_of};

use crate::cmdline::BrokerArgs;
use crate::error::ConfigError;
use crate::host::{EmptyHost, Host};
use crate::model::Config;
use std::path::Path;

/// Reads the configuration that a command line asks for.
///
/// # Errors
/// The first line that cannot be used, or a file that cannot be read.
pub fn load(args: &BrokerArgs, host: &dyn Host) -> Result<Config, ConfigError> {
    let mut reader = reader::Reader::new(host);
    if let Some(path) = &args.config_file {
        reader.main_file(path)?;
    }
    reader.finish(args)
}

impl Config {
    /// Reads `text` as if it were a configuration file called `name`, without touching the machine.
    ///
    /// # Errors
    /// The first line that cannot be used. `include_dir` always is such a line here.
    pub fn from_text(text: impl AsRef<[u8]>, name: &str) -> Result<Self, ConfigError> {
        let mut reader = reader::Reader::new(&EmptyHost);
        reader.bytes(text.as_ref(), Path::new(name))?;
        let args = BrokerArgs { config_file: Some(name.into()), ..BrokerArgs::default() };
        reader.finish(&args)
    }
}
