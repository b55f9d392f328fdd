//! Waiting for the socket, standard input, a signal, or time.

use crate::connect::Transport;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// SIGINT and SIGTERM as bytes in a pipe.
pub(super) struct Signals {
    pipe: UnixStream,
}

impl Signals {
    /// From here on the signals no longer end the program.
    pub(super) fn catch() -> io::Result<Self> {
        let (pipe, writer) = UnixStream::pair()?;
        pipe.set_nonblocking(true)?;
        for signal in [SIGINT, SIGTERM] {
            signal_hook::low_level::pipe::register(signal, writer.try_clone()?)?;
        }
        Ok(Signals { pipe })
    }

    fn take(&self) {
        let mut bytes = [0; 16];
        // Would-block says that all are taken.
        while io::Read::read(&mut &self.pipe, &mut bytes).is_ok_and(|count| count > 0) {}
    }
}

/// What is ready.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Readiness {
    /// The socket can be read, or is at its end.
    pub(super) readable: bool,
    /// Standard input can be read, or is at its end.
    pub(super) input: bool,
    /// A signal came.
    pub(super) signal: bool,
}

/// Waits at most `timeout_ms`, for ever without one.
pub(super) fn wait(
    transport: Option<&Transport>,
    signals: Option<&Signals>,
    wants_input: bool,
    timeout_ms: Option<u64>,
) -> io::Result<Readiness> {
    let stdin = io::stdin();
    let mut fds = Vec::with_capacity(3);
    // The order of the sources, so that the answers can be told apart.
    let mut sources = Vec::with_capacity(3);
    if let Some(transport) = transport {
        let wanted = match transport.pending() {
            0 => PollFlags::IN,
            _ => PollFlags::IN | PollFlags::OUT,
        };
        fds.push(PollFd::from_borrowed_fd(transport.as_fd(), wanted));
        sources.push(Source::Socket);
    }
    if wants_input {
        fds.push(PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN));
        sources.push(Source::Input);
    }
    if let Some(signals) = signals {
        fds.push(PollFd::from_borrowed_fd(signals.pipe.as_fd(), PollFlags::IN));
        sources.push(Source::Signal);
    }
    let timeout = timeout_ms.map(|ms| timespec(Duration::from_millis(ms)));
    match poll(&mut fds, timeout.as_ref()) {
        Ok(_) => {}
        Err(rustix::io::Errno::INTR) => return Ok(Readiness::default()),
        Err(error) => return Err(error.into()),
    }
    let mut ready = Readiness::default();
    for (fd, source) in fds.iter().zip(sources) {
        let got = !(fd.revents() - PollFlags::OUT).is_empty();
        match source {
            Source::Socket => ready.readable = got,
            Source::Input => ready.input = got,
            Source::Signal => ready.signal = got,
        }
    }
    drop(fds);
    if let Some(signals) = signals.filter(|_| ready.signal) {
        signals.take();
    }
    Ok(ready)
}

#[derive(Clone, Copy)]
enum Source {
    Socket,
    Input,
    Signal,
}

/// Waits until the socket takes bytes.
pub(super) fn until_writable(transport: &Transport, timeout: Duration) -> io::Result<()> {
    let mut fds = [PollFd::from_borrowed_fd(transport.as_fd(), PollFlags::OUT)];
    match poll(&mut fds, Some(&timespec(timeout))) {
        Ok(0) => Err(io::ErrorKind::TimedOut.into()),
        Ok(_) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}
