//! The lines of `-d`, one for each packet.

use pondhawk_codec::PacketType;
use pondhawk_session::client::{Trace, TracedPacket};

/// The lines for a packet that passed; `id` is the client id, empty while the broker has not given one.
pub(crate) fn lines(id: &str, trace: &Trace) -> Vec<String> {
    let id = if id.is_empty() { "(null)" } else { id };
    let (direction, packet) = match trace {
        Trace::Sent(packet) => ("sending", packet),
        Trace::Received(packet) => ("received", packet),
    };
    let sent = direction == "sending";
    let texts = match packet {
        TracedPacket::Subscribe { id, filters } => filters
            .iter()
            .map(|(filter, options)| {
                let (qos, rest) = (options & 3, options & 0xfc);
                format!("SUBSCRIBE (Mid: {id}, Topic: {filter}, QoS: {qos}, Options: 0x{rest:02x})")
            })
            .collect(),
        TracedPacket::Unsubscribe { id, filters } => {
            filters.iter().map(|filter| format!("UNSUBSCRIBE (Mid: {id}, Topic: {filter})")).collect()
        }
        TracedPacket::Coded { packet_type: PacketType::Disconnect, code } if !sent => {
            return vec![format!("Received DISCONNECT ({})", code.0)];
        }
        other => vec![one(other, sent)],
    };
    texts.into_iter().map(|text| format!("Client {id} {direction} {text}")).collect()
}

fn one(packet: &TracedPacket, sent: bool) -> String {
    match packet {
        TracedPacket::Publish { dup, qos, retain, id, topic, len } => {
            let (dup, retain) = (u8::from(*dup), u8::from(*retain));
            let (qos, mid) = (qos.as_u8(), id.map_or(0, |id| id.get()));
            format!("PUBLISH (d{dup}, q{qos}, r{retain}, m{mid}, '{topic}', ... ({len} bytes))")
        }
        TracedPacket::Ack { packet_type, id, code } => {
            let (name, code) = (packet_type.name(), code.0);
            match (sent, packet_type) {
                (true, PacketType::Puback | PacketType::Pubrec) => format!("{name} (m{id}, rc{code})"),
                (true, _) => format!("{name} (m{id})"),
                (false, PacketType::Puback | PacketType::Pubcomp) => format!("{name} (Mid: {id}, RC:{code})"),
                (false, _) => format!("{name} (Mid: {id})"),
            }
        }
        TracedPacket::Coded { packet_type: PacketType::Connack, code } => format!("CONNACK ({})", code.0),
        TracedPacket::Coded { packet_type, .. } | TracedPacket::Plain(packet_type) => {
            packet_type.name().to_owned()
        }
        TracedPacket::Subscribe { .. } | TracedPacket::Unsubscribe { .. } => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pondhawk_codec::{PacketId, Qos, ReasonCode};

    fn id(n: u16) -> PacketId {
        PacketId::new(n).expect("not zero")
    }

    fn publish(id: Option<PacketId>) -> TracedPacket {
        TracedPacket::Publish {
            dup: false,
            qos: Qos::AtMostOnce,
            retain: true,
            id,
            topic: "a".to_owned(),
            len: 2,
        }
    }

    fn ack(packet_type: PacketType) -> TracedPacket {
        TracedPacket::Ack { packet_type, id: id(1), code: ReasonCode(16) }
    }

    #[test]
    fn lines_as_mosquitto_prints_them() {
        let coded = |packet_type| TracedPacket::Coded { packet_type, code: ReasonCode(0) };
        for (trace, line) in [
            (Trace::Sent(TracedPacket::Plain(PacketType::Connect)), "Client (null) sending CONNECT"),
            (Trace::Received(coded(PacketType::Connack)), "Client (null) received CONNACK (0)"),
            (
                Trace::Sent(publish(Some(id(1)))),
                "Client (null) sending PUBLISH (d0, q0, r1, m1, 'a', ... (2 bytes))",
            ),
            (
                Trace::Received(publish(None)),
                "Client (null) received PUBLISH (d0, q0, r1, m0, 'a', ... (2 bytes))",
            ),
            (Trace::Received(ack(PacketType::Puback)), "Client (null) received PUBACK (Mid: 1, RC:16)"),
            (Trace::Received(ack(PacketType::Pubrec)), "Client (null) received PUBREC (Mid: 1)"),
            (Trace::Sent(ack(PacketType::Pubrel)), "Client (null) sending PUBREL (m1)"),
            (Trace::Sent(ack(PacketType::Puback)), "Client (null) sending PUBACK (m1, rc16)"),
            (Trace::Sent(coded(PacketType::Disconnect)), "Client (null) sending DISCONNECT"),
            (Trace::Received(coded(PacketType::Disconnect)), "Received DISCONNECT (0)"),
            (Trace::Received(TracedPacket::Plain(PacketType::Pingresp)), "Client (null) received PINGRESP"),
        ] {
            assert_eq!(lines("", &trace), [line]);
        }
    }

    #[test]
    fn one_line_a_filter() {
        let filters = vec![("a".to_owned(), 1), ("b".to_owned(), 0x2a)];
        let trace = Trace::Sent(TracedPacket::Subscribe { id: id(3), filters });
        let expected = [
            "Client me sending SUBSCRIBE (Mid: 3, Topic: a, QoS: 1, Options: 0x00)",
            "Client me sending SUBSCRIBE (Mid: 3, Topic: b, QoS: 2, Options: 0x28)",
        ];
        assert_eq!(lines("me", &trace), expected);
    }
}
