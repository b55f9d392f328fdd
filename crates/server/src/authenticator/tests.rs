//! Questions and answers; connection names come from a real shard, for nothing else can make them.

use super::*;
use crate::access::{ShardHost, Slots};
use crate::logging::Log;
use pondhawk_auth::{PasswordHash, Scheme};
use pondhawk_broker::{Homes, Settings, Shard};
use pondhawk_config::Config;
use std::sync::mpsc::{Receiver, channel};

const PATIENCE: Duration = Duration::from_secs(30);

/// Counts its steps: refuses an empty answer, accepts the third step, panics at "panic".
struct Counting;

impl AuthMethod for Counting {
    fn name(&self) -> &str {
        "COUNT"
    }

    fn step(&self, state: &mut ExchangeState, said: &Said<'_>) -> Step {
        assert_ne!(said.data, b"panic");
        let steps = state.take().and_then(|state| state.downcast::<u8>().ok()).map_or(1, |steps| *steps + 1);
        *state = Some(Box::new(steps));
        match (said.data, steps) {
            (b"", _) => Step::Refuse(reason::NOT_AUTHORIZED),
            (_, 3) => Step::Accept { username: Some(said.client_id.to_owned()), data: None },
            _ => Step::Continue(vec![steps]),
        }
    }
}

struct Fixture {
    authenticator: Authenticator,
    answers: Receiver<(ShardId, ConnId, Answer)>,
    conn: ConnId,
    _dir: tempfile::TempDir,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let hash = PasswordHash::create(b"p", Scheme::Sha512).unwrap();
    let empty = PasswordHash::create(b"", Scheme::Sha512).unwrap();
    std::fs::write(dir.path().join("pw"), format!("ann:{hash}\nbob:{empty}\n")).unwrap();
    let text = format!("log_dest none\nlistener 1\npassword_file {}/pw\n", dir.path().display());
    let config = Config::from_text(text, "test.conf").unwrap();
    let (rules, _) = Rules::load(&config, vec!["COUNT".to_owned()]).unwrap();
    let rules = Arc::new(rules);
    let (sender, answers) = channel();
    let sender = Mutex::new(sender);
    let reply: Reply =
        Arc::new(move |shard, conn, answer| sender.lock().unwrap().send((shard, conn, answer)).unwrap());
    let conn = some_connection(&config, &rules);
    let authenticator = Authenticator::new(2, rules, vec![Arc::new(Counting)], reply).unwrap();
    Fixture { authenticator, answers, conn, _dir: dir }
}

fn some_connection(config: &Config, rules: &Arc<Rules>) -> ConnId {
    let log = Log::start(&config.logging, "test", None).unwrap();
    let host = ShardHost::new(Arc::clone(rules), Arc::new(Slots::new(config)), log).unwrap();
    let homes = Homes { key: 1, shards: 1 };
    let mut shard = Shard::new(ShardId(0), homes, Arc::new(Settings::default()), host);
    shard.open(0, 0, "peer".into()).conn
}

impl Fixture {
    fn post(&self, peer: &str, subject: Subject) {
        let question = Question { conn: self.conn, listener: 0, peer: peer.into(), subject };
        self.authenticator.ask(ShardId(3), question);
    }

    fn answer(&self) -> Answer {
        let (shard, conn, answer) = self.answers.recv_timeout(PATIENCE).unwrap();
        assert_eq!((shard, conn), (ShardId(3), self.conn));
        answer
    }

    fn ask(&self, subject: Subject) -> Answer {
        self.post("peer", subject);
        self.answer()
    }

    fn password(&self, username: &str, password: Option<&[u8]>) -> Answer {
        self.ask(login(username, password))
    }

    fn password_from(&self, peer: &str, username: &str, password: &[u8]) -> Answer {
        self.post(peer, login(username, Some(password)));
        self.answer()
    }

    fn exchange(&self, data: &[u8], first: bool) -> Answer {
        let (client_id, method) = ("c".into(), "COUNT".into());
        self.ask(Subject::Exchange { client_id, method, data: data.into(), first })
    }
}

fn login(username: &str, password: Option<&[u8]>) -> Subject {
    let password = password.map(Into::into);
    Subject::Password { client_id: "c".into(), username: Some(username.into()), password }
}

fn is_refused(answer: &Answer, code: ReasonCode) -> bool {
    matches!(answer, Answer::Refuse(refused) if *refused == code)
}

#[test]
fn passwords_are_answered() {
    let fixture = fixture();
    assert!(matches!(fixture.password("ann", Some(b"p")), Answer::Accept { username: None, data: None }));
    assert!(is_refused(&fixture.password("ann", Some(b"q")), reason::NOT_AUTHORIZED));
    assert!(is_refused(&fixture.password("eve", Some(b"p")), reason::NOT_AUTHORIZED));
    assert!(matches!(fixture.password("bob", Some(b"")), Answer::Accept { .. }));
}

#[test]
fn no_password_is_not_the_empty_password() {
    assert!(is_refused(&fixture().password("bob", None), reason::NOT_AUTHORIZED));
}

#[test]
fn guessing_is_held_back_and_keeps_nobody_out() {
    let fixture = fixture();
    fixture.authenticator.set_policy(LoginPolicy { failures: Some(3), longest: Duration::from_secs(3600) });
    assert!(matches!(fixture.password_from("10.0.0.1:1", "ann", b"p"), Answer::Accept { .. }));
    for _ in 0..3 {
        assert!(is_refused(&fixture.password_from("203.0.113.9:7", "ann", b"q"), reason::NOT_AUTHORIZED));
    }
    for (user, password) in [("ann", b"q"), ("ann", b"p"), ("zoe", b"q")] {
        let answer = fixture.password_from("203.0.113.9:8", user, password);
        assert!(is_refused(&answer, reason::CONNECTION_RATE_EXCEEDED), "{user}");
    }
    assert!(matches!(fixture.password_from("10.0.0.1:2", "ann", b"p"), Answer::Accept { .. }));
    assert_eq!(fixture.authenticator.login_counts(), LoginCounts { failed: 3, held_back: 3 });
}

#[test]
fn guesses_that_wait_together_are_not_all_checked() {
    let fixture = fixture();
    fixture.authenticator.set_policy(LoginPolicy { failures: Some(3), longest: Duration::from_secs(3600) });
    (0..100).for_each(|_| fixture.post("203.0.113.9:7", login("ann", Some(b"q"))));
    (0..100).for_each(|_| assert!(matches!(fixture.answer(), Answer::Refuse(_))));
    let counts = fixture.authenticator.login_counts();
    // Each of the two threads may have begun one more.
    assert!((3..=5).contains(&counts.failed) && counts.failed + counts.held_back == 100, "{counts:?}");
}

#[test]
fn rules_without_a_file_let_nobody_in() {
    let fixture = fixture();
    fixture.authenticator.set_rules(Arc::default());
    assert!(is_refused(&fixture.password("ann", Some(b"p")), reason::NOT_AUTHORIZED));
}

#[test]
fn an_exchange_goes_from_step_to_step() {
    let fixture = fixture();
    let data = |answer| match answer {
        Answer::Continue { data } => data[0],
        other => panic!("{other:?}"),
    };
    assert_eq!(data(fixture.exchange(b"a", true)), 1);
    assert_eq!(data(fixture.exchange(b"b", false)), 2);
    let Answer::Accept { username, .. } = fixture.exchange(b"c", false) else { panic!("not accepted") };
    assert_eq!(username.as_deref(), Some("c"));
    // It is over: nothing is left to go on with.
    assert!(is_refused(&fixture.exchange(b"d", false), reason::BAD_AUTHENTICATION_METHOD));
}

#[test]
fn a_first_step_begins_anew() {
    let fixture = fixture();
    for _ in 0..3 {
        assert!(matches!(fixture.exchange(b"a", true), Answer::Continue { data } if *data == [1]));
    }
    assert!(is_refused(&fixture.exchange(b"", true), reason::NOT_AUTHORIZED));
}

#[test]
fn a_method_that_panics_refuses() {
    let fixture = fixture();
    assert!(is_refused(&fixture.exchange(b"panic", true), reason::UNSPECIFIED_ERROR));
    assert!(matches!(fixture.exchange(b"a", true), Answer::Continue { .. }));
}

#[test]
fn unknown_methods_are_refused() {
    let fixture = fixture();
    let subject = Subject::Exchange {
        client_id: "c".into(),
        method: "SCRAM".into(),
        data: Box::default(),
        first: true,
    };
    assert!(is_refused(&fixture.ask(subject), reason::BAD_AUTHENTICATION_METHOD));
}
