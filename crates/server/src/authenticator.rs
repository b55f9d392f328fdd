//! Who is it? The questions that take time: passwords and the steps of enhanced authentication.
//!
//! Before: a shard leaves a [`Question`]. After: the answer goes to that shard's mailbox through [`Reply`].
//! Everything slow runs on [`AuthPool`]'s threads; a question that finds its queue full is answered at once
//! with "server busy". Who guesses passwords is held back by a [`LoginGuard`].
//!
//! # Invariants
//! - Each question gets one answer, whatever a method does, panics included.
//! - State of an exchange is kept only between its steps, and not for ever.

use crate::access::Rules;
use pondhawk_auth::{AuthPool, Job, LoginCounts, LoginGuard, LoginPolicy};
use pondhawk_broker::{Answer, ConnId, Question, ShardId, Subject};
use pondhawk_codec::{ReasonCode, reason};
use std::any::Any;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// Questions that may wait for a thread.
const QUEUE: usize = 4096;
/// Exchanges from which on abandoned ones are looked for.
const EXCHANGES_SWEPT: usize = 1024;
/// How long an exchange may wait for its next step.
const EXCHANGE_MAX: Duration = Duration::from_secs(120);

/// Takes an answer to the shard that asked.
pub type Reply = Arc<dyn Fn(ShardId, ConnId, Answer) + Send + Sync>;

/// What a method keeps of an exchange from one step to the next.
pub type ExchangeState = Option<Box<dyn Any + Send>>;

/// A method of enhanced authentication, such as SCRAM.
pub trait AuthMethod: Send + Sync {
    /// The name that clients send as Authentication Method.
    fn name(&self) -> &str;

    /// Takes one step of an exchange. `state` is empty at the first and is what the last left behind at any
    /// other. Runs on a pool thread, so it may take its time.
    fn step(&self, state: &mut ExchangeState, said: &Said<'_>) -> Step;
}

/// What a client says in one step of an exchange.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// Its client identifier.
    pub client_id: &'a str,
    /// Its Authentication Data.
    pub data: &'a [u8],
}

/// How an exchange goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The client is in.
    Accept {
        /// The name under which it is known from now on, if it is not the one of CONNECT.
        username: Option<String>,
        /// Last data for the client.
        data: Option<Vec<u8>>,
    },
    /// The client is to answer this.
    Continue(Vec<u8>),
    /// The client is turned away.
    Refuse(ReasonCode),
}

impl From<Step> for Answer {
    fn from(step: Step) -> Answer {
        match step {
            Step::Accept { username, data } => {
                Answer::Accept { username: username.map(Into::into), data: data.map(Into::into) }
            }
            Step::Continue(data) => Answer::Continue { data: data.into() },
            Step::Refuse(code) => Answer::Refuse(code),
        }
    }
}

/// A connection, in the whole broker.
type Who = (ShardId, ConnId);

/// A user name and a password to be checked.
struct Login {
    who: Who,
    peer: Box<str>,
    username: Option<Box<str>>,
    password: Option<Box<[u8]>>,
}

/// An exchange between two steps.
struct Exchange {
    method: Arc<dyn AuthMethod>,
    state: ExchangeState,
    since: Instant,
}

/// Takes questions and answers them, one thread pool for all shards.
pub struct Authenticator {
    pool: AuthPool,
    rules: RwLock<Arc<Rules>>,
    methods: Vec<Arc<dyn AuthMethod>>,
    exchanges: Arc<Mutex<HashMap<Who, Exchange>>>,
    logins: Arc<Logins>,
    reply: Reply,
}

/// The guard, and the clock that it lacks.
struct Logins {
    guard: Mutex<LoginGuard>,
    since: Instant,
}

impl Logins {
    fn guard(&self) -> MutexGuard<'_, LoginGuard> {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(&self, user: &str, address: Option<IpAddr>) -> bool {
        self.guard().admit(self.since.elapsed(), user, address)
    }

    fn settle(&self, user: &str, address: Option<IpAddr>, right: bool) {
        self.guard().settle(self.since.elapsed(), user, address, right);
    }
}

impl Authenticator {
    /// Starts `threads` threads. The names of `methods` belong into [`Rules::load`].
    ///
    /// # Errors
    /// The operating system starts no thread.
    pub fn new(
        threads: usize,
        rules: Arc<Rules>,
        methods: Vec<Arc<dyn AuthMethod>>,
        reply: Reply,
    ) -> io::Result<Self> {
        let pool = AuthPool::new(threads, QUEUE)?;
        // Everything is admitted until the configuration's policy is set.
        let guard = LoginGuard::new(LoginPolicy { failures: None, longest: Duration::ZERO });
        let logins = Arc::new(Logins { guard: Mutex::new(guard), since: Instant::now() });
        Ok(Authenticator {
            pool,
            rules: RwLock::new(rules),
            methods,
            exchanges: Arc::default(),
            logins,
            reply,
        })
    }

    /// From now on logins may fail so often.
    pub fn set_policy(&self, policy: LoginPolicy) {
        self.logins.guard().set_policy(policy);
    }

    /// How many logins have failed and were held back.
    #[must_use]
    pub fn login_counts(&self) -> LoginCounts {
        self.logins.guard().counts()
    }

    /// The names of the registered methods, for [`Rules::load`].
    #[must_use]
    pub fn method_names(&self) -> Vec<String> {
        self.methods.iter().map(|method| method.name().to_owned()).collect()
    }

    /// From the next question on these rules hold.
    pub fn set_rules(&self, rules: Arc<Rules>) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = rules;
    }

    /// Takes a question of a shard's; never waits for the answer.
    pub fn ask(&self, shard: ShardId, question: Question) {
        let who = (shard, question.conn);
        match question.subject {
            Subject::Password { username, password, .. } => {
                let login = Login { who, peer: question.peer, username, password };
                self.ask_password(question.listener, login);
            }
            Subject::Exchange { client_id, method, data, first } => {
                let exchange = if first { self.begin(&method) } else { self.resume(who) };
                match exchange {
                    Some(exchange) => self.step(who, exchange, client_id, data),
                    None => self.answer(who, Answer::Refuse(reason::BAD_AUTHENTICATION_METHOD)),
                }
            }
        }
    }

    fn ask_password(&self, listener: u16, login: Login) {
        let rules = Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner));
        let Login { who, peer, username, password } = login;
        let (Some(file), Some(username)) = (rules.passwords(listener), username) else {
            // A reload took the file away after the question was asked; the client may try again.
            self.answer(who, Answer::Refuse(reason::NOT_AUTHORIZED));
            return;
        };
        // A Unix socket's client has none.
        let address = peer.parse::<SocketAddr>().ok().map(|peer| peer.ip());
        if !self.logins.admit(&username, address) {
            self.answer(who, Answer::Refuse(reason::CONNECTION_RATE_EXCEEDED));
            return;
        }
        let (file, logins) = (Arc::clone(file), Arc::clone(&self.logins));
        let refusal = Arc::new(AtomicU8::new(reason::NOT_AUTHORIZED.0));
        let why = Arc::clone(&refusal);
        let check = move || {
            // Others may have failed while this one waited for a thread.
            if !logins.admit(&username, address) {
                why.store(reason::CONNECTION_RATE_EXCEEDED.0, Ordering::Relaxed);
                return false;
            }
            // Hashed in any case: the time that it takes says nothing about why.
            let right = file.verify(&username, password.as_deref().unwrap_or_default()) && password.is_some();
            logins.settle(&username, address, right);
            right
        };
        let reply = Arc::clone(&self.reply);
        let answer = move |granted| {
            let answer = if granted {
                Answer::Accept { username: None, data: None }
            } else {
                Answer::Refuse(ReasonCode(refusal.load(Ordering::Relaxed)))
            };
            reply(who.0, who.1, answer);
        };
        self.submit(who, Job::new(check, answer));
    }

    fn begin(&self, method: &str) -> Option<Exchange> {
        let method = self.methods.iter().find(|known| known.name() == method)?;
        Some(Exchange { method: Arc::clone(method), state: None, since: Instant::now() })
    }

    fn resume(&self, who: Who) -> Option<Exchange> {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner).remove(&who)
    }

    fn step(&self, who: Who, mut exchange: Exchange, client_id: Box<str>, data: Box<[u8]>) {
        // The pool's own answer is yes or no; what the step said is left here for it.
        let outcome = Arc::new(Mutex::new(None));
        let (said, exchanges) = (Arc::clone(&outcome), Arc::clone(&self.exchanges));
        let check = move || {
            let step =
                exchange.method.step(&mut exchange.state, &Said { client_id: &client_id, data: &data });
            if matches!(step, Step::Continue(_)) {
                keep(&exchanges, who, exchange);
            }
            *said.lock().unwrap_or_else(PoisonError::into_inner) = Some(Answer::from(step));
            true
        };
        let reply = Arc::clone(&self.reply);
        let answer = move |_| {
            let said = outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
            // Nothing was said if the method panicked or the broker stops.
            reply(who.0, who.1, said.unwrap_or(Answer::Refuse(reason::UNSPECIFIED_ERROR)));
        };
        self.submit(who, Job::new(check, answer));
    }

    fn submit(&self, who: Who, job: Job) {
        if self.pool.submit(job).is_err() {
            self.answer(who, Answer::Refuse(reason::SERVER_BUSY));
        }
    }

    fn answer(&self, (shard, conn): Who, answer: Answer) {
        (self.reply)(shard, conn, answer);
    }
}

/// Keeps an exchange for its next step, and throws out those whose clients never came back.
fn keep(exchanges: &Mutex<HashMap<Who, Exchange>>, who: Who, mut exchange: Exchange) {
    let mut exchanges = exchanges.lock().unwrap_or_else(PoisonError::into_inner);
    exchange.since = Instant::now();
    if exchanges.len() >= EXCHANGES_SWEPT {
        exchanges.retain(|_, exchange| exchange.since.elapsed() < EXCHANGE_MAX);
    }
    exchanges.insert(who, exchange);
}

#[cfg(test)]
mod tests;
