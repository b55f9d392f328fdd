//! `connection` and the bridge directives that are more than one plain value.

use super::{Args, Draft, listener};
use crate::error::Fault;
use crate::model::{
    BridgeAddress, BridgeProtocol, BridgeReload, BridgeTopic, Direction, RestartTimeout, StartType,
    TcpKeepalive,
};
use crate::value;

/// Port of a remote broker when none is written.
const DEFAULT_PORT: u16 = 1883;

/// `connection NAME`: everything after it is about this bridge.
pub(crate) fn connection(draft: &mut Draft, args: &Args<'_>) -> Result<(), Fault> {
    let name = args.text()?;
    if draft.config.bridges.iter().any(|bridge| bridge.name == name) {
        return Err(Fault::new(format!("Duplicate bridge name '{name}'.")));
    }
    let mut bridge = draft.bridge_template.clone();
    bridge.name = name;
    draft.config.bridges.push(bridge);
    Ok(())
}

/// `address HOST[:PORT] ...`, once per bridge.
pub(crate) fn address(draft: &mut Draft, args: &Args<'_>) -> Result<(), Fault> {
    if !draft.bridge().addresses.is_empty() {
        return Err(
            Fault::new("Invalid bridge configuration.").hint("all addresses go on one 'address' line")
        );
    }
    let words = args.words_before_comment()?;
    if words.is_empty() {
        return Err(Fault::empty(args.name));
    }
    draft.bridge().addresses = words.into_iter().map(one_address).collect::<Result<_, _>>()?;
    Ok(())
}

fn one_address(word: &str) -> Result<BridgeAddress, Fault> {
    let (host, port) = match word.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        // More than one colon without brackets is an IPv6 address without a port.
        None if word.matches(':').count() > 1 => (word, None),
        None => word.split_once(':').map_or((word, None), |(host, port)| (host, Some(port))),
    };
    let port = match port {
        None => DEFAULT_PORT,
        Some(text) => {
            let port = text.parse().ok().filter(|port| *port != 0);
            port.ok_or_else(|| Fault::invalid("port", text).hint("a port is a number from 1 to 65535"))?
        }
    };
    if host.is_empty() {
        return Err(Fault::invalid("address", word).hint("write HOST or HOST:PORT"));
    }
    Ok(BridgeAddress { host: host.to_owned(), port })
}

/// `topic PATTERN [out|in|both [QOS [LOCAL-PREFIX [REMOTE-PREFIX]]]]`.
pub(crate) fn topic(draft: &mut Draft, args: &Args<'_>) -> Result<(), Fault> {
    let text = args.text()?;
    let (pattern, rest) = pattern_of(&text)?;
    let mut words = rest.split(' ').filter(|word| !word.is_empty()).take_while(|word| !word.starts_with('#'));
    let direction = match words.next() {
        None | Some("out") => Direction::Out,
        Some("in") => Direction::In,
        Some("both") => Direction::Both,
        Some(other) => {
            let fault = Fault::new(format!("Invalid bridge topic direction '{other}'."));
            return Err(fault.hint("one of out, in, both"));
        }
    };
    let qos = match words.next() {
        None | Some("0") => 0,
        Some("1") => 1,
        Some("2") => 2,
        Some(other) => return Err(Fault::new(format!("Invalid bridge QoS level '{other}'."))),
    };
    let local_prefix = prefix("local", words.next())?;
    let remote_prefix = prefix("remote", words.next())?;
    if pattern.is_empty() && (local_prefix.is_empty() || remote_prefix.is_empty()) {
        let hint = "an empty pattern needs both a local and a remote prefix, which are then whole topics";
        return Err(Fault::new("Invalid bridge remapping.").hint(hint));
    }
    for (side, prefix) in [("local", &local_prefix), ("remote", &remote_prefix)] {
        let whole = format!("{prefix}{pattern}");
        if !is_filter(&whole) {
            let text = format!("Invalid bridge topic {side} prefix and pattern combination '{whole}'.");
            return Err(Fault::new(text));
        }
    }
    draft.bridge().topics.push(BridgeTopic { pattern, direction, qos, local_prefix, remote_prefix });
    Ok(())
}

/// The pattern, quoted or not, and what follows it.
fn pattern_of(text: &str) -> Result<(String, &str), Fault> {
    match text.strip_prefix('"') {
        None => {
            let (pattern, rest) = text.split_once(' ').unwrap_or((text, ""));
            Ok((pattern.to_owned(), rest))
        }
        Some(quoted) => {
            let Some((pattern, rest)) = quoted.split_once('"') else {
                let last = quoted.rsplit(' ').next().unwrap_or_default();
                return Err(Fault::new(format!("Missing closing quote in topic value ({last}).")));
            };
            Ok((pattern.to_owned(), rest))
        }
    }
}

fn prefix(side: &str, word: Option<&str>) -> Result<String, Fault> {
    match word {
        None | Some("\"\"") => Ok(String::new()),
        Some(word) if word.contains(['+', '#']) => {
            Err(Fault::new(format!("Invalid bridge topic {side} prefix '{word}'.")))
        }
        Some(word) => Ok(word.to_owned()),
    }
}

/// Whether wildcards stand where a topic filter may have them.
fn is_filter(filter: &str) -> bool {
    let mut levels = filter.split('/').peekable();
    let mut good = !filter.is_empty();
    while let Some(level) = levels.next() {
        good &= match level {
            "#" => levels.peek().is_none(),
            "+" => true,
            _ => !level.contains(['+', '#']),
        };
    }
    good
}

/// `start_type automatic|lazy|once`.
pub(crate) fn start_type(draft: &mut Draft, args: &Args<'_>) -> Result<(), Fault> {
    draft.bridge().start_type = match args.word()? {
        "automatic" => StartType::Automatic,
        "lazy" => StartType::Lazy,
        "once" => StartType::Once,
        "manual" => return Err(Fault::new("Manual 'start_type' not supported.")),
        other => return Err(Fault::invalid(args.name, other).hint("one of automatic, lazy, once")),
    };
    Ok(())
}

/// `bridge_protocol_version mqttv31|mqttv311|mqttv50`.
pub(crate) fn protocol_version(draft: &mut Draft, args: &Args<'_>) -> Result<(), Fault> {
    draft.bridge().protocol = match args.word()? {
        "mqttv31" => BridgeProtocol::V31,
        "mqttv311" => BridgeProtocol::V311,
        "mqttv50" => BridgeProtocol::V5,
        other => {
            return Err(Fault::invalid(args.name, other).hint("one of mqttv31, mqttv311, mqttv50"));
        }
    };
    Ok(())
}

/// `bridge_reload_type lazy|immediate`.
pub(crate) fn reload_type(draft: &mut Draft, args: &Args<'_>) -> Result<(), Fault> {
    draft.bridge().reload = match args.word()? {
        "lazy" => BridgeReload::Lazy,
        "immediate" => BridgeReload::Immediate,
        other => return Err(Fault::invalid(args.name, other).hint("one of lazy, immediate")),
    };
    Ok(())
}

/// `bridge_tls_version VERSION`.
pub(crate) fn tls_version(draft: &mut Draft, args: &Args<'_>) -> Result<(), Fault> {
    draft.bridge().tls.version = Some(listener::known_tls_version(args)?);
    Ok(())
}

/// `bridge_tcp_keepalive IDLE INTERVAL COUNT`.
pub(crate) fn tcp_keepalive(draft: &mut Draft, args: &Args<'_>) -> Result<(), Fault> {
    let numbers = numbers(args)?;
    let &[idle, interval, count] = numbers.as_slice() else {
        let fault = Fault::new(format!("Invalid '{}' values in configuration.", args.name));
        return Err(fault.hint("write three numbers: seconds of silence, seconds between probes, probes"));
    };
    draft.bridge().tcp_keepalive = Some(TcpKeepalive { idle, interval, count });
    Ok(())
}

/// `restart_timeout CONSTANT` or `restart_timeout BASE CAP [STABLE]`, in seconds.
pub(crate) fn restart_timeout(draft: &mut Draft, args: &Args<'_>) -> Result<(), Fault> {
    const LONGEST_BASE: u32 = 3600;
    const LONGEST_CAP: u32 = 7200;
    let seconds = |number: u32| value::seconds(number.into());
    let numbers = numbers(args)?;
    let (first, rest) = numbers.split_first().ok_or_else(|| Fault::empty(args.name))?;
    let base = at_least(draft, args.name, *first, 1);
    if base > LONGEST_BASE {
        return Err(Fault::invalid(args.name, base).hint("the first value is 1 to 3600 seconds"));
    }
    draft.bridge().restart_timeout = match *rest {
        [] => RestartTimeout::Constant(seconds(base)),
        [cap, ..] if cap < base => {
            return Err(Fault::new(format!("backoff cap is lower than the base in {}.", args.name)));
        }
        [cap, ..] if cap > LONGEST_CAP => {
            return Err(Fault::invalid(args.name, cap).hint("the second value is at most 7200 seconds"));
        }
        [cap] => RestartTimeout::Backoff { base: seconds(base), cap: seconds(cap), stable: None },
        [cap, stable, ..] => {
            RestartTimeout::Backoff { base: seconds(base), cap: seconds(cap), stable: Some(seconds(stable)) }
        }
    };
    Ok(())
}

fn numbers(args: &Args<'_>) -> Result<Vec<u32>, Fault> {
    let number = |word| {
        let number = value::integer(args.name, word)?;
        u32::try_from(number).map_err(|_| Fault::invalid(args.name, number))
    };
    let words = args.words()?;
    if words.is_empty() {
        return Err(Fault::empty(args.name));
    }
    words.into_iter().map(number).collect()
}

/// Raises a value that is too low, and says so.
pub(crate) fn at_least(draft: &mut Draft, name: &str, number: u32, lowest: u32) -> u32 {
    if number < lowest {
        draft.warn(format!("Warning: '{name}' value {number} is too low, using {lowest}."));
    }
    number.max(lowest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_with_and_without_ports() {
        let rows = [
            ("broker", ("broker", 1883)),
            ("broker:8883", ("broker", 8883)),
            ("[::1]:1884", ("::1", 1884)),
            ("[::1]", ("::1", 1883)),
            ("fe80::1", ("fe80::1", 1883)),
        ];
        for (word, (host, port)) in rows {
            assert_eq!(one_address(word), Ok(BridgeAddress { host: host.to_owned(), port }), "{word}");
        }
        for word in ["a:0", "a:b", "a:65536", ":1883"] {
            assert!(one_address(word).is_err(), "{word}");
        }
    }

    #[test]
    fn wildcards_stand_alone() {
        for filter in ["#", "+", "a/#", "a/+/b", "a"] {
            assert!(is_filter(filter), "{filter}");
        }
        for filter in ["", "a#", "#/a", "a+/b", "a/b#"] {
            assert!(!is_filter(filter), "{filter}");
        }
    }
}
