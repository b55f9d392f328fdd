//! `streams FOLDER`: plays all vectors against the pure core and writes what each connection sent, a file each.
//! `cargo xtask fuzz` begins with them.

use pondhawk_conform::{
    Core, Heard, Link, Patience, Selection, Setup, Transport, catalogue, probe, run, trials,
};
use std::collections::BTreeSet;
use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What connections sent, each different stream once.
type Streams = Arc<Mutex<BTreeSet<Vec<u8>>>>;

/// A core whose connections are listened to.
struct Recorder {
    core: Core,
    streams: Streams,
}

struct Tape {
    link: <Core as Transport>::Link,
    sent: Vec<u8>,
    streams: Streams,
}

impl Transport for Recorder {
    type Link = Tape;

    fn open(&mut self) -> io::Result<Tape> {
        Ok(Tape { link: self.core.open()?, sent: Vec::new(), streams: Arc::clone(&self.streams) })
    }

    fn pass(&mut self, time: Duration) {
        self.core.pass(time);
    }
}

impl Link for Tape {
    fn send(&mut self, bytes: &[u8]) {
        self.sent.extend_from_slice(bytes);
        self.link.send(bytes);
    }

    fn receive(&mut self, into: &mut Vec<u8>, patience: Patience) -> Heard {
        self.link.receive(into, patience)
    }

    fn cut(&mut self) {
        self.link.cut();
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        let sent = std::mem::take(&mut self.sent);
        self.streams.lock().expect("no player panics").insert(sent);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder: PathBuf = std::env::args_os().nth(1).ok_or("say where to write the streams")?.into();
    let vectors = catalogue()?;
    let setup = Setup { prefix: "seed".to_owned(), login: None, jobs: 1 };
    let abilities = probe(&mut Core::new(1), &setup)?;
    let streams = Streams::default();
    let open = || Recorder { core: Core::new(1), streams: Arc::clone(&streams) };
    run(&trials(&vectors, &Selection::default()), (&setup, &abilities), open, |_, _| {})?;
    std::fs::create_dir_all(&folder)?;
    let streams = streams.lock().expect("no player panics");
    for (number, stream) in streams.iter().filter(|stream| !stream.is_empty()).enumerate() {
        std::fs::write(folder.join(format!("{number:05}")), stream)?;
    }
    println!("{} streams", streams.len());
    Ok(())
}
