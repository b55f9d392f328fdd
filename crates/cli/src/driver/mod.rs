//! The loop of a tool: moves bytes between the transport and the client machine, hands events to the tool, and
//! waits for whatever comes first. Before it: `connect`. After it: `pubtool`, `subtool`, `rrtool`.

mod ending;
mod start;
mod wait;

pub(crate) use start::run;

use crate::connect::{Received, Transport, connect};
use crate::console::Console;
use crate::debug;
use crate::failure::{Failure, NEVER_CONNECTED, PROTOCOL, TIMEOUT};
use crate::options::settings::Settings;
use pondhawk_codec::reason;
use pondhawk_session::client::{Client, Event, Trace};
use std::io::{self, Read};
use std::time::Instant;
use wait::{Readiness, Signals};

/// How long to wait before a lost connection is made again.
const RECONNECT_MS: u64 = 1000;
/// No more reads in a row before events are looked at.
const READS_MAX: usize = 16;

/// What a tool does with its connection.
pub(crate) trait App {
    /// Something happened. Packets traced and connections ended are the driver's business.
    ///
    /// # Errors
    /// Ends the tool.
    fn event(&mut self, event: Event, link: &mut Link<'_>) -> Result<(), Failure>;

    /// Called in each turn of the loop, for work that no packet asks for.
    ///
    /// # Errors
    /// Ends the tool.
    fn turn(&mut self, _link: &mut Link<'_>) -> Result<(), Failure> {
        Ok(())
    }

    /// When [`turn`](Self::turn) has something to do though nothing happens.
    fn deadline(&self) -> Option<u64> {
        None
    }

    /// Whether standard input is wanted now.
    fn wants_input(&self, _link: &Link<'_>) -> bool {
        false
    }

    /// What came on standard input; nothing at its end.
    fn input(&mut self, _bytes: &[u8]) {}

    /// Whether a connection that was lost is made again.
    fn reconnects(&self) -> bool;

    /// Whether SIGINT and SIGTERM end the connection in order; otherwise they end the program.
    fn handles_signals(&self) -> bool {
        false
    }

    /// The exit code when the connection has ended in order.
    fn exit_code(&self) -> i32 {
        0
    }
}

/// What a tool can reach while it works.
pub(crate) struct Link<'a> {
    pub(crate) client: &'a mut Client,
    pub(crate) console: &'a mut Console,
    pub(crate) settings: &'a Settings,
    pub(crate) now: u64,
    /// Bytes that wait for the socket.
    pub(crate) pending: usize,
    /// The tool has had enough.
    leaving: &'a mut bool,
}

impl Link<'_> {
    /// Ends the connection in order, with the properties of `-D disconnect`.
    pub(crate) fn disconnect(&mut self) {
        // The connection may be lost already, behind the event that made the tool leave.
        *self.leaving = true;
        let properties = &self.settings.properties.disconnect;
        if self.client.disconnect(self.now, reason::SUCCESS, properties).is_err() && !self.client.is_offline()
        {
            // The broker takes no packet as large as that: without the properties, then.
            let plain = Default::default();
            let _ = self.client.disconnect(self.now, reason::SUCCESS, &plain);
        }
    }
}

struct Driver<'a, A> {
    app: A,
    settings: &'a Settings,
    console: &'a mut Console,
    client: Client,
    transport: Option<Transport>,
    signals: Option<Signals>,
    started: Instant,
    reconnect_at: Option<u64>,
    /// `-W`.
    give_up_at: Option<u64>,
    timed_out: bool,
    was_online: bool,
    leaving: bool,
    finished: bool,
}

impl<A: App> Driver<'_, A> {
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn link(&mut self) -> (&mut A, Link<'_>) {
        let now = self.now();
        let pending = self.transport.as_ref().map_or(0, Transport::pending);
        let link = Link {
            client: &mut self.client,
            console: self.console,
            settings: self.settings,
            now,
            pending,
            leaving: &mut self.leaving,
        };
        (&mut self.app, link)
    }

    /// Runs until the tool is done; returns its exit code.
    fn run(&mut self) -> Result<i32, Failure> {
        self.client.connect(self.now()).map_err(ending::of_refused)?;
        loop {
            self.handle_events()?;
            if !self.finished {
                let (app, mut link) = self.link();
                app.turn(&mut link)?;
                self.handle_events()?;
            }
            self.console.flush();
            if self.finished {
                return self.exit_code();
            }
            if self.console.is_broken() {
                self.link().1.disconnect();
                continue;
            }
            self.write()?;
            self.turn()?;
        }
    }

    fn exit_code(&mut self) -> Result<i32, Failure> {
        if self.timed_out {
            return Err(Failure::new(TIMEOUT, "Timed out"));
        }
        Ok(self.app.exit_code())
    }

    /// Hands bytes and events on until there are no more.
    fn handle_events(&mut self) -> Result<(), Failure> {
        loop {
            self.take_output();
            let Some(event) = self.client.poll_event() else {
                return Ok(());
            };
            match event {
                Event::Trace(trace) => self.print_trace(&trace),
                Event::Disconnected(cause) => self.ended(&cause)?,
                event => {
                    self.was_online |= matches!(event, Event::Connected(_));
                    let (app, mut link) = self.link();
                    app.event(event, &mut link)?;
                }
            }
        }
    }

    /// `-d`.
    fn print_trace(&mut self, trace: &Trace) {
        for line in debug::lines(self.client.client_id(), trace) {
            self.console.line(format_args!("{line}"));
        }
    }

    fn take_output(&mut self) {
        let output = self.client.take_output();
        let queued = match &mut self.transport {
            Some(transport) => transport.queue(output),
            None => Ok(()),
        };
        if queued.is_err() {
            self.lost();
        }
    }

    fn write(&mut self) -> Result<(), Failure> {
        if self.transport.as_mut().is_some_and(|transport| transport.flush().is_err()) {
            // What the broker said last may still be there to read, a refusal perhaps.
            self.read()?;
            self.lost();
        }
        Ok(())
    }

    /// Waits for something to happen, then does the part of the work that belongs to the driver.
    fn turn(&mut self) -> Result<(), Failure> {
        let ready = self.wait().map_err(|error| Failure::system(crate::failure::ERRNO, &error))?;
        if ready.signal {
            self.stop()?;
        }
        if ready.readable {
            self.read()?;
        }
        if ready.input {
            self.read_input()?;
        }
        let now = self.now();
        self.client.tick(now);
        if self.give_up_at.is_some_and(|at| now >= at) {
            self.give_up_at = None;
            self.timed_out = true;
            self.stop()?;
        }
        if self.reconnect_at.is_some_and(|at| now >= at) {
            self.reconnect();
        }
        Ok(())
    }

    /// A signal came, or the time is over.
    fn stop(&mut self) -> Result<(), Failure> {
        if !self.was_online {
            return Err(Failure::new(NEVER_CONNECTED, ""));
        }
        if self.client.is_offline() {
            self.finished = true;
        } else {
            self.link().1.disconnect();
        }
        Ok(())
    }

    fn wait(&mut self) -> io::Result<Readiness> {
        let give_up = self.give_up_at;
        let deadlines = [self.client.deadline(), self.app.deadline(), self.reconnect_at, give_up];
        let now = self.now();
        let timeout = deadlines.into_iter().flatten().min().map(|at| at.saturating_sub(now));
        let wants_input = {
            let (app, link) = self.link();
            app.wants_input(&link)
        };
        wait::wait(self.transport.as_ref(), self.signals.as_ref(), wants_input, timeout)
    }

    fn read(&mut self) -> Result<(), Failure> {
        let mut mqtt = Vec::new();
        for _ in 0..READS_MAX {
            let Some(transport) = &mut self.transport else {
                return Ok(());
            };
            let received = transport.read(&mut mqtt);
            self.receive(&mqtt)?;
            mqtt.clear();
            match received {
                Ok(Received::Some) => {}
                Ok(Received::Later) => return Ok(()),
                Ok(Received::Closed) | Err(_) => {
                    self.lost();
                    return Ok(());
                }
                Ok(Received::Unusable(why)) => {
                    return Err(Failure::new(PROTOCOL, format!("Error: WebSocket: {why}.")));
                }
            }
        }
        Ok(())
    }

    /// Packet by packet: a tool that has had enough must not acknowledge what it will not print.
    fn receive(&mut self, mqtt: &[u8]) -> Result<(), Failure> {
        let now = self.now();
        let mut rest = mqtt;
        while !rest.is_empty() {
            let taken = self.client.receive_packet(now, rest);
            self.handle_events()?;
            rest = &rest[taken..];
        }
        Ok(())
    }

    fn read_input(&mut self) -> Result<(), Failure> {
        let mut bytes = [0; 16 * 1024];
        let count = io::stdin().lock().read(&mut bytes).map_err(|error| Failure::system(1, &error))?;
        self.app.input(&bytes[..count]);
        Ok(())
    }

    /// The transport is gone.
    fn lost(&mut self) {
        self.transport = None;
        self.client.closed();
    }

    fn reconnect(&mut self) {
        self.reconnect_at = None;
        match connect(self.settings) {
            Ok(transport) => {
                self.transport = Some(transport);
                let connected = self.client.connect(self.now());
                debug_assert!(connected.is_ok(), "the options made a CONNECT before");
            }
            Err(_) => self.reconnect_at = Some(self.now() + RECONNECT_MS),
        }
    }
}
