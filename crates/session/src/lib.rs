//! One client's protocol state, for the server's end and for the client's end of a connection.
//!
//! It does not know other sessions, topics' subscribers, sockets or clocks: time comes in as a number, bytes
//! go out by being appended to a buffer that the caller owns.
//!
//! Place on the street: behind [`pondhawk_codec`], in front of the broker ([`server`]) or of a client
//! library ([`client`]).
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod client;
pub mod server;
