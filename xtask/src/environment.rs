//! The environment variables by which `cargo xtask test` tells end-to-end tests what they may use.
//!
//! [`crate::provision`] fills them in, [`crate::test`] hands them to the test runner, and the tests in
//! `crates/cli/tests` read them. A test that needs any program that is not ours has `foreign_` in its path and may
//! rely on all of these being set when `PONDHAWK_E2E` is `1`; started by hand with a plain `cargo test`, such a test
//! should fall back on the name of the program.

/// `1`: the foreign programs are there. `0`: they are not, and tests named `foreign_*` were left out.
pub const E2E: &str = "PONDHAWK_E2E";
/// The Python executable of a virtual environment with paho-mqtt 1.6.1.
pub const PAHO1: &str = "PONDHAWK_PAHO1";
/// The Python executable of a virtual environment with paho-mqtt 2.x.
pub const PAHO2: &str = "PONDHAWK_PAHO2";
/// A folder whose `node_modules` has `mqtt` (MQTT.js) and `ws`.
pub const MQTTJS: &str = "PONDHAWK_MQTTJS";
/// The Node.js executable.
pub const NODE: &str = "PONDHAWK_NODE";
/// The tshark executable.
pub const TSHARK: &str = "PONDHAWK_TSHARK";
/// Debian's broker.
pub const MOSQUITTO: &str = "PONDHAWK_MOSQUITTO";
/// Debian's `mosquitto_passwd`.
pub const MOSQUITTO_PASSWD: &str = "PONDHAWK_MOSQUITTO_PASSWD";
/// Debian's `mosquitto_pub`.
pub const MOSQUITTO_PUB: &str = "PONDHAWK_MOSQUITTO_PUB";
/// Debian's `mosquitto_sub`.
pub const MOSQUITTO_SUB: &str = "PONDHAWK_MOSQUITTO_SUB";
/// Debian's `mosquitto_rr`.
pub const MOSQUITTO_RR: &str = "PONDHAWK_MOSQUITTO_RR";

/// What a test's path contains when it needs a program that is not ours.
pub const FOREIGN_TEST: &str = "foreign_";
