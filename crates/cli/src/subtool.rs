//! `mosquitto_sub`: subscribes and prints messages until it has had enough.

mod watch;

use crate::console::Console;
use crate::driver::{self, App, Link};
use crate::failure::{Failure, USAGE};
use crate::options::settings::{Settings, Subscription};
use crate::printer;
use pondhawk_codec::packet::{SubscribeFilter, SubscribeOptions};
use pondhawk_codec::{PacketId, PropertiesBuf, Qos, ReasonCode, Version, topic};
use pondhawk_session::client::{Event, Message, NewMessage, Refused};
use watch::Watch;

/// How often `--message-rate` prints.
const RATE_MS: u64 = 1000;
/// The chances of `--random-filter`.
const CHANCES: u32 = 10_000;

/// Runs the tool.
///
/// # Errors
/// Why it failed.
pub(crate) fn run(settings: &Settings, console: &mut Console) -> Result<i32, Failure> {
    let subscription = &settings.subscription;
    if subscription.no_retained && subscription.retained_only {
        let text = "\nError: Combining '-R' and '--retained-only' makes no sense.";
        return Err(Failure::new(USAGE, text));
    }
    let watch = (settings.output.watch && console.is_terminal()).then(Watch::new);
    let subscriber = Subscriber {
        count: 0,
        done: false,
        removing: None,
        rate: settings.output.message_rate.then(Rate::default),
        watch,
    };
    driver::run(settings, console, subscriber)
}

struct Subscriber {
    /// Messages that counted for `-C`.
    count: u32,
    /// No more messages are wanted.
    done: bool,
    /// The last message of `--remove-retained` that is not answered.
    removing: Option<PacketId>,
    rate: Option<Rate>,
    watch: Option<Watch>,
}

#[derive(Default)]
struct Rate {
    messages: u64,
    print_at: u64,
}

impl App for Subscriber {
    fn event(&mut self, event: Event, link: &mut Link<'_>) -> Result<(), Failure> {
        match event {
            Event::Connected(_) => self.subscribe(link),
            Event::Subscribed { id, codes, .. } => {
                subscribed(id, &codes, link);
                Ok(())
            }
            Event::Message(message) => self.message(&message, link),
            Event::Published { id, .. } => {
                if self.removing == Some(id) {
                    self.removing = None;
                    self.finish_if_done(link);
                }
                Ok(())
            }
            Event::Unsubscribed { .. } => {
                let subscription = &link.settings.subscription;
                if subscription.topics.is_empty() && subscription.exit_after_suback {
                    link.disconnect();
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn turn(&mut self, link: &mut Link<'_>) -> Result<(), Failure> {
        if let Some(rate) = &mut self.rate {
            rate.turn(link);
        }
        if let Some(watch) = &mut self.watch {
            watch.draw(link.console);
        }
        Ok(())
    }

    fn deadline(&self) -> Option<u64> {
        self.rate.as_ref().map(|rate| rate.print_at)
    }

    fn reconnects(&self) -> bool {
        true
    }

    fn handles_signals(&self) -> bool {
        true
    }
}

impl Rate {
    fn turn(&mut self, link: &mut Link<'_>) {
        if link.now < self.print_at {
            return;
        }
        if self.print_at > 0 {
            link.console.line(format_args!("{} msgs/s", self.messages));
        }
        self.messages = 0;
        self.print_at = link.now + RATE_MS;
    }
}

impl Subscriber {
    fn subscribe(&self, link: &mut Link<'_>) -> Result<(), Failure> {
        let settings = link.settings;
        let subscription = &settings.subscription;
        let options = options(subscription, settings.message.qos);
        let filters: Vec<SubscribeFilter<'_>> =
            subscription.topics.iter().map(|filter| SubscribeFilter { filter, options }).collect();
        if !filters.is_empty() {
            let properties = of_version(&settings.properties.subscribe, settings);
            link.client
                .subscribe(link.now, &filters, &properties)
                .map_err(|refused| failed(refused, link))?;
        }
        for filter in &subscription.unsubscribe {
            let properties = of_version(&settings.properties.unsubscribe, settings);
            link.client
                .unsubscribe(link.now, &[filter], &properties)
                .map_err(|refused| failed(refused, link))?;
        }
        Ok(())
    }

    fn message(&mut self, message: &Message, link: &mut Link<'_>) -> Result<(), Failure> {
        let subscription = &link.settings.subscription;
        if self.done {
            return Ok(());
        }
        if subscription.retained_only && !message.retain {
            self.done = true;
            self.finish_if_done(link);
            return Ok(());
        }
        let filtered = subscription.filter_out.iter().any(|filter| topic::matches(filter, &message.topic));
        if filtered || (message.retain && subscription.no_retained) {
            return Ok(());
        }
        if subscription.remove_retained && message.retain {
            let mut nothing = NewMessage::new(&message.topic, b"").qos(Qos::AtLeastOnce);
            nothing.retain = true;
            // A broker that cannot retain has nothing to remove.
            self.removing = link.client.publish(link.now, &nothing).ok();
        }
        self.print(message, link)?;
        self.count += 1;
        if subscription.count == Some(self.count) {
            self.done = true;
            self.finish_if_done(link);
        }
        Ok(())
    }

    fn print(&mut self, message: &Message, link: &mut Link<'_>) -> Result<(), Failure> {
        let output = &link.settings.output;
        if let Some(rate) = &mut self.rate {
            rate.messages += 1;
            return Ok(());
        }
        if let Some(chance) = output.random_filter.filter(|chance| *chance < CHANCES)
            && random_below(CHANCES)? >= chance
        {
            return Ok(());
        }
        match &mut self.watch {
            Some(watch) => watch.update(message, output),
            None => printer::print(message, output, link.console),
        }
        Ok(())
    }

    fn finish_if_done(&self, link: &mut Link<'_>) {
        if self.done && self.removing.is_none() {
            link.disconnect();
        }
    }
}

/// The options of all subscriptions.
pub(crate) fn options(subscription: &Subscription, qos: Qos) -> SubscribeOptions {
    SubscribeOptions {
        qos,
        no_local: false,
        retain_as_published: subscription.retain_as_published,
        retain_handling: subscription.retain_handling,
    }
}

/// Properties are MQTT 5's.
pub(crate) fn of_version(properties: &PropertiesBuf, settings: &Settings) -> PropertiesBuf {
    match settings.client.version {
        Version::V5 => properties.clone(),
        Version::V31 | Version::V311 => PropertiesBuf::new(),
    }
}

/// The client refuses a subscription, because the broker has said that it would.
pub(crate) fn failed(refused: Refused, link: &mut Link<'_>) -> Failure {
    link.disconnect();
    Failure::new(USAGE, format!("Error: {refused}."))
}

fn subscribed(id: PacketId, codes: &[ReasonCode], link: &mut Link<'_>) {
    let output = &link.settings.output;
    if output.debug && !output.quiet {
        let list: Vec<String> = codes.iter().map(|code| code.0.to_string()).collect();
        link.console.line(format_args!("Subscribed (mid: {id}): {}", list.join(", ")));
    }
    let all_denied = codes.iter().all(|code| code.is_error());
    if all_denied || link.settings.subscription.exit_after_suback {
        link.disconnect();
    }
    if all_denied {
        link.console.error("All subscription requests were denied.");
    }
}

fn random_below(limit: u32) -> Result<u32, Failure> {
    let number = getrandom::u32().map_err(|error| Failure::system(crate::failure::ERRNO, &error.into()))?;
    Ok(number % limit)
}
