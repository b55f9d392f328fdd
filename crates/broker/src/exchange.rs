//! Enhanced authentication: AUTH packets between CONNECT and CONNACK, and on a connected client that
//! authenticates again. Before it: [`connect`](crate::connect), which asks the first question.

use crate::conn::{Phase, Reauth};
use crate::effects::{Answer, Effects, Question, Subject};
use crate::host::{Ended, Host};
use crate::id::ConnId;
use crate::shard::Shard;
use alloc::boxed::Box;
use pondhawk_codec::packet::{Auth, Connect};
use pondhawk_codec::reason::{self, ReasonCode};
use pondhawk_codec::{Frame, Packet, PropertiesBuf, Property, Version};
use pondhawk_session::server::Violation;

impl<H: Host> Shard<H> {
    /// AUTH or DISCONNECT, and nothing else, may come during an exchange.
    pub(crate) fn continue_exchange(
        &mut self,
        conn: ConnId,
        frame: &Frame<'_>,
        fx: &mut Effects,
    ) -> Result<(), Violation> {
        let packet = Packet::decode(frame, Version::V5)?;
        if matches!(packet, Packet::Disconnect(_)) {
            self.end_greeting(conn, "DISCONNECT during authentication", fx);
            return Ok(());
        }
        let Packet::Auth(auth) = packet else {
            return Err(Violation::UnexpectedPacket(frame.packet_type));
        };
        let Some(state) = self.conns.get_mut(conn.index) else {
            return Ok(());
        };
        let Phase::Exchanging(asked) = core::mem::replace(&mut state.phase, Phase::Greeting) else {
            return Ok(());
        };
        let step = exchange_step(&auth, asked.method.as_deref(), reason::CONTINUE_AUTHENTICATION);
        let client_id = asked.client_id.clone();
        let (listener, peer) = (state.listener, state.peer.clone());
        match step {
            Ok((method, data)) => {
                state.phase = Phase::Asked(asked);
                let subject = Subject::Exchange { client_id, method, data, first: false };
                fx.questions.push(Question { conn, listener, peer, subject });
                Ok(())
            }
            Err(violation) => {
                state.phase = Phase::Exchanging(asked);
                Err(violation)
            }
        }
    }

    /// AUTH on a connected client: it authenticates again.
    pub(crate) fn reauthenticate(
        &mut self,
        conn: ConnId,
        session: u32,
        auth: &Auth<'_>,
        fx: &mut Effects,
    ) -> Result<(), Violation> {
        self.note_packet(session, false, "AUTH");
        let Some(state) = self.conns.get_mut(conn.index) else {
            return Ok(());
        };
        let fresh = self.now + self.settings.connect_timeout_ms;
        let (wanted, due, first) = match state.reauth {
            Reauth::No => (reason::REAUTHENTICATE, fresh, true),
            Reauth::Owed(due) => (reason::CONTINUE_AUTHENTICATION, due, false),
            // It was not its turn.
            Reauth::Asked(_) => return Err(Violation::AuthMethod),
        };
        let (method, data) = exchange_step(auth, state.method.as_deref(), wanted)?;
        state.reauth = Reauth::Asked(due);
        let Some(session) = self.sessions.get(session) else {
            return Ok(());
        };
        let client_id = (*session.client_id).into();
        if first {
            self.timers.set(due, crate::timers::Timer::Connect(conn));
        }
        let subject = Subject::Exchange { client_id, method, data, first };
        fx.questions.push(Question { conn, listener: state.listener, peer: state.peer.clone(), subject });
        Ok(())
    }

    pub(crate) fn answer_reauthentication(&mut self, conn: ConnId, answer: &Answer, fx: &mut Effects) {
        let Some(state) = self.conns.get_mut(conn.index) else {
            return;
        };
        let method: Option<Box<str>> = state.method.clone();
        let Reauth::Asked(due) = state.reauth else { return };
        match answer {
            Answer::Accept { data, .. } => {
                state.reauth = Reauth::No;
                self.send_auth(conn.index, reason::SUCCESS, (method.as_deref(), data.as_deref()), fx);
            }
            Answer::Continue { data } => {
                state.reauth = Reauth::Owed(due);
                self.send_auth(
                    conn.index,
                    reason::CONTINUE_AUTHENTICATION,
                    (method.as_deref(), Some(data)),
                    fx,
                );
            }
            // [MQTT-4.12.1-2]
            Answer::Refuse(code) => {
                self.say_disconnect(conn.index, *code, fx);
                self.finish(conn.index, Ended::NotAuthorized, fx);
                self.close(conn.index, fx);
            }
        }
    }

    /// Method and data, and nothing that could be too much. [MQTT-3.15.2-2] [MQTT-3.15.2-3] [MQTT-4.12.0-2]
    /// [MQTT-4.12.0-5]
    pub(crate) fn send_auth(
        &mut self,
        index: u32,
        code: ReasonCode,
        (method, data): (Option<&str>, Option<&[u8]>),
        fx: &mut Effects,
    ) {
        let mut properties = PropertiesBuf::new();
        if let Some(method) = method {
            let _fits = properties.push(Property::AuthenticationMethod(method));
        }
        if let Some(data) = data {
            let _fits = properties.push(Property::AuthenticationData(data));
        }
        let auth = Auth { code, properties: properties.as_properties() };
        self.send(index, &Packet::Auth(auth), fx);
    }
}

pub(crate) fn find_method<'a>(connect: &Connect<'a>) -> Option<(&'a str, &'a [u8])> {
    let method = connect.properties.find(|property| match property {
        Property::AuthenticationMethod(method) => Some(method),
        _ => None,
    })?;
    Some((method, find_data(connect.properties)))
}

fn find_data(properties: pondhawk_codec::Properties<'_>) -> &[u8] {
    let data = properties.find(|property| match property {
        Property::AuthenticationData(data) => Some(data),
        _ => None,
    });
    data.unwrap_or_default()
}

/// Method and data of an AUTH that must carry `wanted` and repeat the method of CONNECT. [MQTT-4.12.0-5]
fn exchange_step(
    auth: &Auth<'_>,
    method: Option<&str>,
    wanted: ReasonCode,
) -> Result<(Box<str>, Box<[u8]>), Violation> {
    let given = auth.properties.find(|property| match property {
        Property::AuthenticationMethod(method) => Some(method),
        _ => None,
    });
    // A client without a method has nothing to say here.
    let method = method.filter(|method| given == Some(*method)).ok_or(Violation::AuthMethod)?;
    if auth.code != wanted {
        return Err(Violation::AuthMethod);
    }
    Ok((method.into(), find_data(auth.properties).into()))
}
