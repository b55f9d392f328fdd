//! Unix socket listeners, and the file that such a socket leaves behind.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use socket2::{SockAddr, Socket, Type};

use super::error::{Cause, ListenError, Place};
use super::{BACKLOG, Listener};

/// The name of a listening Unix socket in the file system; deletes it when dropped.
///
/// Only the file that was bound is deleted: when another program has put its own socket there meanwhile,
/// that one stays.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        let found = fs::symlink_metadata(path)?;
        Ok(Self { path: path.to_owned(), device: found.dev(), inode: found.ino() })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let Ok(found) = fs::symlink_metadata(&self.path) else {
            return;
        };
        if found.dev() == self.device && found.ino() == self.inode {
            // Without the permission it stays, and the next start finds it stale.
            let _ = fs::remove_file(&self.path);
        }
    }
}

pub(super) fn open(path: &Path) -> Result<Listener, ListenError> {
    let place = || Place::Path(path.to_owned());
    let address = SockAddr::unix(path).map_err(|_| ListenError::new(place(), Cause::PathTooLong))?;
    clear_the_way(path, &address)?;
    bind(path, &address).map_err(|error| ListenError::bind(place(), error))
}

fn bind(path: &Path, address: &SockAddr) -> io::Result<Listener> {
    let socket = Socket::new(socket2::Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(address)?;
    let file = SocketFile::of(path)?;
    socket.listen(BACKLOG)?;
    Ok(Listener::Unix { socket: mio::net::UnixListener::from_std(socket.into()), file })
}

/// Removes a socket that nobody answers on; anything else in the way is an error.
fn clear_the_way(path: &Path, address: &SockAddr) -> Result<(), ListenError> {
    let failed = |error| ListenError::bind(Place::Path(path.to_owned()), error);
    let in_the_way = |cause| Err(ListenError::new(Place::Path(path.to_owned()), cause));
    // Not following a symbolic link: what it points to is not ours to delete.
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    if !found.file_type().is_socket() {
        return in_the_way(Cause::NotASocket);
    }
    match answers(address) {
        Ok(true) => in_the_way(Cause::InUse),
        Ok(false) => fs::remove_file(path).map_err(failed),
        Err(error) => Err(failed(error)),
    }
}

/// Whether a program listens there, without waiting for one that is too busy to accept.
fn answers(address: &SockAddr) -> io::Result<bool> {
    let socket = Socket::new(socket2::Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(address) {
        Ok(()) => Ok(true),
        // Its queue of connections is full.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
        // A socket of another kind, such as a datagram socket, has an owner too.
        Err(error) if error.raw_os_error() == Some(libc::EPROTOTYPE) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    #[test]
    fn listens_and_cleans_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("broker.sock");
        let listener = open(&path).unwrap();
        assert_eq!(listener.to_string(), format!("unix listen socket on path {}", path.display()));
        assert_eq!(listener.path(), Some(&*path));
        let _client = UnixStream::connect(&path).unwrap();
        let Listener::Unix { socket, .. } = &listener else { panic!("not a Unix socket") };
        socket.accept().unwrap();
        drop(listener);
        assert!(!path.exists());
    }

    #[test]
    fn a_stale_socket_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("broker.sock");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "std leaves the file behind, as a crash does");
        open(&path).unwrap();
    }

    #[test]
    fn a_live_socket_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("broker.sock");
        let _first = open(&path).unwrap();
        let error = open(&path).unwrap_err();
        assert_eq!(error.to_string(), format!("Address already in use ({})", path.display()));
        assert!(error.hint().unwrap().contains("ss -xlp"));
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn files_links_and_directories_are_never_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "precious").unwrap();
        let stale = dir.path().join("stale");
        drop(UnixListener::bind(&stale).unwrap());
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&stale, &link).unwrap();
        for path in [&file, &link, &dir.path().to_owned()] {
            let error = open(path).unwrap_err();
            assert!(matches!(error.cause, Cause::NotASocket), "{error}");
            assert!(path.symlink_metadata().is_ok());
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    }

    #[test]
    fn a_successors_file_survives_our_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("broker.sock");
        let ours = open(&path).unwrap();
        let aside = dir.path().join("aside");
        fs::rename(&path, &aside).unwrap();
        let _theirs = UnixListener::bind(&path).unwrap();
        drop(ours);
        assert!(path.exists());
    }

    #[test]
    fn a_path_that_can_not_be_is_reported() {
        let long = PathBuf::from(format!("/tmp/{}", "x".repeat(200)));
        let error = open(&long).unwrap_err();
        assert!(error.to_string().starts_with("The path is too long for a Unix socket"));
        let dir = tempfile::tempdir().unwrap();
        let error = open(&dir.path().join("missing/broker.sock")).unwrap_err();
        assert!(error.to_string().starts_with("No such file or directory"), "{error}");
    }
}
