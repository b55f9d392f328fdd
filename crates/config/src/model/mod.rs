//! What a configuration means once it is read: plain data, no handles.
//!
//! Before: `parse` fills these structures from the table's rows. After: the server boots from them.

mod bridge;
mod listener;
mod logging;
mod plugin;
mod secret;
mod security;
mod settings;
mod tls;

pub use bridge::{
    Bridge, BridgeAddress, BridgeProtocol, BridgeReload, BridgeTls, BridgeTopic, Direction, RestartTimeout,
    StartType, TcpKeepalive,
};
pub use listener::{Address, Listener, Protocol, ProtocolVersions, ProxyVersion, SocketDomain};
pub use logging::{LogDestinations, LogTypes, Logging};
pub use plugin::{Plugin, PluginScope};
pub use secret::Secret;
pub use security::{Access, Security};
pub use settings::{Config, Durability, Environment, Limits, MqttOptions, OnFailure, Persistence, Threads};
pub use tls::{KeyForm, ListenerTls};
