//! SUBSCRIBE and UNSUBSCRIBE.

use super::Broker;
use super::publish::parse;
use super::sent::Sent;
use super::session::{Queued, Session, Subscription};
use pondhawk_codec::packet::{RetainHandling, Subscribe, Unsubscribe};
use pondhawk_codec::topic::matches;
use pondhawk_codec::{Property, Version, reason};

impl Broker {
    /// SUBSCRIBE: as if each filter came by itself. [MQTT-3.8.4-5]
    pub(super) fn subscribe(&mut self, connection: usize, packet: &Subscribe<'_>) {
        let id = packet.properties.find(|property| match property {
            Property::SubscriptionIdentifier(id) => Some(id),
            _ => None,
        });
        let mut codes = Vec::new();
        for one in packet.filters.iter() {
            let (filter, options) = (one.filter.to_owned(), one.options);
            codes.push(options.qos.as_u8());
            self.subscribe_one(connection, Subscription { filter, options, id, replaying: false });
        }
        self.send(connection, Sent::Suback(packet.packet_id.get(), codes));
    }

    /// [MQTT-3.8.4-3] [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11]
    fn subscribe_one(&mut self, connection: usize, mut subscription: Subscription) {
        let retained = self.retained.clone();
        let session = self.session_of(connection);
        let known = session.subscriptions.iter().position(|old| old.filter == subscription.filter);
        if let Some(at) = known {
            session.subscriptions.remove(at);
        }
        let wanted = match subscription.options.retain_handling {
            RetainHandling::Send => true,
            RetainHandling::SendIfNew => known.is_none(),
            RetainHandling::DoNotSend => false,
        };
        if wanted && parse(&subscription.filter).share.is_none() {
            session.abandon_replay(&subscription.filter);
            subscription.replaying = true;
            for message in retained.iter().filter(|old| matches(&subscription.filter, &old.topic)) {
                let own = subscription.options.no_local && message.publisher == session.client;
                if !own {
                    session.queue.push(Queued::replay(&subscription, message));
                }
            }
        }
        session.subscriptions.push(subscription);
    }

    /// UNSUBSCRIBE. [MQTT-3.10.4-1] [MQTT-3.10.4-5]
    pub(super) fn unsubscribe(&mut self, connection: usize, packet: &Unsubscribe<'_>) {
        let version = self.connections[connection].version;
        let session = self.session_of(connection);
        let mut codes = Vec::new();
        for filter in packet.filters.iter() {
            let before = session.subscriptions.len();
            session.subscriptions.retain(|subscription| subscription.filter != filter);
            session.abandon_replay(filter);
            let gone = session.subscriptions.len() < before;
            codes.push(if gone { reason::SUCCESS.0 } else { reason::NO_SUBSCRIPTION_EXISTED.0 });
        }
        if version != Version::V5 {
            codes.clear();
        }
        self.send(connection, Sent::Unsuback(packet.packet_id.get(), codes));
    }
}

impl Session {
    /// Retained messages that the subscription was still to get may be left out.
    fn abandon_replay(&mut self, filter: &str) {
        for entry in &mut self.queue {
            entry.optional |= entry.replay && entry.filter == filter;
        }
    }
}
