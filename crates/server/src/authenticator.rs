//! Questions that take time, answered away from the shards: passwords on a pool of threads, enhanced
//! authentication by registered methods.

use crate::access::Rules;
use pondhawk_auth::{AuthPool, Job};
use pondhawk_broker::{Answer, ConnId, Question, ShardId, Subject};
use pondhawk_codec::reason;
use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Password checks that may wait before clients are told that the server is busy.
const QUEUE_BOUND: usize = 4096;

/// A method of enhanced authentication (MQTT 5.0, section 4.12).
pub trait AuthMethod: Send + Sync {
    /// The name that clients give.
    fn name(&self) -> &str;

    /// One step of an exchange. `state` is the exchange's own: empty at its first step, kept until it ends.
    /// Called on the shard's thread, so it must not take long.
    fn step(&self, state: &mut Option<Box<dyn Any + Send>>, client_id: &str, data: &[u8]) -> Answer;
}

/// Sends an answer to the shard that asked.
pub type Reply = Arc<dyn Fn(ShardId, ConnId, Answer) + Send + Sync>;

type Exchanges = HashMap<(ShardId, ConnId), Option<Box<dyn Any + Send>>>;

/// Answers questions.
pub struct Authenticator {
    rules: Mutex<Arc<Rules>>,
    pool: AuthPool,
    methods: HashMap<String, Arc<dyn AuthMethod>>,
    exchanges: Mutex<Exchanges>,
    reply: Reply,
}

impl Authenticator {
    /// An authenticator with `threads` threads for passwords.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub fn new(
        rules: Arc<Rules>,
        threads: usize,
        methods: Vec<Arc<dyn AuthMethod>>,
        reply: Reply,
    ) -> std::io::Result<Self> {
        Ok(Authenticator {
            rules: Mutex::new(rules),
            pool: AuthPool::new(threads, QUEUE_BOUND)?,
            methods: methods
                .into_iter()
                .map(|method| (method.name().to_owned(), method))
                .collect(),
            exchanges: Mutex::new(HashMap::new()),
            reply,
        })
    }

    /// From now on these rules hold.
    pub fn set_rules(&self, rules: Arc<Rules>) {
        *self.rules.lock().unwrap_or_else(PoisonError::into_inner) = rules;
    }

    /// Takes a question of `shard`; the answer goes to [`Reply`], exactly once.
    pub fn ask(&self, shard: ShardId, question: Question) {
        let Question {
            conn,
            listener,
            subject,
            ..
        } = question;
        match subject {
            Subject::Password {
                username, password, ..
            } => {
                self.check_password((shard, conn), listener, (username, password));
            }
            Subject::Exchange {
                client_id,
                method,
                data,
                first,
            } => {
                let answer = self.step((shard, conn), &method, (&client_id, &data, first));
                (self.reply)(shard, conn, answer);
            }
        }
    }

    fn check_password(
        &self,
        (shard, conn): (ShardId, ConnId),
        listener: u16,
        (username, password): (Option<Box<str>>, Option<Box<[u8]>>),
    ) {
        let rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let file = rules
            .listeners
            .get(usize::from(listener))
            .and_then(|rules| rules.passwords.clone());
        let (Some(file), Some(username)) = (file, username) else {
            (self.reply)(shard, conn, Answer::Refuse(reason::NOT_AUTHORIZED));
            return;
        };
        let reply = self.reply.clone();
        let answer = move |right: bool| {
            let answer = if right {
                Answer::Accept {
                    username: None,
                    data: None,
                }
            } else {
                // Mosquitto's code for a wrong password: 5, and 135 in MQTT 5.0.
                Answer::Refuse(reason::NOT_AUTHORIZED)
            };
            reply(shard, conn, answer);
        };
        let password = password.unwrap_or_default().into_vec();
        if self
            .pool
            .submit(Job::password(file, username.into(), password, answer))
            .is_err()
        {
            (self.reply)(shard, conn, Answer::Refuse(reason::SERVER_BUSY));
        }
    }

    fn step(
        &self,
        key: (ShardId, ConnId),
        method: &str,
        (client_id, data, first): (&str, &[u8], bool),
    ) -> Answer {
        let Some(method) = self.methods.get(method) else {
            return Answer::Refuse(reason::BAD_AUTHENTICATION_METHOD);
        };
        let mut exchanges = self.exchanges.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = if first {
            None
        } else {
            exchanges.remove(&key).flatten()
        };
        let answer = method.step(&mut state, client_id, data);
        if matches!(answer, Answer::Continue { .. }) {
            exchanges.insert(key, state);
        } else {
            exchanges.remove(&key);
        }
        answer
    }
}
