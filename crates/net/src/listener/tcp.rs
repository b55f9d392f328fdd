//! TCP listeners: resolve, bind each address, listen.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use socket2::{Protocol, Socket, Type};

use super::error::{Cause, ListenError, Place};
use super::{Listener, Opened, TcpSpec};

/// With port 0, how often to try for a port that is free in both families.
const FREE_PORT_TRIES: usize = 16;

/// The streams that come of them are ordered and lose nothing. [MQTT-4.2-1] [MQTT3-7.1.1-1]
pub(super) fn open(spec: &TcpSpec) -> Result<Opened, ListenError> {
    let addresses = addresses(spec)?;
    let mut tries = if spec.port == 0 { FREE_PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        match open_all(spec, &addresses) {
            Err(ListenError { cause: Cause::InUse, .. }) if tries > 0 => {}
            done => return done,
        }
    }
}

pub(super) fn ensure_free(spec: &TcpSpec) -> Result<(), ListenError> {
    // A bound socket that does not listen collides with listening ones only, and accepts nobody meanwhile.
    let alone = TcpSpec { reuse_port: false, ..spec.clone() };
    for address in addresses(spec)? {
        match bound(&alone, address) {
            Err(error) if !error.is_not_here() => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Binds all addresses; with port 0, the later ones to the port that the first one got.
fn open_all(spec: &TcpSpec, addresses: &[SocketAddr]) -> Result<Opened, ListenError> {
    let mut opened = Opened { listeners: Vec::new(), skipped: Vec::new() };
    for &(mut address) in addresses {
        if let Some(port) = opened.listeners.first().and_then(Listener::port) {
            address.set_port(port);
        }
        match open_one(spec, address) {
            Ok(listener) => opened.listeners.push(listener),
            Err(error) if error.is_not_here() => opened.skipped.push(error),
            Err(error) => return Err(error),
        }
    }
    if opened.listeners.is_empty() {
        let nothing = || ListenError::new(unresolved(spec), Cause::NoAddress);
        return Err(opened.skipped.pop().unwrap_or_else(nothing));
    }
    Ok(opened)
}

fn open_one(spec: &TcpSpec, address: SocketAddr) -> Result<Listener, ListenError> {
    let socket = bound(spec, address)?;
    listen(socket, spec.backlog).map_err(|error| ListenError::bind(Place::Address(address), error))
}

fn listen(socket: Socket, backlog: i32) -> io::Result<Listener> {
    socket.listen(backlog)?;
    let socket = mio::net::TcpListener::from_std(socket.into());
    let address = socket.local_addr()?;
    Ok(Listener::Tcp { socket, address })
}

fn bound(spec: &TcpSpec, address: SocketAddr) -> Result<Socket, ListenError> {
    let failed = |error| ListenError::bind(Place::Address(address), error);
    let socket = configured(spec, address).map_err(failed)?;
    if let Some(name) = &spec.interface {
        socket.bind_device(Some(name.as_bytes())).map_err(|error| {
            ListenError::new(Place::Address(address), Cause::Interface(name.clone(), error))
        })?;
    }
    socket.bind(&address.into()).map_err(failed)?;
    Ok(socket)
}

fn configured(spec: &TcpSpec, address: SocketAddr) -> io::Result<Socket> {
    // `Socket::new` sets close-on-exec.
    let socket = Socket::new(socket2::Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    if spec.reuse_port {
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() {
        // The IPv4 side has a socket of its own, so that `socket_domain` and addresses mean what they say.
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

/// The addresses of the spec, each once, in the resolver's order.
fn addresses(spec: &TcpSpec) -> Result<Vec<SocketAddr>, ListenError> {
    let found: Vec<SocketAddr> = match &spec.host {
        None => {
            let v4 = (Ipv4Addr::UNSPECIFIED, spec.port).into();
            let v6 = (Ipv6Addr::UNSPECIFIED, spec.port).into();
            vec![v4, v6]
        }
        Some(host) => (without_brackets(host), spec.port)
            .to_socket_addrs()
            .map_err(|error| ListenError::new(unresolved(spec), Cause::Lookup(error)))?
            .collect(),
    };
    let mut addresses = Vec::with_capacity(found.len());
    for address in found {
        if spec.domain.takes(&address) && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(ListenError::new(unresolved(spec), Cause::NoAddress));
    }
    Ok(addresses)
}

/// `[::1]` as people write it next to a port.
fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

fn unresolved(spec: &TcpSpec) -> Place {
    Place::Host(spec.host.clone().unwrap_or_default(), spec.port)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::TcpStream;

    use super::super::Domain;
    use super::*;

    fn spec(host: &str) -> TcpSpec {
        TcpSpec::new(Some(host), 0)
    }

    #[test]
    fn a_bound_listener_accepts() {
        let opened = open(&spec("127.0.0.1")).unwrap();
        assert_eq!(opened.listeners.len(), 1);
        let Listener::Tcp { socket, address } = &opened.listeners[0] else { panic!("not TCP") };
        assert_ne!(address.port(), 0);
        assert_eq!(opened.listeners[0].to_string(), format!("ipv4 listen socket on port {}", address.port()));
        assert_eq!(socket.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let client = TcpStream::connect(address).unwrap();
        let (_, peer) = socket.accept().unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
    }

    #[test]
    fn without_a_host_both_families_get_the_same_port() {
        let opened = open(&TcpSpec::new(None, 0)).unwrap();
        assert_eq!(opened.listeners.len() + opened.skipped.len(), 2);
        let port = opened.listeners[0].port();
        assert!(opened.listeners.iter().all(|listener| listener.port() == port));
    }

    #[test]
    fn the_domain_filters_addresses() {
        let v4 = TcpSpec { domain: Domain::V4, ..TcpSpec::new(None, 0) };
        assert_eq!(addresses(&v4).unwrap(), [(Ipv4Addr::UNSPECIFIED, 0).into()]);
        let v6 = TcpSpec { domain: Domain::V6, ..spec("127.0.0.1") };
        let error = open(&v6).unwrap_err();
        assert!(matches!(error.cause, Cause::NoAddress), "{error}");
        assert_eq!(error.to_string(), "The name has no address of the wanted family (port 0 of 127.0.0.1)");
    }

    #[test]
    fn brackets_are_understood() {
        assert_eq!(addresses(&spec("[::1]")).unwrap(), addresses(&spec("::1")).unwrap());
    }

    #[test]
    fn a_used_port_names_the_port_and_how_to_find_the_owner() {
        let first = open(&spec("127.0.0.1")).unwrap();
        let port = first.listeners[0].port().unwrap();
        let again = TcpSpec { port, ..spec("127.0.0.1") };
        let error = open(&again).unwrap_err();
        assert_eq!(error.to_string(), format!("Address already in use (port {port} of 127.0.0.1)"));
        assert!(error.hint().unwrap().contains(&format!("ss -ltnp 'sport = :{port}'")));
        assert!(ensure_free(&again).is_err());
        drop(first);
        ensure_free(&again).unwrap();
        assert_eq!(open(&again).unwrap().listeners[0].port(), Some(port));
    }

    #[test]
    fn shards_share_a_port_and_strangers_are_still_found() {
        let shared = TcpSpec { reuse_port: true, ..spec("127.0.0.1") };
        let first = open(&shared).unwrap();
        let port = first.listeners[0].port().unwrap();
        let second = open(&TcpSpec { port, ..shared.clone() }).unwrap();
        assert_eq!(second.listeners[0].port(), Some(port));
        let error = ensure_free(&TcpSpec { port, ..shared }).unwrap_err();
        assert!(matches!(error.cause, Cause::InUse));
    }

    #[test]
    fn a_foreign_address_is_reported() {
        // TEST-NET-1, which no interface has.
        let error = open(&spec("192.0.2.1")).unwrap_err();
        assert!(error.is_not_here());
        assert_eq!(error.to_string(), "Cannot assign requested address (port 0 of 192.0.2.1)");
    }

    #[test]
    fn a_name_that_can_not_be_looked_up_is_reported() {
        let error = open(&TcpSpec::new(Some("no such host"), 1883)).unwrap_err();
        assert!(matches!(error.cause, Cause::Lookup(_)));
        assert!(error.to_string().ends_with("(port 1883 of no such host)"), "{error}");
        assert!(error.hint().unwrap().contains("getent"));
    }

    #[test]
    fn an_unknown_interface_is_named() {
        let error = open(&TcpSpec { interface: Some("nosuch0".into()), ..spec("127.0.0.1") }).unwrap_err();
        assert!(error.to_string().starts_with("Unable to bind to interface nosuch0: "), "{error}");
    }

    #[test]
    fn the_loopback_interface_can_be_bound_to() {
        match open(&TcpSpec { interface: Some("lo".into()), ..spec("127.0.0.1") }) {
            Ok(opened) => assert_eq!(opened.listeners.len(), 1),
            // Kernels before 5.7 want a privilege for this.
            Err(ListenError { cause: Cause::Interface(_, error), .. }) => {
                assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
            }
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_privileged_port_gets_its_own_hint() {
        let place = Place::Address((Ipv4Addr::LOCALHOST, 80).into());
        let denied = ListenError::bind(place, io::Error::from_raw_os_error(libc::EACCES));
        assert_eq!(denied.to_string(), "Permission denied (port 80 of 127.0.0.1)");
        assert!(denied.hint().unwrap().contains("cap_net_bind_service"));
    }
}
