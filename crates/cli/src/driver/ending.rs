//! How a connection ends: what is printed, and what the exit code is.

use super::{App, Driver, RECONNECT_MS};
use crate::failure::{self, Failure, LOST, NO_CONNECTION, PROTOCOL, USAGE};
use crate::tool::Tool;
use pondhawk_codec::{ReasonCode, Version, reason};
use pondhawk_session::client::{Cause, Event, Refused};
use std::time::{Duration, Instant};

/// How long the last bytes may take to leave.
const DRAIN_MAX: Duration = Duration::from_secs(10);

impl<A: App> Driver<'_, A> {
    /// The connection is over.
    pub(super) fn ended(&mut self, cause: &Cause) -> Result<(), Failure> {
        match cause {
            Cause::Requested => self.finished = true,
            Cause::Refused { code, .. } => return Err(self.refused(*code)),
            Cause::Server { code, .. } => return self.sent_away(*code),
            Cause::Transport | Cause::ConnectTimeout | Cause::KeepAliveTimeout => {
                if self.leaving {
                    self.finished = true;
                    return Ok(());
                }
                if !self.app.reconnects() {
                    return Err(Failure::of(LOST));
                }
                self.transport = None;
                self.reconnect_at = Some(self.now() + RECONNECT_MS);
            }
            Cause::Violation(violation) => {
                if self.settings.output.debug {
                    self.console.line(format_args!("Protocol error: {violation}"));
                }
                return Err(Failure::of(PROTOCOL));
            }
        }
        Ok(())
    }

    /// CONNACK said no: its code is the exit code.
    fn refused(&self, code: ReasonCode) -> Failure {
        let tool = self.settings.tool;
        let mut text = format!("Connection error: {}", refusal(tool, self.settings.client.version, code));
        if tool == Tool::Pub {
            text.push_str(&format!("\nError: {}", failure::refused_text(code)));
        }
        Failure::new(i32::from(code.0), text)
    }

    /// DISCONNECT from the broker. A publisher has not done its work then; a subscriber has.
    fn sent_away(&mut self, code: ReasonCode) -> Result<(), Failure> {
        if self.settings.tool == Tool::Pub {
            return Err(Failure::of(NO_CONNECTION));
        }
        // Mosquitto ends without a word here; a line on stderr tells why the messages stop.
        self.console.error(&format!("Disconnected: {}.", failure::reason_text(code)));
        self.finished = true;
        Ok(())
    }

    /// Writes what is left, and waits for that as long as the broker takes it.
    pub(super) fn drain(&mut self) {
        self.take_output();
        while let Some(event) = self.client.poll_event() {
            if let Event::Trace(trace) = event {
                self.print_trace(&trace);
            }
        }
        let end = Instant::now() + DRAIN_MAX;
        let Some(transport) = &mut self.transport else {
            return;
        };
        while transport.flush().is_ok() && transport.pending() > 0 && Instant::now() < end {
            if super::wait::until_writable(transport, end - Instant::now()).is_err() {
                break;
            }
        }
        self.transport = None;
    }
}

fn refusal(tool: Tool, version: Version, code: ReasonCode) -> String {
    if version != Version::V5 {
        return failure::connack_text(code.0).to_owned();
    }
    let text = failure::reason_text(code);
    match tool {
        _ if code != reason::UNSUPPORTED_PROTOCOL_VERSION => text.to_owned(),
        Tool::Pub | Tool::Sub => {
            format!("{text}. Try connecting to an MQTT v5 broker, or use MQTT v3.x mode.")
        }
        Tool::Rr => format!("{text}. mosquitto_rr only supports connecting to an MQTT v5 broker"),
    }
}

/// A CONNECT that the machine refuses to make.
pub(super) fn of_refused(refused: Refused) -> Failure {
    let text = match refused {
        Refused::PasswordWithoutUsername => "Error: Problem setting username and/or password.".to_owned(),
        Refused::ClientIdEmpty => "Error: Invalid id and/or clean_session.".to_owned(),
        Refused::TopicInvalid | Refused::PropertiesInvalid(_) => "Error: Problem setting will.".to_owned(),
        other => format!("Error: {other}."),
    };
    Failure::new(USAGE, text)
}
