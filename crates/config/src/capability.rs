//! What a build can do, and which lines of a configuration need more than that.
//!
//! A directive whose capability is missing is never ignored: the server refuses to start with it.

use crate::model::Config;
use crate::record::Place;
use std::fmt;

/// A part of the broker that a build may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Capability {
    /// TLS with certificates.
    Tls,
    /// TLS with pre-shared keys.
    Psk,
    /// Connections to other brokers.
    Bridges,
    /// Storage of sessions and messages.
    Persistence,
    /// Plugins.
    Plugins,
    /// The HTTP API.
    HttpApi,
    /// The PROXY protocol.
    ProxyProtocol,
    /// `$CONTROL/broker/v1`.
    ControlApi,
}

impl Capability {
    /// Every capability.
    pub const ALL: [Self; 8] = [
        Self::Tls,
        Self::Psk,
        Self::Bridges,
        Self::Persistence,
        Self::Plugins,
        Self::HttpApi,
        Self::ProxyProtocol,
        Self::ControlApi,
    ];

    /// Its name in a sentence.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tls => "TLS",
            Self::Psk => "TLS-PSK",
            Self::Bridges => "bridges",
            Self::Persistence => "persistence",
            Self::Plugins => "plugins",
            Self::HttpApi => "the HTTP API",
            Self::ProxyProtocol => "the PROXY protocol",
            Self::ControlApi => "the control API",
        }
    }

    /// What someone can do about its absence today.
    const fn remedy(self) -> &'static str {
        match self {
            Self::Tls | Self::Psk => "remove the line, or put a TLS terminator in front of a plain listener",
            Self::Persistence => "set 'persistence false': sessions and messages then live in memory only",
            Self::Bridges | Self::Plugins | Self::HttpApi | Self::ProxyProtocol | Self::ControlApi => {
                "remove the line"
            }
        }
    }
}

/// A set of capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities(u16);

impl Capabilities {
    /// None of them.
    pub const NONE: Self = Self(0);

    /// All of them.
    pub const ALL: Self = Self(u16::MAX);

    /// This set and `capability`.
    #[must_use]
    pub const fn with(self, capability: Capability) -> Self {
        Self(self.0 | 1 << capability as u16)
    }

    /// Whether `capability` is in the set.
    pub const fn has(self, capability: Capability) -> bool {
        self.0 & (1 << capability as u16) != 0
    }
}

/// A line that this build cannot honour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported {
    /// Where the line is.
    pub place: Place,
    /// The directive.
    pub directive: &'static str,
    /// What it needs.
    pub capability: Capability,
}

impl Unsupported {
    /// What could be done about it, one sentence without a full stop.
    pub fn remedy(&self) -> &'static str {
        self.capability.remedy()
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, directive, capability } = self;
        write!(
            f,
            "The '{directive}' option at {place} needs {}, which this build does not have yet.",
            capability.name()
        )
    }
}

/// The lines of `config` that need a capability outside `available`, in file order.
pub fn unsupported(config: &Config, available: Capabilities) -> Vec<Unsupported> {
    let missing = config.settings.iter().filter_map(|setting| {
        let capability = setting.needs.filter(|needed| !available.has(*needed))?;
        let place = setting.place.clone();
        Some(Unsupported { place, directive: setting.directive.name(), capability })
    });
    missing.collect()
}
