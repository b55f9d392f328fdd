//! Cases of the second priority: those that load the broker or take their time.

mod access;
mod load;
mod logging;
mod logins;
mod operation;
mod properties;
mod state;
mod subscriptions;
mod websocket;
