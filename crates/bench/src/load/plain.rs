//! A client that does one thing after the other, for what happens before and between the loads.

use super::engine::{hello, subscribe, too_large, unexpected};
use crate::error::{BenchError, Tried};
use pondhawk_codec::frame::{Step, next};
use pondhawk_codec::packet::Disconnect;
use pondhawk_codec::{Frame, Packet, Qos, REMAINING_LENGTH_MAX, Version, reason};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const VERSION: Version = Version::V311;

/// Makes a session that stays, with a subscription at QoS 1, and leaves it.
///
/// # Errors
/// The broker does not want it.
pub(crate) fn leave_session(addr: SocketAddr, client_id: &str, filter: &str) -> Result<(), BenchError> {
    let mut client = Plain::connect(addr, false, client_id, super::PATIENCE)?;
    let mut out = Vec::new();
    subscribe(VERSION, filter, Qos::AtLeastOnce, &mut out)?;
    client.send(&out)?;
    client.expect(|packet| match packet {
        Packet::Suback(suback) => suback.codes == [Qos::AtLeastOnce.as_u8()],
        _ => false,
    })?;
    client.leave()
}

/// Connects and leaves: returns when the broker lets clients in.
///
/// # Errors
/// It does not in time.
pub(crate) fn greet(addr: SocketAddr, within: Duration) -> Result<(), BenchError> {
    Plain::connect(addr, true, "bench-greeting", within)?.leave()
}

struct Plain {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Plain {
    /// Connects and waits for CONNACK.
    fn connect(
        addr: SocketAddr,
        clean_start: bool,
        client_id: &str,
        within: Duration,
    ) -> Result<Self, BenchError> {
        let what = || format!("connecting to {addr}");
        let stream = TcpStream::connect(addr).tried(what)?;
        stream.set_read_timeout(Some(within)).tried(what)?;
        let mut client = Plain { stream, input: Vec::new() };
        let mut out = Vec::new();
        hello(VERSION, clean_start, client_id).encode(&mut out).map_err(too_large)?;
        client.send(&out)?;
        client.expect(|packet| matches!(packet, Packet::Connack(connack) if connack.code.0 == 0))?;
        Ok(client)
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), BenchError> {
        self.stream.write_all(bytes).tried(|| "writing to the broker".to_owned())
    }

    /// Waits for one packet, which has to be the right one.
    fn expect(&mut self, right: impl Fn(&Packet<'_>) -> bool) -> Result<(), BenchError> {
        loop {
            match next(&self.input, REMAINING_LENGTH_MAX) {
                Ok(Step::Frame(frame)) => {
                    let packet = Packet::decode(&frame, VERSION);
                    if !packet.is_ok_and(|packet| right(&packet)) {
                        return Err(surprise(&frame));
                    }
                    let len = frame.len;
                    self.input.drain(..len);
                    return Ok(());
                }
                Ok(Step::Need(_)) => self.read()?,
                Err(error) => return Err(BenchError::Broker(format!("bytes that are not MQTT: {error}"))),
            }
        }
    }

    fn read(&mut self) -> Result<(), BenchError> {
        let mut part = [0; 1024];
        let len = self.stream.read(&mut part).tried(|| "waiting for the broker's answer".to_owned())?;
        if len == 0 {
            return Err(BenchError::Broker("it closed the connection".to_owned()));
        }
        self.input.extend_from_slice(&part[..len]);
        Ok(())
    }

    /// Disconnects, and returns when the broker has closed its end: it knows that the client is gone.
    fn leave(mut self) -> Result<(), BenchError> {
        let mut out = Vec::new();
        Disconnect::new(reason::SUCCESS).encode(VERSION, &mut out).map_err(too_large)?;
        self.send(&out)?;
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).tried(|| "waiting for the end of a connection".to_owned())?;
        Ok(())
    }
}

fn surprise(frame: &Frame<'_>) -> BenchError {
    unexpected(0, frame)
}
