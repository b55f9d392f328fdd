//! End-to-end tests with programs that we did not write: Debian's Mosquitto and its tools, paho-mqtt, MQTT.js,
//! rumqttc, tshark.
//!
//! A test that needs one of them has `foreign_` in its name; the others are in this binary because they share the
//! data. `cargo xtask test` installs the programs, and `cargo xtask test --offline` leaves these tests out. With
//! `PONDHAWK_BROKER=/usr/sbin/mosquitto` the tests that start one broker run against Debian's.

#![allow(clippy::unwrap_used)]

#[path = "../kit/mod.rs"]
mod kit;

mod foreign;
mod pairs;
mod runner;
mod space;
mod toolbox;

mod bare;
mod capture;
mod conf_files;
mod conform;
mod goldens;
mod import;
mod mqttjs;
mod notes;
mod passwd_files;
mod rumqttc;
mod signals;
mod snippets;
mod streams;
mod sys_names;
mod verbatim;
