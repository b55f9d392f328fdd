//! The messages: a PUBLISH frame that is copied and stamped, and the stamp that comes back.

use crate::workload::Traffic;
use pondhawk_codec::packet::PublishHeader;
use pondhawk_codec::{PacketId, Qos, Version};

/// Bytes of the payload that say which message it is: flow, number, time.
pub(crate) const STAMP_LEN: usize = 4 + 8 + 8;

/// What a payload says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Which publisher.
    pub(crate) flow: u32,
    /// The how many-eth of this publisher, from 0.
    pub(crate) number: u64,
    /// When it was sent, in nanoseconds since the start of the run.
    pub(crate) sent_at: u64,
}

impl Stamp {
    /// Reads it from the front of a payload.
    pub(crate) fn read(payload: &[u8]) -> Option<Stamp> {
        Some(Stamp {
            flow: u32::from_be_bytes(payload.get(..4)?.try_into().ok()?),
            number: u64::from_be_bytes(payload.get(4..12)?.try_into().ok()?),
            sent_at: u64::from_be_bytes(payload.get(12..20)?.try_into().ok()?),
        })
    }

    fn write(self, payload: &mut [u8]) {
        payload[..4].copy_from_slice(&self.flow.to_be_bytes());
        payload[4..12].copy_from_slice(&self.number.to_be_bytes());
        payload[12..STAMP_LEN].copy_from_slice(&self.sent_at.to_be_bytes());
    }
}

/// The PUBLISH frame of one publisher, encoded once.
pub(crate) struct Template {
    frame: Vec<u8>,
    /// Where the packet identifier stands, at QoS 1 and 2.
    id_at: Option<usize>,
    payload_at: usize,
    flow: u32,
}

impl Template {
    /// The frame of publisher `flow` of this traffic.
    pub(crate) fn new(traffic: &Traffic, flow: u32, topic: &str) -> Template {
        let acknowledged = traffic.qos != Qos::AtMostOnce;
        let header = PublishHeader {
            dup: false,
            qos: traffic.qos,
            retain: traffic.retain,
            topic,
            packet_id: acknowledged.then_some(PacketId::MIN),
        };
        let no_properties: &[&[u8]] = &[];
        let properties = (traffic.version == Version::V5).then_some(no_properties);
        let mut frame = Vec::new();
        header
            .encode(properties, &vec![b'.'; traffic.payload_bytes], &mut frame)
            .expect("the workload table holds no message larger than MQTT's limit");
        let payload_at = frame.len() - traffic.payload_bytes;
        let block = properties.map_or(0, |_| 1);
        Template { frame, id_at: acknowledged.then(|| payload_at - block - 2), payload_at, flow }
    }

    /// Appends message `number`.
    pub(crate) fn append(&self, number: u64, sent_at: u64, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.frame);
        if let Some(at) = self.id_at {
            let id = (number % u64::from(u16::MAX)) as u16 + 1;
            out[start + at..start + at + 2].copy_from_slice(&id.to_be_bytes());
        }
        let stamp = Stamp { flow: self.flow, number, sent_at };
        stamp.write(&mut out[start + self.payload_at..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Shape, WORKLOADS};
    use pondhawk_codec::Packet;
    use pondhawk_codec::frame::{Step, next};

    #[test]
    fn what_is_appended_is_a_publish_with_its_stamp() {
        for workload in WORKLOADS {
            let Shape::Traffic(traffic) = workload.shape else {
                continue;
            };
            let template = Template::new(&traffic, 7, "bench/7");
            let mut out = vec![0xc0, 0];
            template.append(65_535, 123, &mut out);
            let Ok(Step::Frame(frame)) = next(&out[2..], out.len()) else {
                panic!("one frame");
            };
            assert_eq!(frame.len, out.len() - 2);
            let Ok(Packet::Publish(publish)) = Packet::decode(&frame, traffic.version) else {
                panic!("a PUBLISH");
            };
            assert_eq!((publish.topic, publish.qos), ("bench/7", traffic.qos));
            assert_eq!(publish.packet_id.is_some(), traffic.qos != Qos::AtMostOnce);
            assert_eq!(publish.payload.len(), traffic.payload_bytes);
            let stamp = Stamp { flow: 7, number: 65_535, sent_at: 123 };
            assert_eq!(Stamp::read(publish.payload), Some(stamp));
        }
    }

    #[test]
    fn short_payloads_have_no_stamp() {
        assert_eq!(Stamp::read(&[0; STAMP_LEN - 1]), None);
    }
}
