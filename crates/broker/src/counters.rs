//! What a shard counts. All of it only grows, but for those that say "now".

use pondhawk_codec::PacketType;

/// Counters of one shard, to be added up over all of them.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Packets received, by type number.
    pub packets_received: [u64; 16],
    /// Packets sent, by type number.
    pub packets_sent: [u64; 16],
    /// Payload bytes of PUBLISH packets received.
    pub publish_bytes_received: u64,
    /// Payload bytes of PUBLISH packets sent.
    pub publish_bytes_sent: u64,
    /// Messages dropped because a queue or buffer was full, they were too large, or they expired.
    pub publish_dropped: u64,
    /// Sessions that ended by expiry.
    pub clients_expired: u64,
    /// Sessions now.
    pub sessions: u64,
    /// Connected clients now.
    pub connected: u64,
    /// Subscriptions now, without shared ones.
    pub subscriptions: u64,
    /// Members of shared groups now.
    pub shared_subscriptions: u64,
    /// Retained messages now.
    pub retained: u64,
    /// Bytes of retained messages now.
    pub retained_bytes: u64,
    /// Messages in flight and queued now.
    pub queued: u64,
    /// Bytes of them.
    pub queued_bytes: u64,
    /// Those of them that are on disk and not in memory.
    pub queued_disk_bytes: u64,
    /// Bytes of QoS 2 messages that wait for their PUBREL now.
    pub inbox_bytes: u64,
    /// Messages that the store keeps now: retained, queued, in flight, and before their PUBREL.
    pub kept: u64,
    /// Nodes of the subscription trie now.
    pub trie_nodes: u64,
    /// SUBACKs, acknowledgements and searches for retained messages that wait for something now.
    pub waiting: u64,
}

impl Counters {
    pub(crate) fn received(&mut self, packet_type: PacketType) {
        self.packets_received[packet_type as usize] += 1;
    }

    pub(crate) fn sent(&mut self, packet_type: PacketType) {
        self.packets_sent[packet_type as usize] += 1;
    }

    /// Adds another shard's counters to these.
    pub fn add(&mut self, other: &Counters) {
        for (mine, theirs) in self.packets_received.iter_mut().zip(other.packets_received) {
            *mine += theirs;
        }
        for (mine, theirs) in self.packets_sent.iter_mut().zip(other.packets_sent) {
            *mine += theirs;
        }
        self.publish_bytes_received += other.publish_bytes_received;
        self.publish_bytes_sent += other.publish_bytes_sent;
        self.publish_dropped += other.publish_dropped;
        self.clients_expired += other.clients_expired;
        self.sessions += other.sessions;
        self.connected += other.connected;
        self.subscriptions += other.subscriptions;
        self.shared_subscriptions += other.shared_subscriptions;
        self.retained += other.retained;
        self.retained_bytes += other.retained_bytes;
        self.queued += other.queued;
        self.queued_bytes += other.queued_bytes;
        self.queued_disk_bytes += other.queued_disk_bytes;
        self.inbox_bytes += other.inbox_bytes;
        self.kept += other.kept;
        self.trie_nodes += other.trie_nodes;
        self.waiting += other.waiting;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_is_summed() {
        let mut one = Counters {
            publish_bytes_received: 2,
            publish_bytes_sent: 3,
            publish_dropped: 4,
            clients_expired: 5,
            sessions: 6,
            connected: 7,
            subscriptions: 8,
            shared_subscriptions: 9,
            retained: 10,
            retained_bytes: 11,
            queued: 12,
            queued_bytes: 13,
            inbox_bytes: 14,
            trie_nodes: 15,
            waiting: 16,
            queued_disk_bytes: 17,
            kept: 18,
            ..Counters::default()
        };
        one.received(PacketType::Publish);
        one.sent(PacketType::Puback);
        let mut sum = one.clone();
        sum.add(&one);
        sum.add(&one);
        let publish = PacketType::Publish as usize;
        let puback = PacketType::Puback as usize;
        assert_eq!((sum.packets_received[publish], sum.packets_sent[puback]), (3, 3));
        let parts = [
            (sum.publish_bytes_received, 2),
            (sum.publish_bytes_sent, 3),
            (sum.publish_dropped, 4),
            (sum.clients_expired, 5),
            (sum.sessions, 6),
            (sum.connected, 7),
            (sum.subscriptions, 8),
            (sum.shared_subscriptions, 9),
            (sum.retained, 10),
            (sum.retained_bytes, 11),
            (sum.queued, 12),
            (sum.queued_bytes, 13),
            (sum.inbox_bytes, 14),
            (sum.trie_nodes, 15),
            (sum.waiting, 16),
            (sum.queued_disk_bytes, 17),
            (sum.kept, 18),
        ];
        assert!(parts.iter().all(|(sum, part)| *sum == 3 * part), "{parts:?}");
    }
}
