//! A crash at every batch of what was not synced, against naive replay.

use crate::kit::{Op, Pair, ops, reopened, text};
use pondhawk_broker::Persist;
use pondhawk_store::engine::Engine;
use proptest::prelude::*;
use std::ops::ControlFlow;

#[derive(Clone, Debug)]
enum Step {
    Turn(Vec<Op>),
    Write,
    Sync,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![5 => ops().prop_map(Step::Turn), 3 => Just(Step::Write), 1 => Just(Step::Sync)];
    prop::collection::vec(step, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_crash_leaves_the_state_after_some_turn(steps in steps()) {
        let mut pair = Pair::new();
        // How many turns are in the store if so many of the batches that are not synced survive.
        let mut turns = vec![0];
        for step in &steps {
            match step {
                Step::Turn(ops) => pair.turn(ops),
                Step::Write => {
                    prop_assert_eq!(pair.log.write(), Ok(()));
                    turns.resize(pair.log.engine().unsynced() + 1, pair.written());
                }
                Step::Sync => {
                    prop_assert_eq!(pair.log.sync(), Ok(()));
                    turns = vec![pair.written()];
                }
            }
            prop_assert_eq!(pair.durable(), turns[0]);
        }
        for (kept, turns) in turns.into_iter().enumerate() {
            let (mut log, restored, lost) = reopened(pair.log.engine().crashed(kept));
            prop_assert_eq!(lost, Vec::<String>::new());
            prop_assert_eq!(text(&restored), text(&pair.replayed(turns)));
            // What the store clears away changes nothing of what it gives.
            while log.has_work() {
                prop_assert_eq!(log.commit(), Ok(()));
            }
            let (log, again, _) = reopened(log.engine().clone());
            prop_assert_eq!(text(&again), text(&restored));
            prop_assert!(!log.has_work());
        }
    }

    #[test]
    fn a_store_goes_on_where_a_crash_left_it(
        before in prop::collection::vec(ops(), 1..12),
        after in prop::collection::vec(ops(), 1..12),
    ) {
        let mut pair = Pair::new();
        for turn in &before {
            pair.turn(turn);
        }
        prop_assert_eq!(pair.log.commit(), Ok(()));
        let (log, ..) = reopened(pair.log.engine().crashed(0));
        pair.log = log;
        for turn in &after {
            pair.turn(turn);
        }
        prop_assert_eq!(pair.log.commit(), Ok(()));
        let (_, restored, lost) = reopened(pair.log.engine().crashed(0));
        prop_assert_eq!(lost, Vec::<String>::new());
        prop_assert_eq!(text(&restored), text(&pair.replayed(pair.turns.len())));
    }

    #[test]
    fn what_is_gone_takes_no_room(turns in prop::collection::vec(ops(), 1..20)) {
        let mut pair = Pair::new();
        for turn in &turns {
            pair.turn(turn);
            prop_assert_eq!(pair.log.commit(), Ok(()));
        }
        // Everything that a session, a will, a release or a topic can have is taken back.
        let mut end = Vec::new();
        for who in 0..3 {
            end.push(Op { kind: 4, who, what: 0 });
            end.push(Op { kind: 21, who, what: 0 });
            end.push(Op { kind: 18, who, what: who });
        }
        pair.turn(&end);
        let topics = ["a/b", "a/b/c"].map(|topic| Persist::RetainedGone { topic: topic.into() });
        pair.records(topics.into());
        let mut left = Vec::new();
        while pair.log.has_work() {
            prop_assert_eq!(pair.log.commit(), Ok(()));
        }
        let scanned = pair.log.engine().scan(&[1], None, &mut |key, _| {
            left.push(key.to_vec());
            ControlFlow::Continue(())
        });
        prop_assert_eq!(scanned, Ok(()));
        prop_assert_eq!(left, Vec::<Vec<u8>>::new());
    }
}

#[test]
fn a_large_message_for_many_is_kept_once() {
    let sized = |sessions: u8| {
        let mut pair = Pair::new();
        let session = |who| Op { kind: 1, who, what: 0 };
        let queued = |who| Op { kind: 7, who, what: 1 };
        pair.turn(&(0..sessions).map(session).collect::<Vec<_>>());
        assert_eq!(pair.log.commit(), Ok(()));
        let before = pair.log.space().expect("known").used;
        pair.turn(&(0..sessions).map(queued).collect::<Vec<_>>());
        assert_eq!(pair.log.commit(), Ok(()));
        pair.log.space().expect("known").used - before
    };
    let (one, many) = (sized(1), sized(30));
    assert!(one > 400, "{one}");
    assert!(many < 30 * 60 + 500, "{many} bytes for 30 sessions");
}
