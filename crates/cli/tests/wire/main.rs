//! Protocol conformance of the broker binary: bytes in, bytes out, for MQTT 3.1, 3.1.1 and 5.
//!
//! Every test starts its own broker on a free port. Tests of message flow run with 1, 2 and 8 shards, since
//! a client must not notice where its peers live. Expectations are the standard's; where it leaves room they
//! are what Debian's Mosquitto does (`PONDHAWK_BROKER=/usr/sbin/mosquitto` runs the same tests against it).

#![allow(clippy::unwrap_used)]

#[path = "../kit/mod.rs"]
mod kit;

/// Makes three tests out of each function that takes a number of shards.
macro_rules! on_shards {
    ($($name:ident),+ $(,)?) => { $(
        mod $name {
            #[test]
            fn shards_1() {
                super::$name(1);
            }
            #[test]
            fn shards_2() {
                if crate::kit::broker::ours() {
                    super::$name(2);
                }
            }
            #[test]
            fn shards_8() {
                if crate::kit::broker::ours() {
                    super::$name(8);
                }
            }
        }
    )+ };
}

mod access;
mod alias;
mod conform;
mod connect;
mod durable;
mod expiry;
mod flow;
mod inflight;
mod listeners;
mod long_queue;
mod operation;
mod order;
mod pass_through;
mod retain;
mod session;
mod shared;
mod store_tools;
mod store_trouble;
mod subscribe;
mod sys_topics;
mod websocket;
mod will;
