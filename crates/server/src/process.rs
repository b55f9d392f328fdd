//! The process: signals, pid file, memory. (Interim; helper control replaces this file.)
use std::{io, path::Path, sync::mpsc, time::Duration};
pub struct Signals(mpsc::Receiver<Signal>);
pub enum Signal {
    Stop,
    Reload,
    ReopenLog,
    Save,
    DumpTree,
}
impl Signals {
    pub fn new() -> io::Result<Self> {
        use signal_hook::consts::*;
        let mut signals =
            signal_hook::iterator::Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, 34])?;
        let (to, from) = mpsc::channel();
        std::thread::spawn(move || {
            for signal in signals.forever() {
                let _ = to.send(match signal {
                    SIGTERM | SIGINT => Signal::Stop,
                    SIGHUP => Signal::Reload,
                    SIGUSR1 => Signal::Save,
                    SIGUSR2 => Signal::DumpTree,
                    _ => Signal::ReopenLog,
                });
            }
        });
        Ok(Signals(from))
    }
    pub fn wait(&self, time: Duration) -> Option<Signal> {
        self.0.recv_timeout(time).ok()
    }
}
pub struct PidFile;
impl PidFile {
    pub fn write(_: Option<&Path>) -> Result<Option<PidFile>, String> {
        Ok(None)
    }
}
pub fn daemonize() -> io::Result<bool> {
    Ok(true)
}
pub fn raise_file_limit() {}
pub fn set_umask(_: &pondhawk_config::Environment) {}
pub fn drop_privileges(_: &pondhawk_config::Config) -> Result<(), String> {
    Ok(())
}
pub fn resident_bytes() -> Option<u64> {
    None
}
