//! A server that follows a script: what a broker may do and Debian's does not do on demand.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// What the server does next with a connection.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    /// Reads once, whatever comes.
    Hear,
    /// Sends bytes.
    Say(&'static [u8]),
    /// Reads until the client closes the connection.
    HearAll,
}

/// A server that does the same with each connection, and closes it then.
pub struct Server {
    port: u16,
    connections: Arc<AtomicUsize>,
    acts: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<u8>>>,
}

impl Server {
    /// Starts it.
    pub fn start(script: &'static [Act]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let port = listener.local_addr().expect("bound").port();
        let connections = Arc::new(AtomicUsize::new(0));
        let acts = Arc::new(AtomicUsize::new(0));
        let ended = Arc::new(AtomicBool::new(false));
        let (count, done, end) = (Arc::clone(&connections), Arc::clone(&acts), Arc::clone(&ended));
        let thread = std::thread::spawn(move || {
            let mut heard = Vec::new();
            for stream in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    break;
                }
                count.fetch_add(1, Ordering::SeqCst);
                play(stream.expect("accepted"), (script, &done), &mut heard);
            }
            heard
        });
        Server { port, connections, acts, ended, thread: Some(thread) }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections there have been.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// How many acts it has done, over all connections.
    pub fn acts(&self) -> usize {
        self.acts.load(Ordering::SeqCst)
    }

    /// Ends it; gives what it heard.
    pub fn end(mut self) -> Vec<u8> {
        self.ended.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        self.thread.take().expect("taken once").join().expect("the server does not panic")
    }
}

/// A client that goes away ends the script early.
fn play(mut stream: TcpStream, (script, acts): (&[Act], &AtomicUsize), heard: &mut Vec<u8>) {
    let mut buffer = [0; 4096];
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time that is not zero");
    for act in script {
        let done = match act {
            Act::Say(bytes) => stream.write_all(bytes).is_err(),
            Act::Hear => match stream.read(&mut buffer) {
                Ok(count) => {
                    heard.extend_from_slice(&buffer[..count]);
                    count == 0
                }
                Err(_) => true,
            },
            Act::HearAll => stream.read_to_end(heard).is_err(),
        };
        if done {
            return;
        }
        acts.fetch_add(1, Ordering::SeqCst);
    }
}
