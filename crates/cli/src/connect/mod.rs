//! The way to the broker: TCP, a Unix socket, through a proxy, inside WebSockets. Before it: settings. After
//! it: the driver, which moves bytes whenever the socket is ready.

mod socks;
mod tcp;
mod tls;
mod transport;

pub(crate) use transport::{Received, Transport};

use crate::failure::{Failure, PROXY, USAGE, system_text};
use crate::options::settings::Settings;
use std::io;
use std::os::unix::net::UnixStream;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// A host name that nobody knows.
    #[error("Unable to connect (Lookup error.).")]
    Lookup,
    /// The system's word.
    #[error("Error: {}", system_text(.0))]
    System(#[from] io::Error),
    /// The proxy's word.
    #[error("Error: Proxy error: {0}.")]
    Proxy(String),
    /// A host name or path that cannot stand in a WebSocket request.
    #[error("Error: {0}")]
    WebSocket(String),
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        let code = match error {
            ConnectError::Proxy(_) => PROXY,
            ConnectError::Lookup | ConnectError::System(_) | ConnectError::WebSocket(_) => USAGE,
        };
        Failure::new(code, error.to_string())
    }
}

/// What the settings ask for and this build cannot do.
///
/// # Errors
/// A mistake in the TLS options, or that there is no TLS.
pub(crate) fn check(settings: &Settings) -> Result<(), Failure> {
    tls::check(&settings.tls)?;
    if settings.broker.srv {
        let text = "Error: This build cannot look up SRV records. Give the broker's host with -h and its port with -p.";
        return Err(Failure::new(USAGE, text));
    }
    Ok(())
}

/// Connects as the settings say.
///
/// # Errors
/// The last address's error.
pub(crate) fn connect(settings: &Settings) -> Result<Transport, ConnectError> {
    let broker = &settings.broker;
    if let Some(path) = &broker.unix {
        return Transport::unix(UnixStream::connect(path)?, broker.websockets);
    }
    let host = broker.host.as_deref().unwrap_or("localhost");
    let port = settings.port();
    let stream = match &broker.proxy {
        None => tcp::connect(host, port, broker.bind.as_deref())?,
        Some(proxy) => {
            let mut stream = tcp::connect(&proxy.host, proxy.port, broker.bind.as_deref())?;
            socks::ask(&mut stream, proxy, host, port)?;
            stream
        }
    };
    if broker.no_delay {
        stream.set_nodelay(true)?;
    }
    let name = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    Transport::tcp(stream, broker.websockets.then_some(name.as_str()))
}
