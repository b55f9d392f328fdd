//! `mosquitto_pub`: publishes one message, one message several times, or a message for each line of input.

mod lines;

use crate::console::Console;
use crate::driver::{self, App, Link};
use crate::failure::{self, Failure, QOS, USAGE, reason_text};
use crate::options::settings::Settings;
use crate::options::usage::usage;
use crate::payload;
use lines::{Line, Lines};
use pondhawk_codec::{PacketId, ReasonCode, Version};
use pondhawk_session::client::{Event, NewMessage, Refused};

/// Standard input waits while so many messages or bytes are unanswered, or so many bytes wait for the socket.
const UNANSWERED_MAX: usize = 1000;
const UNANSWERED_BYTES_MAX: usize = 32 << 20;
const PENDING_MAX: usize = 256 * 1024;

/// Runs the tool.
///
/// # Errors
/// Why it failed.
pub(crate) fn run(settings: &Settings, console: &mut Console) -> Result<i32, Failure> {
    let work = match &settings.message.source {
        None => None,
        Some(source) => Some(match payload::load(source)? {
            Some(payload) => Work::Repeat(Repeat::new(payload, settings)),
            None => Work::Lines(Lines::default()),
        }),
    };
    let (Some(topic), Some(work)) = (settings.message.topic.clone(), work) else {
        console.error("Error: Both topic and message must be supplied.");
        console.bytes(usage(settings.tool).as_bytes());
        console.flush();
        return Ok(USAGE);
    };
    driver::run(settings, console, Publisher { topic, work, more: false })
}

struct Publisher {
    topic: String,
    work: Work,
    /// Lines are left for the next turn, which need not wait for anything.
    more: bool,
}

enum Work {
    Repeat(Repeat),
    Lines(Lines),
}

/// One payload, published again when the broker has answered and the pause is over.
struct Repeat {
    payload: Vec<u8>,
    left: u32,
    pause_ms: u64,
    next_at: Option<u64>,
    waiting: Option<PacketId>,
}

impl Repeat {
    fn new(payload: Vec<u8>, settings: &Settings) -> Self {
        Repeat {
            payload,
            left: settings.message.repeat,
            pause_ms: settings.message.repeat_delay_ms,
            next_at: None,
            waiting: None,
        }
    }
}

impl App for Publisher {
    fn event(&mut self, event: Event, link: &mut Link<'_>) -> Result<(), Failure> {
        if let Event::Published { id, code, .. } = event {
            warn_of_refusal(id, code, link);
        }
        let Work::Repeat(repeat) = &mut self.work else {
            return Ok(());
        };
        match event {
            Event::Connected(_) => repeat.next_at = Some(link.now),
            Event::Published { id, .. } if repeat.waiting == Some(id) => repeat.answered(link.now),
            _ => return Ok(()),
        }
        // At once, so that DISCONNECT leaves with the message if there is nothing to wait for.
        repeat.turn(&self.topic, link)
    }

    fn turn(&mut self, link: &mut Link<'_>) -> Result<(), Failure> {
        if !link.client.is_online() {
            return Ok(());
        }
        match &mut self.work {
            Work::Repeat(repeat) => repeat.turn(&self.topic, link),
            Work::Lines(lines) => {
                self.more = publish_lines(lines, &self.topic, link)?;
                Ok(())
            }
        }
    }

    fn deadline(&self) -> Option<u64> {
        match &self.work {
            Work::Repeat(repeat) => repeat.next_at,
            Work::Lines(_) => self.more.then_some(0),
        }
    }

    fn wants_input(&self, link: &Link<'_>) -> bool {
        match &self.work {
            Work::Repeat(_) => false,
            Work::Lines(lines) => link.client.is_online() && has_room(link) && lines.wants_more(),
        }
    }

    fn input(&mut self, bytes: &[u8]) {
        if let Work::Lines(lines) = &mut self.work {
            lines.push(bytes);
        }
    }

    fn reconnects(&self) -> bool {
        matches!(self.work, Work::Lines(_))
    }
}

impl Repeat {
    fn answered(&mut self, now: u64) {
        self.waiting = None;
        self.left = self.left.saturating_sub(1);
        let pause_ms = if self.left > 0 { self.pause_ms } else { 0 };
        self.next_at = Some(now + pause_ms);
    }

    fn turn(&mut self, topic: &str, link: &mut Link<'_>) -> Result<(), Failure> {
        if self.next_at.is_none_or(|at| link.now < at) {
            return Ok(());
        }
        self.next_at = None;
        if self.left == 0 {
            link.disconnect();
        } else {
            self.waiting = Some(publish(topic, &self.payload, link)?);
        }
        Ok(())
    }
}

fn has_room(link: &Link<'_>) -> bool {
    link.client.unanswered() < UNANSWERED_MAX
        && link.client.unanswered_bytes() < UNANSWERED_BYTES_MAX
        && link.pending < PENDING_MAX
}

/// Publishes lines while there is room; true if some may be left.
fn publish_lines(lines: &mut Lines, topic: &str, link: &mut Link<'_>) -> Result<bool, Failure> {
    // The output of this turn is not counted in `pending` yet, so the number of messages has its own limit.
    for _ in 0..UNANSWERED_MAX {
        if !has_room(link) {
            // An answer, or the socket taking bytes, will wake us.
            return Ok(false);
        }
        match lines.next() {
            Line::Ready(payload) => {
                publish(topic, &payload, link)?;
            }
            Line::TooLong => {
                return Err(Failure::new(
                    USAGE,
                    "Error: A line of standard input is too long for a message.",
                ));
            }
            Line::End => {
                if link.client.unanswered() == 0 {
                    link.disconnect();
                }
                return Ok(false);
            }
            Line::NotYet => return Ok(false),
        }
    }
    Ok(true)
}

/// Publishes a payload as the command line says.
pub(crate) fn publish(topic: &str, payload: &[u8], link: &mut Link<'_>) -> Result<PacketId, Failure> {
    let settings = link.settings;
    let mut message = NewMessage::new(topic, payload).qos(settings.message.qos);
    message.retain = settings.message.retain;
    if settings.client.version == Version::V5 {
        message.properties = settings.properties.publish.as_properties();
    }
    link.client.publish(link.now, &message).map_err(|refused| {
        link.disconnect();
        failed(refused)
    })
}

/// Why a message cannot be sent, in Mosquitto's words where it has them.
fn failed(refused: Refused) -> Failure {
    const NOT_SUPPORTED: i32 = 10;
    const TOO_LARGE: i32 = 9;
    const OVERSIZE: i32 = 25;
    match refused {
        Refused::QosNotSupported => {
            Failure::new(QOS, "Error: Message QoS not supported on broker, try a lower QoS.")
        }
        Refused::TopicInvalid => {
            Failure::new(USAGE, "Error: Invalid input. Does your topic contain '+' or '#'?")
        }
        Refused::TooLarge => Failure::new(TOO_LARGE, "Error: Message payload is too large."),
        Refused::PacketTooLarge => {
            Failure::new(OVERSIZE, "Error: Packet larger than supported by the server.")
        }
        Refused::RetainNotSupported => {
            Failure::new(NOT_SUPPORTED, "Error: The broker does not retain messages.")
        }
        Refused::NotConnected => Failure::of(failure::NO_CONNECTION),
        other => Failure::new(USAGE, format!("Error: {other}.")),
    }
}

/// The broker did not take a message, and the next ones may fare better.
fn warn_of_refusal(id: PacketId, code: ReasonCode, link: &mut Link<'_>) {
    if code.is_error() {
        link.console.error(&format!("Warning: Publish {id} failed: {}.", reason_text(code)));
    }
}
