//! Why a listener could not be opened, in words for the one who runs the broker.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The first port that needs no privilege, unless the system says otherwise.
const UNPRIVILEGED_PORT_MIN: u16 = 1024;

/// Where a listener should have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A host name and port that could not be resolved.
    Host(String, u16),
    /// An address.
    Address(SocketAddr),
    /// A Unix socket's path.
    Path(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host, port) => write!(f, "port {port} of {host}"),
            Self::Address(address) if address.ip().is_unspecified() => {
                let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
                write!(f, "port {} of every {family} interface", address.port())
            }
            Self::Address(address) => write!(f, "port {} of {}", address.port(), address.ip()),
            Self::Path(path) => write!(f, "{}", path.display()),
        }
    }
}

/// What went wrong there.
#[derive(Debug)]
#[non_exhaustive]
pub enum Cause {
    /// The host name could not be looked up.
    Lookup(io::Error),
    /// The name has no address of the wanted family.
    NoAddress,
    /// Somebody listens there already.
    InUse,
    /// The operating system does not let this user.
    Denied,
    /// No interface of this machine has that address, or the kernel lacks its family.
    NotHere(io::Error),
    /// `bind_interface` names an interface that can not be bound to.
    Interface(String, io::Error),
    /// The path is taken by something that is not a socket.
    NotASocket,
    /// A Unix socket's path does not fit into its address.
    PathTooLong,
    /// Anything else.
    Other(io::Error),
}

/// A listener that could not be opened.
///
/// Its text is one line that starts as Mosquitto's does (`Address already in use`); [`Self::hint`] says what
/// to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{} ({place})", self.reason())]
pub struct ListenError {
    /// Where.
    pub place: Place,
    /// Why.
    pub cause: Cause,
}

impl ListenError {
    pub(super) fn new(place: Place, cause: Cause) -> Self {
        Self { place, cause }
    }

    /// For what binding or listening at `place` returned.
    pub(super) fn bind(place: Place, error: io::Error) -> Self {
        let cause = match error.kind() {
            io::ErrorKind::AddrInUse => Cause::InUse,
            io::ErrorKind::PermissionDenied => Cause::Denied,
            io::ErrorKind::AddrNotAvailable => Cause::NotHere(error),
            _ if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => Cause::NotHere(error),
            _ => Cause::Other(error),
        };
        Self { place, cause }
    }

    /// Whether the machine merely lacks the address, so that a listener with others can go on without it.
    #[must_use]
    pub fn is_not_here(&self) -> bool {
        matches!(self.cause, Cause::NotHere(_))
    }

    /// What to do, as one line without the word "hint", or `None` if the reason says it all.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match (&self.cause, &self.place) {
            (Cause::Lookup(_) | Cause::NoAddress, Place::Host(host, _)) => Some(format!(
                "check the name with `getent ahosts {host}`, or give the listener an address instead"
            )),
            (Cause::InUse, Place::Path(path)) => Some(format!(
                "a program answers on this socket: `ss -xlp | grep {}` shows which; stop it or use another path",
                path.display()
            )),
            (Cause::InUse, Place::Address(address)) => {
                let port = address.port();
                Some(format!(
                    "`ss -ltnp 'sport = :{port}'` shows the program that has it (as root, if it is another \
                     user's); stop that program or use another port"
                ))
            }
            (Cause::Denied, Place::Address(address)) if address.port() < UNPRIVILEGED_PORT_MIN => {
                Some(format!(
                    "ports below {UNPRIVILEGED_PORT_MIN} are privileged: allow it with `sudo setcap \
                 cap_net_bind_service=+ep PATH_OF_THE_BROKER`, or use a higher port; do not run the broker as root"
                ))
            }
            (Cause::Denied, Place::Path(path)) => Some(format!(
                "the broker's user needs write permission to the directory of {}",
                path.display()
            )),
            (Cause::NotHere(_), _) => Some("`ip address` lists the addresses of this machine".to_owned()),
            (Cause::Interface(..), _) => Some("`ip link` lists the interfaces of this machine".to_owned()),
            (Cause::NotASocket, _) => {
                Some("it is not deleted for you: move it away, or give the listener another path".to_owned())
            }
            _ => None,
        }
    }

    fn reason(&self) -> String {
        match &self.cause {
            Cause::Lookup(error) => format!("Unable to look up the address: {}", bare(error)),
            Cause::NoAddress => "The name has no address of the wanted family".to_owned(),
            Cause::InUse => "Address already in use".to_owned(),
            Cause::Denied => "Permission denied".to_owned(),
            Cause::NotHere(error) | Cause::Other(error) => bare(error),
            Cause::Interface(name, error) => format!("Unable to bind to interface {name}: {}", bare(error)),
            Cause::NotASocket => "A file that is not a socket is in the way".to_owned(),
            Cause::PathTooLong => "The path is too long for a Unix socket".to_owned(),
        }
    }
}

/// The error's text as `strerror` gives it, without the number that std appends.
fn bare(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((text, _)) => text.to_owned(),
        None => text,
    }
}
