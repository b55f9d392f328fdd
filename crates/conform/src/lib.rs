//! Does a broker do what the standard says? Packet vectors as data, and a runner that plays them against the pure
//! core, a running daemon, or any host.
//!
//! It does not judge speed, and it never runs load.
//!
//! Place: beside the street; it speaks to a broker as a client does.
#![forbid(unsafe_code)]
