//! `listener` and the listener directives that are more than one plain value.

use super::{Args, Draft};
use crate::error::Fault;
use crate::model::{Address, KeyForm, Protocol, ProtocolVersions, ProxyVersion, SocketDomain};
use crate::value;

/// `listener PORT [HOST | PATH]`: everything after it is about this listener.
pub(crate) fn listener(draft: &mut Draft, args: &Args<'_>) -> Result<(), Fault> {
    let words = args.words_before_comment()?;
    let Some((port, hosts)) = words.split_first() else {
        return Err(Fault::empty("listener port").hint("write 'listener PORT', for example 'listener 1883'"));
    };
    let port = value::integer("listener port", port)?;
    let address = match (port, hosts.first()) {
        (0, None) => {
            let fault = Fault::new("A listener with port 0 must provide a Unix socket path.");
            return Err(fault.hint("write 'listener 0 /path/to/socket', or a port from 1 to 65535"));
        }
        // A path may hold spaces; a host name may not.
        (0, Some(_)) => Address::Unix(hosts.join(" ").into()),
        (_, host) => Address::Tcp { host: host.map(|host| (*host).to_owned()), port: tcp_port(port)? },
    };
    let mut opened = draft.listener_template.clone();
    opened.listener.address = address;
    draft.listeners.push(opened);
    Ok(())
}

/// `port N`: the default listener's port.
pub(crate) fn port(draft: &mut Draft, args: &Args<'_>) -> Result<(), Fault> {
    let port = tcp_port(args.integer()?)?;
    if draft.default_port_given {
        let text = "Warning: Default listener port specified multiple times. Only the latest will be used.";
        draft.warn(text.to_owned());
    }
    draft.default_port_given = true;
    let host = match &draft.default_listener.listener.address {
        Address::Tcp { host, .. } => host.clone(),
        Address::Unix(_) => None,
    };
    draft.default_listener.listener.address = Address::Tcp { host, port };
    Ok(())
}

/// `bind_address HOST`: the default listener's address.
pub(crate) fn bind_address(draft: &mut Draft, host: String) {
    if let Address::Tcp { host: bound, .. } = &mut draft.default_listener.listener.address {
        *bound = Some(host);
    }
}

fn tcp_port(port: i64) -> Result<u16, Fault> {
    let bad = || Fault::invalid("port", port).hint("a port is a number from 1 to 65535");
    u16::try_from(port).ok().filter(|port| *port != 0).ok_or_else(bad)
}

/// `protocol mqtt|websockets|http_api`.
pub(crate) fn protocol(draft: &mut Draft, args: &Args<'_>) -> Result<(), Fault> {
    draft.listener().protocol = match args.word()? {
        "mqtt" => Protocol::Mqtt,
        "websockets" => Protocol::Websockets,
        "http_api" => Protocol::HttpApi,
        other => {
            return Err(Fault::invalid(args.name, other).hint("one of mqtt, websockets, http_api"));
        }
    };
    Ok(())
}

/// `socket_domain ipv4|ipv6`.
pub(crate) fn socket_domain(draft: &mut Draft, args: &Args<'_>) -> Result<(), Fault> {
    draft.listener().socket_domain = match args.word()? {
        "ipv4" => Some(SocketDomain::Ipv4),
        "ipv6" => Some(SocketDomain::Ipv6),
        other => return Err(Fault::invalid(args.name, other).hint("one of ipv4, ipv6")),
    };
    Ok(())
}

/// `mount_point PREFIX`.
pub(crate) fn mount_point(draft: &mut Draft, args: &Args<'_>) -> Result<(), Fault> {
    let prefix = args.text()?;
    if prefix.contains(['+', '#']) {
        let text = format!("Invalid '{}' value ({prefix}). Does it contain a wildcard character?", args.name);
        return Err(Fault::new(text));
    }
    draft.listener().mount_point = Some(prefix);
    Ok(())
}

/// `accept_protocol_versions 3,4,5`.
pub(crate) fn accept_protocol_versions(draft: &mut Draft, args: &Args<'_>) -> Result<(), Fault> {
    let text = args.text()?;
    let mut versions = ProtocolVersions { v31: false, v311: false, v5: false };
    for word in text.split([',', ' ']).filter(|word| !word.is_empty()) {
        match word {
            "3" => versions.v31 = true,
            "4" => versions.v311 = true,
            "5" => versions.v5 = true,
            other => {
                let fault = Fault::invalid(args.name, other);
                return Err(fault.hint("a list such as 3,4,5: 3 is MQTT 3.1, 4 is 3.1.1, 5 is 5.0"));
            }
        }
    }
    draft.listener().accept_versions = versions;
    Ok(())
}

/// `listener_auto_id_prefix TEXT`, at most as long as the global one.
pub(crate) fn auto_id_prefix(draft: &mut Draft, args: &Args<'_>) -> Result<(), Fault> {
    let prefix = id_prefix(args)?;
    draft.listener().auto_id_prefix = Some(prefix);
    Ok(())
}

/// `auto_id_prefix TEXT`.
pub(crate) fn global_auto_id_prefix(draft: &mut Draft, args: &Args<'_>) -> Result<(), Fault> {
    let prefix = id_prefix(args)?;
    draft.security().auto_id_prefix = prefix;
    Ok(())
}

fn id_prefix(args: &Args<'_>) -> Result<String, Fault> {
    let prefix = args.text()?;
    if prefix.len() > 50 {
        return Err(Fault::new(format!("'{}' length must be <= 50.", args.name)));
    }
    Ok(prefix)
}

/// `enable_proxy_protocol 1|2`.
pub(crate) fn proxy_protocol(draft: &mut Draft, number: i64) {
    draft.listener().proxy_protocol = Some(if number == 1 { ProxyVersion::V1 } else { ProxyVersion::V2 });
}

/// `websockets_origin ORIGIN`, one more each time.
pub(crate) fn websockets_origin(draft: &mut Draft, args: &Args<'_>) -> Result<(), Fault> {
    let origin = args.text()?;
    draft.listener().websockets_origins.push(origin);
    Ok(())
}

/// `tls_version VERSION`.
pub(crate) fn tls_version(draft: &mut Draft, args: &Args<'_>) -> Result<(), Fault> {
    let version = known_tls_version(args)?;
    draft.listener().tls.tls_version = Some(version);
    Ok(())
}

/// A TLS version by the name that the directives use.
pub(super) fn known_tls_version(args: &Args<'_>) -> Result<String, Fault> {
    match args.word()? {
        version @ ("tlsv1.1" | "tlsv1.2" | "tlsv1.3") => Ok(version.to_owned()),
        other => Err(Fault::invalid(args.name, other).hint("one of tlsv1.2, tlsv1.3")),
    }
}

/// `tls_keyform pem|engine`.
pub(crate) fn tls_keyform(draft: &mut Draft, args: &Args<'_>) -> Result<(), Fault> {
    draft.listener().tls.key_form = match args.word()? {
        "pem" => KeyForm::Pem,
        "engine" => KeyForm::Engine,
        other => return Err(Fault::invalid(args.name, other).hint("one of pem, engine")),
    };
    Ok(())
}

/// `tls_engine_kpass_sha1 HEX`: a SHA-1 digest, so 40 hexadecimal digits.
pub(crate) fn tls_engine_kpass_sha1(draft: &mut Draft, args: &Args<'_>) -> Result<(), Fault> {
    let digest = args.text()?;
    if digest.len() != 40 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let fault = Fault::new(format!("Invalid '{}' value in configuration.", args.name));
        return Err(fault.hint("the value is a SHA-1 digest: 40 hexadecimal digits"));
    }
    draft.listener().tls.engine_kpass_sha1 = Some(digest);
    Ok(())
}
