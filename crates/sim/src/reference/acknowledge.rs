//! The other half of a delivery: PUBACK, PUBREC and PUBCOMP from a client.

use super::session::{Inflight, Session};
use super::{Broker, Violation};
use pondhawk_codec::{PacketType, ReasonCode, reason};

impl Broker {
    /// PUBACK ends a QoS 1 delivery. [MQTT-4.3.2-3]
    pub(super) fn puback(&mut self, connection: usize, id: u16) -> Result<(), Violation> {
        self.session_of(connection).finish(id, |entry| entry.entry.qos == 1)
    }

    /// PUBCOMP ends a QoS 2 delivery. [MQTT-4.3.3-5]
    pub(super) fn pubcomp(&mut self, connection: usize, id: u16) -> Result<(), Violation> {
        self.session_of(connection).finish(id, |entry| entry.released)
    }

    /// PUBREC is answered by PUBREL [MQTT-4.3.3-4], unless it says that the message is not wanted [MQTT-4.4.0-2].
    pub(super) fn pubrec(&mut self, connection: usize, id: u16, code: ReasonCode) -> Result<(), Violation> {
        let inflight = &mut self.session_of(connection).inflight;
        let answer = match inflight.iter_mut().position(|entry| entry.id == id) {
            Some(at) if inflight[at].entry.qos != 2 => return Err(reason::PROTOCOL_ERROR),
            Some(at) if code.is_error() && !inflight[at].released => {
                inflight.remove(at);
                return Ok(());
            }
            Some(at) => {
                inflight[at].released = true;
                reason::SUCCESS
            }
            None if code.is_error() => return Ok(()),
            None => reason::PACKET_ID_NOT_FOUND,
        };
        self.send_ack(connection, PacketType::Pubrel, id, answer);
        Ok(())
    }
}

impl Session {
    /// Ends the delivery with this id, if the acknowledgement is the one that it waits for.
    fn finish(&mut self, id: u16, awaited: fn(&Inflight) -> bool) -> Result<(), Violation> {
        let Some(at) = self.inflight.iter().position(|entry| entry.id == id) else {
            return Ok(());
        };
        if !awaited(&self.inflight[at]) {
            return Err(reason::PROTOCOL_ERROR);
        }
        self.inflight.remove(at);
        Ok(())
    }
}
