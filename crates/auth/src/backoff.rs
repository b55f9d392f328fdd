//! How often a password may be guessed: what each address and each user name has failed at lately.
//!
//! Before: `server` asks [`LoginGuard::admit`] in front of every password check. After: the check's outcome comes back
//! by [`LoginGuard::settle`]. No clock and no lock in here.
//!
//! Failures run up a debt that fades with time. Once a minute's worth of allowed failures is owed, attempts are held
//! back without a look at the password, and each of them adds to the debt: who goes on guessing waits longer. An
//! address owes for itself, whatever the user; a user name owes for all addresses, except those that he has logged in
//! from before: a guess made there counts for that pair alone. So nobody can keep a user out by guessing at his name
//! from elsewhere.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use foldhash::quality::RandomState;

/// Debts of one kind that are remembered. More addresses than this at once lose the smallest debts.
const REMEMBERED_MAX: usize = 16_384;

/// The span over which failures are counted.
const SPAN_MS: u64 = 60_000;

/// How many failures are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginPolicy {
    /// Failures a minute of one address or one user name; without a limit nothing is remembered.
    pub failures: Option<usize>,
    /// How long after the last attempt of a flood the next is admitted at the latest.
    pub longest: Duration,
}

/// What has been counted since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LoginCounts {
    /// Passwords that were wrong, of users known or not.
    pub failed: u64,
    /// Attempts that were turned away without a look at the password.
    pub held_back: u64,
}

/// The memory of failed logins.
#[derive(Debug)]
pub struct LoginGuard {
    policy: LoginPolicy,
    names: RandomState,
    users: Debts,
    addresses: Debts,
    /// Users at addresses that they have logged in from.
    pairs: Debts,
    counts: LoginCounts,
}

impl LoginGuard {
    /// Nothing has failed yet.
    #[must_use]
    pub fn new(policy: LoginPolicy) -> LoginGuard {
        let (users, addresses, pairs) = Default::default();
        LoginGuard {
            policy,
            names: RandomState::default(),
            users,
            addresses,
            pairs,
            counts: LoginCounts::default(),
        }
    }

    /// From now on this is allowed; debts stay.
    pub fn set_policy(&mut self, policy: LoginPolicy) {
        self.policy = policy;
    }

    /// What has been counted.
    #[must_use]
    pub fn counts(&self) -> LoginCounts {
        self.counts
    }

    /// Whether the password of this attempt may be looked at; `now` is the time since any fixed moment. A client
    /// without an address, on a Unix socket, owes for its user name only.
    ///
    /// An attempt that waits for a thread is best asked about once more when its turn has come: those that came at the
    /// same time may have failed meanwhile. Nothing is charged in advance, for a thousand clients that come back at
    /// once with the right password owe nothing.
    pub fn admit(&mut self, now: Duration, user: &str, address: Option<IpAddr>) -> bool {
        let Some(terms) = Terms::of(&self.policy, now) else { return true };
        let owners = self.owners(user, address);
        let admitted = owners.iter().flatten().all(|owner| self.debts(owner).allows(owner.name, &terms));
        if !admitted {
            self.counts.held_back += 1;
            self.charge(&owners, &terms);
        }
        admitted
    }

    /// The password of an admitted attempt was right, or it was not.
    pub fn settle(&mut self, now: Duration, user: &str, address: Option<IpAddr>, right: bool) {
        self.counts.failed += u64::from(!right);
        let Some(terms) = Terms::of(&self.policy, now) else { return };
        if right {
            let pair = self.key((user, address.map(network)));
            self.pairs.debt(pair, &terms);
        } else {
            let owners = self.owners(user, address);
            self.charge(&owners, &terms);
        }
    }

    /// Who owes for a failure: the pair where it is known, and else user name and address, each for itself.
    fn owners(&self, user: &str, address: Option<IpAddr>) -> [Option<Owner>; 2] {
        let network = address.map(network);
        let pair = self.key((user, network));
        if self.pairs.by_name.contains_key(&pair) {
            return [Some(Owner { kind: Kind::Pair, name: pair }), None];
        }
        let user = Owner { kind: Kind::User, name: self.key(user) };
        [Some(user), network.map(|network| Owner { kind: Kind::Address, name: self.key(network) })]
    }

    fn charge(&mut self, owners: &[Option<Owner>], terms: &Terms) {
        for owner in owners.iter().flatten() {
            let debts = match owner.kind {
                Kind::User => &mut self.users,
                Kind::Address => &mut self.addresses,
                Kind::Pair => &mut self.pairs,
            };
            debts.charge(owner.name, terms);
        }
    }

    fn debts(&self, owner: &Owner) -> &Debts {
        match owner.kind {
            Kind::User => &self.users,
            Kind::Address => &self.addresses,
            Kind::Pair => &self.pairs,
        }
    }

    /// Names are not kept, and nobody outside can find two that share a place.
    fn key(&self, name: impl Hash) -> u64 {
        self.names.hash_one(name)
    }
}

/// Somebody who owes.
#[derive(Debug, Clone, Copy)]
struct Owner {
    kind: Kind,
    name: u64,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    User,
    Address,
    Pair,
}

/// What counts as one address: a whole /64 of IPv6, for that is what one customer gets.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address => address,
    }
}

/// A policy at a moment, in milliseconds.
struct Terms {
    now: u64,
    cost: u64,
    most: u64,
}

impl Terms {
    fn of(policy: &LoginPolicy, now: Duration) -> Option<Terms> {
        let failures = policy.failures.filter(|failures| *failures > 0)?;
        let failures = u64::try_from(failures).unwrap_or(u64::MAX);
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let most = SPAN_MS.saturating_add(ms(policy.longest));
        Some(Terms { now: ms(now), cost: (SPAN_MS / failures).max(1), most })
    }
}

/// What is owed.
#[derive(Debug, Clone, Copy)]
struct Debt {
    /// When it will have faded.
    until: u64,
    /// When it was last asked for.
    touched: u64,
}

/// Debts of one kind, bounded.
#[derive(Debug, Default)]
struct Debts {
    by_name: HashMap<u64, Debt>,
}

impl Debts {
    /// Whether one more failure is within a minute's worth.
    fn allows(&self, name: u64, terms: &Terms) -> bool {
        let owed = self.by_name.get(&name).map_or(0, |debt| debt.until.saturating_sub(terms.now));
        owed + terms.cost <= SPAN_MS
    }

    fn charge(&mut self, name: u64, terms: &Terms) {
        let debt = self.debt(name, terms);
        let owed = debt.until.saturating_sub(terms.now);
        debt.until = terms.now + (owed + terms.cost).min(terms.most);
    }

    fn debt(&mut self, name: u64, terms: &Terms) -> &mut Debt {
        if self.by_name.len() >= REMEMBERED_MAX && !self.by_name.contains_key(&name) {
            self.forget_half();
        }
        let debt = self.by_name.entry(name).or_insert(Debt { until: 0, touched: 0 });
        debt.touched = terms.now;
        debt
    }

    /// Makes room at once for many, so that it is seldom needed: the smallest debts go, of equal ones the oldest.
    fn forget_half(&mut self) {
        let mut ranks: Vec<_> = self.by_name.values().map(Debt::rank).collect();
        let kept = ranks.len() / 2;
        let first = ranks.len() - kept;
        let limit = *ranks.select_nth_unstable(first).1;
        let above = self.by_name.values().filter(|debt| debt.rank() > limit).count();
        let mut level = kept - above;
        self.by_name.retain(|_, debt| {
            let is_level = debt.rank() == limit && level > 0;
            level -= usize::from(is_level);
            is_level || debt.rank() > limit
        });
    }
}

impl Debt {
    fn rank(&self) -> (u64, u64) {
        (self.until.max(self.touched), self.touched)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOME: &str = "10.0.0.1";
    const AWAY: &str = "203.0.113.9";

    fn guard(failures: usize) -> LoginGuard {
        LoginGuard::new(LoginPolicy { failures: Some(failures), longest: Duration::from_secs(60) })
    }

    impl LoginGuard {
        /// An attempt at a second, and its outcome if it is admitted.
        fn attempt(&mut self, second: u64, (user, address): (&str, &str), right: bool) -> bool {
            let (now, address) = (Duration::from_secs(second), address.parse().ok());
            let admitted = self.admit(now, user, address);
            if admitted {
                self.settle(now, user, address, right);
            }
            admitted
        }

        fn fail(&mut self, times: usize, who: (&str, &str)) -> usize {
            (0..times).filter(|_| self.attempt(0, who, false)).count()
        }
    }

    #[test]
    fn an_address_has_a_minutes_worth_of_failures() {
        let mut guard = guard(10);
        let tried = (0..100).filter(|n| guard.attempt(0, (&format!("user{n}"), AWAY), false)).count();
        assert_eq!(tried, 10);
        assert_eq!(guard.counts(), LoginCounts { failed: 10, held_back: 90 });
        // Another address is another matter; the debt is at its most after the flood, and fades.
        assert!(guard.attempt(0, ("ann", HOME), false));
        assert!(!guard.attempt(59, ("zoe", AWAY), false));
        assert!(guard.attempt(121, ("zoe", AWAY), false));
    }

    #[test]
    fn a_user_name_has_as_many_from_all_addresses() {
        let mut guard = guard(10);
        let tried = (0..100).filter(|n| guard.attempt(0, ("ann", &format!("203.0.113.{n}")), false)).count();
        assert_eq!(tried, 10);
        assert!(guard.attempt(0, ("bob", "203.0.113.200"), false));
    }

    #[test]
    fn nobody_is_kept_out_where_he_has_been_before() {
        let mut guard = guard(10);
        assert!(guard.attempt(0, ("ann", HOME), true));
        guard.fail(1000, ("ann", AWAY));
        assert!(!guard.attempt(0, ("ann", "203.0.113.10"), true), "elsewhere the name is held back");
        assert!(guard.attempt(0, ("ann", HOME), true));
        // Neighbours behind the same address fail, and ann does not pay for it.
        guard.fail(1000, ("bob", HOME));
        assert!((0..100).all(|_| guard.attempt(0, ("ann", HOME), true)));
        // But guesses from there are counted.
        assert_eq!(guard.fail(1000, ("ann", HOME)), 10);
    }

    #[test]
    fn right_passwords_cost_nothing() {
        let mut guard = guard(3);
        // Also when all of them come before the first is checked.
        assert!((0..1000).all(|n| guard.admit(Duration::ZERO, &format!("user{n}"), HOME.parse().ok())));
        assert!((0..1000).all(|n| guard.attempt(0, (&format!("user{n}"), HOME), true)));
        assert_eq!(guard.counts(), LoginCounts::default());
    }

    #[test]
    fn a_device_with_a_wrong_password_does_not_shut_its_house_out() {
        let mut guard = guard(300);
        // It tries every second for an hour, beside others that are new.
        assert!((0..3600).all(|second| guard.attempt(second, ("mistyped", HOME), false)));
        assert!(guard.attempt(3600, ("new", HOME), true));
    }

    #[test]
    fn without_a_limit_everything_is_admitted_and_nothing_kept() {
        let mut guard = LoginGuard::new(LoginPolicy { failures: None, longest: Duration::ZERO });
        assert_eq!(guard.fail(1000, ("ann", AWAY)), 1000);
        assert_eq!(guard.users.by_name.len() + guard.addresses.by_name.len() + guard.pairs.by_name.len(), 0);
        assert_eq!(guard.counts().failed, 1000);
    }

    #[test]
    fn neighbours_in_ipv6_and_both_spellings_of_ipv4_are_one() {
        let mut guard = guard(1);
        assert!(guard.attempt(0, ("a", "2001:db8::1"), false));
        assert!(!guard.attempt(0, ("b", "2001:db8::ffff:2"), false));
        assert!(guard.attempt(0, ("c", "2001:db8:0:1::1"), false));
        assert!(guard.attempt(0, ("d", "192.0.2.1"), false));
        assert!(!guard.attempt(0, ("e", "::ffff:192.0.2.1"), false));
    }

    #[test]
    fn the_memory_is_bounded_and_forgets_the_small_debts() {
        let mut guard = guard(10);
        guard.fail(100, ("ann", AWAY));
        for n in 0..40_000_u32 {
            guard.attempt(0, (&format!("user{n}"), &IpAddr::from(n.to_be_bytes()).to_string()), n % 2 == 0);
        }
        for debts in [&guard.users, &guard.addresses, &guard.pairs] {
            assert!((1..=REMEMBERED_MAX).contains(&debts.by_name.len()), "{}", debts.by_name.len());
        }
        assert!(!guard.attempt(0, ("zoe", AWAY), false), "the flood is not forgotten");
    }

    proptest! {
        // However attempts are timed, an address never gets more guesses than its minute's worth and what fades.
        #[test]
        fn guesses_are_bounded(steps in proptest::collection::vec((0u64..20, 1usize..40), 1..40)) {
            let mut guard = guard(20);
            let (mut second, mut tried) = (0, 0);
            for (wait, attempts) in steps {
                second += wait;
                tried += (0..attempts).filter(|_| guard.attempt(second, ("ann", AWAY), false)).count();
                prop_assert!(tried as u64 <= 20 + second / 3);
            }
        }
    }
}
