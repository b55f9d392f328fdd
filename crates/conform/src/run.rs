//! Plays many vectors, some at a time.

use crate::bytes::Login;
use crate::catalogue::Vector;
use crate::play::{Failure, Part, play};
use crate::probe::Abilities;
use crate::transport::Transport;
use crate::verdict::Played;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How to play.
#[derive(Clone, Debug)]
pub struct Setup {
    /// What all topics and client identifiers begin with: at most six letters and digits, new in each run.
    pub prefix: String,
    /// User name and password.
    pub login: Option<Login>,
    /// How many vectors are played at the same time.
    pub jobs: usize,
}

/// Which vectors to play.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only those whose section, name or rules contain this.
    pub only: Option<String>,
    /// Only on this protocol level.
    pub version: Option<u8>,
}

/// A vector on one version.
#[derive(Clone, Copy, Debug)]
pub struct Trial<'a> {
    /// The vector.
    pub vector: &'a Vector,
    /// Protocol level.
    pub version: u8,
}

impl Trial<'_> {
    /// Section, name and version: unique.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{} / {} / {}", self.vector.section, self.vector.name, version_name(self.version))
    }
}

/// The name of a protocol level.
pub(crate) fn version_name(version: u8) -> &'static str {
    match version {
        3 => "3.1",
        4 => "3.1.1",
        _ => "5.0",
    }
}

/// The trials that are selected, in the order of the catalogue.
#[must_use]
pub fn trials<'a>(vectors: &'a [Vector], selection: &Selection) -> Vec<Trial<'a>> {
    let all = vectors
        .iter()
        .flat_map(|vector| vector.versions.iter().map(move |&version| Trial { vector, version }));
    all.filter(|trial| selection.version.is_none_or(|version| version == trial.version))
        .filter(|trial| {
            let wanted = |only: &str| {
                trial.title().contains(only) || trial.vector.rules(trial.version).any(|id| id == only)
            };
            selection.only.as_deref().is_none_or(wanted)
        })
        .collect()
}

/// Plays trials, each worker over a transport of its own from `open`; `heard` is told of each as it ends.
///
/// # Errors
/// A vector cannot be read, or the broker cannot be reached any more.
pub fn run<'a, T: Transport>(
    trials: &[Trial<'a>],
    (setup, abilities): (&Setup, &Abilities),
    open: impl Fn() -> T + Sync,
    heard: impl Fn(&Trial<'a>, &Played) + Sync,
) -> Result<Vec<Played>, Failure> {
    let order = in_good_order(trials);
    let (next, failure) = (AtomicUsize::new(0), Mutex::new(None));
    let results: Mutex<Vec<Option<Played>>> = Mutex::new(vec![None; trials.len()]);
    let work = || {
        let mut transport = open();
        while let Some(&index) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            let trial = &trials[index];
            match play_one(&mut transport, (trial, index), (setup, abilities)) {
                Ok(played) => {
                    heard(trial, &played);
                    results.lock().expect("no worker panics")[index] = Some(played);
                }
                Err(error) => {
                    next.store(order.len(), Ordering::Relaxed);
                    failure.lock().expect("no worker panics").get_or_insert(error);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..setup.jobs.max(1) {
            scope.spawn(work);
        }
    });
    match failure.into_inner().expect("no worker panics") {
        Some(error) => Err(error),
        None => Ok(results.into_inner().expect("no worker panics").into_iter().flatten().collect()),
    }
}

/// What waits for time to pass comes first, so that the rest is played meanwhile.
fn in_good_order(trials: &[Trial<'_>]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..trials.len()).collect();
    order.sort_by_key(|&index| {
        !trials[index].vector.play.lines().any(|line| line.trim().starts_with("pass "))
    });
    order
}

fn play_one<T: Transport>(
    transport: &mut T,
    (trial, index): (&Trial<'_>, usize),
    (setup, abilities): (&Setup, &Abilities),
) -> Result<Played, Failure> {
    let Trial { vector, version } = *trial;
    if !abilities.versions.contains(&version) {
        return Ok(Played::skipped(format!("it does not take MQTT {}", version_name(version))));
    }
    if let Some(why) = vector.needs.iter().find_map(|need| abilities.lacks.get(need)) {
        return Ok(Played::skipped(why));
    }
    let part = Part {
        script: &vector.play,
        version,
        prefix: format!("{}{}", setup.prefix, base36(index)),
        login: setup.login.clone(),
        must: vector.must,
    };
    play(transport, part).map_err(|failure| match failure {
        Failure::Mistake(mistake) => {
            Failure::Mistake(crate::Mistake::new(format!("{}: {mistake}", trial.title())))
        }
        other => other,
    })
}

/// A number in three digits of 36.
fn base36(number: usize) -> String {
    let digit = |n: usize| char::from(b"0123456789abcdefghijklmnopqrstuvwxyz"[n % 36]);
    [number / 36 / 36, number / 36, number].map(digit).iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_differ() {
        assert_eq!([base36(0), base36(37), base36(46_655)], ["000", "011", "zzz"]);
    }
}
