//! Connections that do nothing: what each costs the broker to accept and to keep.

use super::engine::{Engine, Greeting, Handler, unexpected};
use crate::broker::Running;
use crate::error::{BenchError, Tried};
use crate::figure::{Figures, Metric};
use crate::workload::Idle;
use pondhawk_codec::{Frame, Packet, PacketType, Qos, Version};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are not connections.
const SPARE_DESCRIPTORS: u64 = 300;
/// Fewer connections than this do not tell the broker's memory from its allocator's mood.
const CONNECTIONS_MIN: usize = 1_000;

/// Opens the connections and measures what they cost.
///
/// # Errors
/// The broker broke off, or the limit on descriptors is too low.
pub(super) fn measure(idle: &Idle, broker: &Running) -> Result<Figures, BenchError> {
    let clients = connections_allowed(idle.connections)?;
    let mut engine = Engine::new()?;
    let no_filter = |_: usize| None;
    let own_filter = |number: usize| Some(format!("idle/{number}"));
    let one = Greeting {
        clients: 1,
        version: Version::V311,
        filter: if idle.subscribed { &own_filter } else { &no_filter },
        qos: Qos::AtMostOnce,
    };
    // What the broker makes once for its first client is not what a connection costs.
    engine.open(broker.addr(), &one)?;
    let meter = broker.meter();
    let (bytes_before, cpu_before) = (meter.resident_bytes()?, meter.cpu()?);
    engine.open(broker.addr(), &Greeting { clients, ..one })?;
    // The answer to the last and to the first client says that the broker has done all before.
    let mut pongs = Pongs(0);
    for number in [0, clients] {
        engine.out(number).extend_from_slice(&[PacketType::Pingreq.first_byte(), 0]);
    }
    engine.flush()?;
    engine.turn_until(&mut pongs, |pongs| 2 - pongs.0)?;
    let cpu = meter.cpu()?.since(&cpu_before);
    let bytes = meter.resident_bytes()?.saturating_sub(bytes_before);
    let each = |total: f64| total / clients as f64;
    let mut figures = Figures::from([(Metric::CpuPerConnect, each(cpu.as_secs_f64() * 1e6))]);
    if broker.has_memory_of_its_own() {
        figures.insert(Metric::BytesPerConnection, each(bytes as f64));
    }
    Ok(figures)
}

/// As many connections as were asked for, or as the limit on descriptors allows.
fn connections_allowed(asked: usize) -> Result<usize, BenchError> {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let allowed = usize::try_from(limit.saturating_sub(SPARE_DESCRIPTORS)).unwrap_or(asked);
    if allowed < asked.min(CONNECTIONS_MIN) {
        return Err(BenchError::Usage(format!(
            "idle needs {CONNECTIONS_MIN} connections, but 'ulimit -Hn' allows {allowed}; raise it"
        )));
    }
    Ok(allowed.min(asked))
}

/// Raises the limit on descriptors as far as it goes, for this process and the brokers that it starts.
pub(crate) fn raise_descriptor_limit() -> Result<(), BenchError> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised)
        .map_err(Into::into)
        .tried(|| "raising the limit on descriptors".to_owned())
}

/// Counts answers to PINGREQ.
struct Pongs(u64);

impl Handler for Pongs {
    fn frame(&mut self, number: usize, frame: &Frame<'_>, _out: &mut Vec<u8>) -> Result<(), BenchError> {
        match Packet::decode(frame, Version::V311) {
            Ok(Packet::Pingresp) => {
                self.0 += 1;
                Ok(())
            }
            _ => Err(unexpected(number, frame)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::Contender;

    #[test]
    fn connections_are_counted_and_cost_time() {
        let relay = Contender::Relay.start().expect("a free port");
        let idle = Idle { connections: 100, subscribed: true };
        let figures = measure(&idle, &relay).expect("all are answered");
        assert!(figures[&Metric::CpuPerConnect] > 0.0);
        // The relay lives in this process, whose memory says nothing.
        assert!(!figures.contains_key(&Metric::BytesPerConnection));
    }

    #[test]
    fn no_more_connections_than_asked_for() {
        assert_eq!(connections_allowed(3).expect("few"), 3);
    }
}
