//! PUBACK, PUBREC and PUBCOMP from a client: the other half of a delivery.

use crate::effects::Effects;
use crate::host::Host;
use crate::id::ConnId;
use crate::record::Persist;
use crate::shard::Shard;
use pondhawk_codec::packet::Ack;
use pondhawk_codec::{PacketId, PacketType, Version, reason};
use pondhawk_plants::planted;
use pondhawk_session::server::{Outbox, PubrecOutcome, Seq, Violation, WrongAck};

impl<H: Host> Shard<H> {
    /// PUBACK.
    pub(crate) fn puback(&mut self, index: u32, ack: &Ack<'_>, fx: &mut Effects) -> Result<(), Violation> {
        self.note_ack(index, false, PacketType::Puback, ack);
        self.end_delivery(index, ack.packet_id, Outbox::puback, fx)
    }

    /// PUBREC: answered by PUBREL, unless the client refused the message. [MQTT-4.3.3-4] [MQTT-4.8.2-6] [MQTT3-4.3.3-1]
    pub(crate) fn pubrec(
        &mut self,
        conn: ConnId,
        index: u32,
        ack: &Ack<'_>,
        fx: &mut Effects,
    ) -> Result<(), Violation> {
        self.note_ack(index, false, PacketType::Pubrec, ack);
        let id = ack.packet_id;
        let Some(session) = self.sessions.get_mut(index) else {
            return Ok(());
        };
        let outcome = session.outbox.pubrec(id, ack.code.is_error()).map_err(|_| Violation::WrongAck)?;
        let code = match outcome {
            PubrecOutcome::Release { seq, first } => {
                if first && !planted!(RecordedForgotten) {
                    let record = |client_id| Persist::Recorded { client_id, seq };
                    self.delivery_parts().record(index, record, fx);
                }
                reason::SUCCESS
            }
            PubrecOutcome::Unknown if ack.code.is_error() => return Ok(()),
            PubrecOutcome::Unknown => reason::PACKET_ID_NOT_FOUND,
            PubrecOutcome::Done(seq) => {
                self.acknowledged(index, seq, fx);
                return Ok(());
            }
        };
        let v5 = self.conns.get(conn.index).is_some_and(|state| state.link.version == Version::V5);
        let code = if v5 { code } else { reason::SUCCESS };
        let at = self.conns.get(conn.index).map_or(0, |state| state.out.len());
        self.send_ack((conn.index, PacketType::Pubrel), id, code, fx);
        self.delivery_parts().rest((index, conn.index), at);
        Ok(())
    }

    /// PUBCOMP.
    pub(crate) fn pubcomp(&mut self, index: u32, ack: &Ack<'_>, fx: &mut Effects) -> Result<(), Violation> {
        self.note_ack(index, false, PacketType::Pubcomp, ack);
        self.end_delivery(index, ack.packet_id, Outbox::pubcomp, fx)
    }

    /// An acknowledgement after which nothing more is to come for its message.
    fn end_delivery(
        &mut self,
        index: u32,
        id: PacketId,
        end: fn(&mut Outbox, PacketId) -> Result<Option<Seq>, WrongAck>,
        fx: &mut Effects,
    ) -> Result<(), Violation> {
        let Some(session) = self.sessions.get_mut(index) else {
            return Ok(());
        };
        if let Some(seq) = end(&mut session.outbox, id).map_err(|_| Violation::WrongAck)? {
            self.acknowledged(index, seq, fx);
        }
        Ok(())
    }

    /// A delivery is done: the window has room again.
    fn acknowledged(&mut self, index: u32, seq: Seq, fx: &mut Effects) {
        self.delivery_parts().dequeued(index, seq, fx);
        self.pump(index, fx);
    }
}
