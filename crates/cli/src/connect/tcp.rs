//! A TCP connection to a host, from an address of our own if asked for.

use super::ConnectError;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

/// How long one address may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Connects to the first address of `host` that answers: a stream that is ordered and loses nothing.
/// [MQTT-4.2-1] [MQTT3-7.1.2-1]
///
/// # Errors
/// [`ConnectError::Lookup`] for an unknown name, else the last address's error.
pub(super) fn connect(host: &str, port: u16, bind: Option<&str>) -> Result<TcpStream, ConnectError> {
    let sources = bind.map(|bind| resolve(bind, 0)).transpose()?;
    let mut last = None;
    for target in resolve(host, port)? {
        let source = match &sources {
            None => None,
            Some(sources) => match sources.iter().find(|source| source.is_ipv4() == target.is_ipv4()) {
                Some(source) => Some(*source),
                None => continue,
            },
        };
        match open(target, source) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or(ConnectError::Lookup, ConnectError::System))
}

fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, ConnectError> {
    match (host, port).to_socket_addrs() {
        Ok(addresses) => Ok(addresses.collect()),
        Err(_) => Err(ConnectError::Lookup),
    }
}

fn open(target: SocketAddr, source: Option<SocketAddr>) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(target), Type::STREAM, Some(Protocol::TCP))?;
    if let Some(source) = source {
        socket.bind(&SockAddr::from(source))?;
    }
    socket.connect_timeout(&SockAddr::from(target), CONNECT_TIMEOUT)?;
    Ok(socket.into())
}
