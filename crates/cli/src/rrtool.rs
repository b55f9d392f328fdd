//! `mosquitto_rr`: publishes a request and prints the first response.

use crate::console::Console;
use crate::driver::{self, App, Link};
use crate::failure::{Failure, USAGE, reason_text};
use crate::options::parse::usage_failure;
use crate::options::settings::Settings;
use crate::payload;
use crate::printer;
use crate::subtool::{failed, of_version, options};
use pondhawk_codec::packet::SubscribeFilter;
use pondhawk_codec::{PropertiesBuf, Property, Version};
use pondhawk_session::client::{Event, Message, NewMessage};
use std::time::Instant;

/// Runs the tool.
///
/// # Errors
/// Why it failed.
pub(crate) fn run(settings: &Settings, console: &mut Console) -> Result<i32, Failure> {
    let source = settings.message.source.as_ref().map(payload::load).transpose()?.flatten();
    let message = &settings.message;
    let (Some(topic), Some(payload), Some(response_topic)) =
        (&message.topic, source, &message.response_topic)
    else {
        let text = "Error: All of topic, message, and response topic must be supplied.";
        return Err(usage_failure(settings.tool, text));
    };
    let requester = Requester {
        topic: topic.clone(),
        payload,
        response_topic: response_topic.clone(),
        properties: request_properties(settings, response_topic)?,
        state: State::Subscribing,
    };
    driver::run(settings, console, requester)
}

struct Requester {
    topic: String,
    payload: Vec<u8>,
    response_topic: String,
    properties: PropertiesBuf,
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    /// The request must not be sent before the response can be received.
    Subscribing,
    /// The request goes out when everything that came along with SUBACK is handled: a retained message is no
    /// response.
    Ready,
    /// The request left at this time.
    Waiting(Instant),
    /// The response is printed.
    Done,
}

/// The properties of the request: those of `-D publish`, and where the response is awaited.
fn request_properties(settings: &Settings, response_topic: &str) -> Result<PropertiesBuf, Failure> {
    if settings.client.version != Version::V5 {
        return Ok(PropertiesBuf::new());
    }
    let mut properties = settings.properties.publish.clone();
    let given = |property| matches!(property, Property::ResponseTopic(_)).then_some(());
    if properties.as_properties().find(given).is_some() {
        return Err(Failure::new(USAGE, "Error in PUBLISH properties: Duplicate response topic."));
    }
    properties
        .push(Property::ResponseTopic(response_topic))
        .map_err(|_| Failure::new(USAGE, "Error adding property RESPONSE_TOPIC."))?;
    Ok(properties)
}

impl App for Requester {
    fn event(&mut self, event: Event, link: &mut Link<'_>) -> Result<(), Failure> {
        match event {
            Event::Connected(_) => self.subscribe(link),
            Event::Subscribed { codes, .. } => match codes.first() {
                Some(code) if code.is_error() => {
                    link.disconnect();
                    link.console.error(reason_text(*code));
                    Ok(())
                }
                _ => {
                    self.state = State::Ready;
                    Ok(())
                }
            },
            Event::Message(message) => {
                self.response(&message, link);
                Ok(())
            }
            Event::Published { id, code, .. } if code.is_error() => {
                link.console.error(&format!("Warning: Publish {id} failed: {}.", reason_text(code)));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn turn(&mut self, link: &mut Link<'_>) -> Result<(), Failure> {
        match self.state {
            State::Ready if link.client.is_online() => self.request(link),
            _ => Ok(()),
        }
    }

    fn reconnects(&self) -> bool {
        true
    }

    fn handles_signals(&self) -> bool {
        true
    }
}

impl Requester {
    fn subscribe(&mut self, link: &mut Link<'_>) -> Result<(), Failure> {
        self.state = State::Subscribing;
        let settings = link.settings;
        let filter = SubscribeFilter {
            filter: &self.response_topic,
            options: options(&settings.subscription, settings.message.qos),
        };
        let properties = of_version(&settings.properties.subscribe, settings);
        let subscribed = link.client.subscribe(link.now, &[filter], &properties);
        subscribed.map(drop).map_err(|refused| failed(refused, link))
    }

    fn request(&mut self, link: &mut Link<'_>) -> Result<(), Failure> {
        let settings = link.settings;
        let mut message = NewMessage::new(&self.topic, &self.payload).qos(settings.message.qos);
        message.retain = settings.message.retain;
        message.properties = self.properties.as_properties();
        self.state = State::Waiting(Instant::now());
        link.client.publish(link.now, &message).map(drop).map_err(|refused| failed(refused, link))
    }

    fn response(&mut self, message: &Message, link: &mut Link<'_>) {
        let State::Waiting(since) = self.state else {
            return;
        };
        if message.retain && link.settings.subscription.no_retained {
            return;
        }
        self.state = State::Done;
        if link.settings.message.latency {
            let ms = since.elapsed().as_secs_f64() * 1000.0;
            link.console.line(format_args!("Latency: {ms:.6}ms"));
        }
        printer::print(message, &link.settings.output, link.console);
        link.disconnect();
    }
}
