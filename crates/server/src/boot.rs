//! From a plan to running threads: listeners are opened, mailboxes are tied together, each shard gets its
//! thread.

use crate::pump::{Ask, Control, Door, Legacy, Letter, Parts, Pump, Ruled, Store, Transport};
use mio::{Poll, Token, Waker};
use pondhawk_broker::{Homes, Settings, ShardId};
use pondhawk_net::listener;
use pondhawk_net::{Bound, ListenError, ListenSpec, Listener, Receiver, Sender, Wake, mailbox};
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::thread::JoinHandle;
use std::time::Instant;

/// Mail between two shards beyond which the sender stops reading its sockets.
const MAIL_BOUND: Bound = Bound { items: 64 << 10, bytes: 64 << 20 };

/// One configured listener.
pub struct Entrance {
    /// Where it listens.
    pub spec: ListenSpec,
    /// How its clients speak.
    pub transport: Transport,
    /// `max_connections`.
    pub max: Option<i64>,
    /// Whether it is no error if this machine lacks the address.
    pub optional: bool,
}

/// Tells the log of a connection from this address on this listening socket, or why it was turned away.
pub type OnAccept = Arc<dyn Fn(&str, &str, Result<(), &str>) + Send + Sync>;

/// The listening sockets of every shard.
pub struct Doors {
    by_shard: Vec<Vec<Door>>,
    /// What was opened, for the log and for whoever asked for port 0.
    pub opened: Vec<String>,
    /// What was not, because this machine has no such address.
    pub skipped: Vec<ListenError>,
}

/// Opens every listener: TCP once a shard, so that each accepts its own share, Unix sockets on the first.
///
/// # Errors
/// The first listener that cannot be opened.
pub fn open_doors(entrances: Vec<Entrance>, shards: u8, on_accept: &OnAccept) -> Result<Doors, ListenError> {
    let mut doors = Doors {
        by_shard: (0..shards).map(|_| Vec::new()).collect(),
        opened: Vec::new(),
        skipped: Vec::new(),
    };
    for (number, entrance) in entrances.into_iter().enumerate() {
        match doors.open(number as u16, &entrance, on_accept) {
            Err(error) if entrance.optional && error.is_not_here() => doors.skipped.push(error),
            result => result?,
        }
    }
    Ok(doors)
}

impl Doors {
    fn open(&mut self, number: u16, entrance: &Entrance, on_accept: &OnAccept) -> Result<(), ListenError> {
        let count = Arc::new(AtomicI64::new(0));
        let mut spec = entrance.spec.clone();
        let shared = match &mut spec {
            ListenSpec::Tcp(tcp) if self.by_shard.len() > 1 => {
                listener::ensure_free(tcp)?;
                tcp.reuse_port = true;
                self.by_shard.len()
            }
            _ => 1,
        };
        for shard in 0..shared {
            let opened = listener::open(&spec)?;
            if shard == 0 {
                self.opened.extend(opened.listeners.iter().map(ToString::to_string));
                self.skipped.extend(opened.skipped);
                if let (ListenSpec::Tcp(tcp), Some(port)) = (&mut spec, opened.listeners[0].port()) {
                    tcp.port = port;
                }
            }
            for listener in opened.listeners {
                let name = place_name(&listener);
                let on_accept = on_accept.clone();
                self.by_shard[shard].push(Door {
                    listener,
                    number,
                    transport: entrance.transport.clone(),
                    count: count.clone(),
                    max: entrance.max,
                    on_accept: Arc::new(move |peer, result| on_accept(peer, &name, result)),
                });
            }
        }
        Ok(())
    }
}

/// How the log names the place where a client came in.
fn place_name(listener: &Listener) -> String {
    listener.port().map_or_else(
        || format!("path {}", listener.path().unwrap_or(std::path::Path::new("?")).display()),
        |port| format!("port {port}"),
    )
}

/// The mailboxes and polls of shards that are not running yet.
pub struct Board<R> {
    places: Vec<(Poll, Arc<Waker>, Receiver<Letter<R>>)>,
    senders: Vec<Sender<Letter<R>>>,
}

impl<R: Send + 'static> Board<R> {
    /// Makes a poll and a mailbox for each shard.
    ///
    /// # Errors
    /// If the machine has no file descriptor left.
    pub fn new(shards: u8) -> io::Result<Self> {
        let mut board = Board { places: Vec::new(), senders: Vec::new() };
        for _ in 0..shards {
            let poll = Poll::new()?;
            let waker = Arc::new(Waker::new(poll.registry(), Token(usize::MAX))?);
            let (sender, receiver) = mailbox(MAIL_BOUND, waker.clone() as Arc<dyn Wake>);
            board.places.push((poll, waker, receiver));
            board.senders.push(sender);
        }
        Ok(board)
    }

    /// What wakes each shard.
    #[must_use]
    pub fn wakers(&self) -> Vec<Arc<Waker>> {
        self.places.iter().map(|(_, waker, _)| waker.clone()).collect()
    }

    /// A way to reach each shard from outside.
    #[must_use]
    pub fn senders(&self) -> Vec<Sender<Letter<R>>> {
        self.senders.clone()
    }
}

/// What all shards have in common.
pub struct Common {
    /// Where everything lives.
    pub homes: Homes,
    /// The settings to begin with.
    pub settings: Arc<Settings>,
    /// Who answers questions.
    pub ask: Ask,
    /// The moment that all shards count time from.
    pub epoch: Instant,
}

/// What one shard has for itself.
pub struct Own<H> {
    /// Its surroundings.
    pub host: H,
    /// Where its records go.
    pub store: Box<dyn Store>,
    /// What it takes over from the last process.
    pub legacy: Option<Legacy>,
}

/// Running shards.
pub struct Shards<R> {
    senders: Vec<Sender<Letter<R>>>,
    threads: Vec<JoinHandle<io::Result<()>>>,
}

/// Starts a thread for each shard; `make` gives each what it has for itself.
///
/// # Errors
/// If a thread or a registration is refused by the system.
pub fn start<H>(
    board: Board<H::Rules>,
    doors: Doors,
    common: &Common,
    mut make: impl FnMut(ShardId) -> Own<H>,
) -> io::Result<Shards<H::Rules>>
where
    H: Ruled + Send + 'static,
    H::Identity: Send,
{
    let senders = board.senders;
    let mut threads = Vec::new();
    for (index, ((poll, waker, inbox), doors)) in board.places.into_iter().zip(doors.by_shard).enumerate() {
        let id = ShardId(index as u8);
        let Own { host, store, legacy } = make(id);
        let relief = |sender: &Sender<_>| sender.clone().with_relief(waker.clone() as Arc<dyn Wake>);
        let pump = Pump::new(Parts {
            id,
            homes: common.homes,
            settings: common.settings.clone(),
            host,
            poll,
            waker: waker.clone(),
            inbox,
            outboxes: senders.iter().map(relief).collect(),
            doors,
            ask: common.ask.clone(),
            store,
            legacy,
            epoch: common.epoch,
        })?;
        let thread = std::thread::Builder::new().name(format!("shard-{index}"));
        threads.push(thread.spawn(move || pump.run())?);
    }
    Ok(Shards { senders, threads })
}

impl<R: Send + 'static> Shards<R> {
    /// Tells every shard; `make` is called once for each.
    pub fn tell(&self, mut make: impl FnMut() -> Control<R>) {
        for sender in &self.senders {
            // A shard that is gone has stopped the broker already.
            let _pressure = sender.send_batch(&mut vec![Letter::Control(make())]);
        }
    }

    /// Tells the first shard.
    pub fn tell_first(&self, control: Control<R>) {
        if let Some(sender) = self.senders.first() {
            let _pressure = sender.send_batch(&mut vec![Letter::Control(control)]);
        }
    }

    /// True if a shard has ended, which none does on its own but by a fault.
    #[must_use]
    pub fn any_ended(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Stops all shards and waits for them; false if one of them failed.
    #[must_use]
    pub fn stop(self) -> bool {
        self.tell(|| Control::Shutdown);
        let ended: Vec<bool> =
            self.threads.into_iter().map(|thread| matches!(thread.join(), Ok(Ok(())))).collect();
        ended.into_iter().all(|fine| fine)
    }
}
