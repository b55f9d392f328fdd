//! The command line of the simulator: many seeds on all cores, or one seed with its trace.

use crate::plan::{Plan, Wishes};
use crate::points::Reached;
use crate::run::{Outcome, run};
use crate::trace::Words;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const USAGE: &str = "\
Usage: pondhawk-sim [OPTIONS]

  --seeds N       run N seeds (default 1000)
  --from SEED     begin with this seed (default 1)
  --minutes M     run until M minutes are over instead
  --seed SEED     run one seed
  --shards K      with K shards, whatever the seed says
  --steps S       with S operations
  --trace         with --seed: print everything that happens
  --rare          fail if a \"sometimes\" point was never reached
  --jobs J        threads (default: one a core)
";

/// What was asked for.
struct Options {
    seeds: u64,
    from: u64,
    minutes: Option<u64>,
    seed: Option<u64>,
    wishes: Wishes,
    trace: bool,
    rare: bool,
    jobs: usize,
}

/// All seeds of a run together.
struct Total {
    seeds: u64,
    events: u64,
    reached: Reached,
    failures: Vec<Outcome>,
}

/// Failures after which a run gives up.
const FAILURES_MAX: usize = 5;
/// Every so manieth seed is run twice, and must do the same (I12).
const TWICE: u64 = 16;

/// Runs what the command line asks for.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let options = match parse(&arguments) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    // A panic of the broker is a failure that is reported with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    let sound = match options.seed {
        Some(seed) => one(seed, &options),
        None => many(&options),
    };
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse(arguments: &[String]) -> Result<Options, String> {
    let mut options = Options {
        seeds: 1000,
        from: 1,
        minutes: None,
        seed: None,
        wishes: Wishes::default(),
        trace: false,
        rare: false,
        jobs: std::thread::available_parallelism().map_or(1, usize::from),
    };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut number = || -> Result<u64, String> {
            let value = arguments.next().ok_or_else(|| format!("`{argument}` needs a number"))?;
            value.parse().map_err(|_| format!("`{value}` is no number"))
        };
        match argument.as_str() {
            "--seeds" => options.seeds = number()?,
            "--from" => options.from = number()?,
            "--minutes" => options.minutes = Some(number()?),
            "--seed" => options.seed = Some(number()?),
            "--shards" => {
                let shards = number()?;
                let fits = u8::try_from(shards).ok().filter(|shards| (1..=8).contains(shards));
                options.wishes.shards = Some(fits.ok_or("there are 1 to 8 shards")?);
            }
            "--steps" => options.wishes.steps = Some(number()? as usize),
            "--jobs" => options.jobs = number()?.max(1) as usize,
            "--trace" => options.trace = true,
            "--rare" => options.rare = true,
            other => return Err(format!("`{other}` is no option")),
        }
    }
    Ok(options)
}

/// One seed, with its trace if that is wanted.
fn one(seed: u64, options: &Options) -> bool {
    let words = if options.trace { Words::All } else { Words::Last };
    let outcome = run(seed, options.wishes, words);
    println!("seed {seed}: {} events, hash {:016x}", outcome.events, outcome.hash);
    match &outcome.failure {
        None => println!("every invariant holds"),
        Some(_) => explain(&outcome, options.wishes),
    }
    outcome.failure.is_none()
}

/// Many seeds, spread over threads.
fn many(options: &Options) -> bool {
    let begun = Instant::now();
    let deadline = options.minutes.map(|minutes| begun + Duration::from_secs(60 * minutes));
    let (next, stop) = (AtomicU64::new(options.from), AtomicBool::new(false));
    let total = Mutex::new(Total { seeds: 0, events: 0, reached: Reached::default(), failures: Vec::new() });
    std::thread::scope(|scope| {
        for _ in 0..options.jobs {
            scope.spawn(|| worker(options, (&next, &stop), deadline, &total));
        }
    });
    let total = total.into_inner().expect("no worker panics");
    let seconds = begun.elapsed().as_secs_f64();
    for failure in &total.failures {
        explain(&run(failure.seed, options.wishes, Words::Last), options.wishes);
    }
    println!("\nrare branches, and how many times they were reached:");
    let mut never = Vec::new();
    for (name, count) in total.reached.iter() {
        println!("{count:>10}  {name}");
        if count == 0 {
            never.push(name);
        }
    }
    println!(
        "\n{} seeds, {} events in {seconds:.1} s ({:.0} seeds a minute): {} failed, {} of {} rare branches reached",
        total.seeds,
        total.events,
        total.seeds as f64 * 60.0 / seconds,
        total.failures.len(),
        crate::points::POINTS.len() - never.len(),
        crate::points::POINTS.len(),
    );
    if options.rare && !never.is_empty() {
        println!("never reached: {}", never.join(", "));
        return false;
    }
    total.failures.is_empty()
}

fn worker(
    options: &Options,
    (next, stop): (&AtomicU64, &AtomicBool),
    deadline: Option<Instant>,
    total: &Mutex<Total>,
) {
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        let over = match deadline {
            Some(deadline) => Instant::now() >= deadline,
            None => seed >= options.from + options.seeds,
        };
        if over || stop.load(Ordering::Relaxed) {
            return;
        }
        let mut outcome = run(seed, options.wishes, Words::None);
        if outcome.failure.is_none() && seed % TWICE == 0 {
            let again = run(seed, options.wishes, Words::Last);
            if again.hash != outcome.hash {
                let text = format!("hash {:016x}, then {:016x}", outcome.hash, again.hash);
                outcome.failure = Some(crate::shadow::Failure { invariant: "I12", text });
            }
        }
        let mut total = total.lock().expect("no worker panics");
        total.seeds += 1;
        total.events += outcome.events;
        total.reached.add(&outcome.reached);
        if outcome.failure.is_some() {
            println!("seed {seed} failed");
            total.failures.push(outcome);
            if total.failures.len() >= FAILURES_MAX {
                stop.store(true, Ordering::Relaxed);
            }
        }
    }
}

/// Says what failed, with the last lines of the trace and the command that shows all of it.
fn explain(outcome: &Outcome, wishes: Wishes) {
    let Some(failure) = &outcome.failure else {
        println!("\nseed {} failed and then did not: I12, the same seed must do the same", outcome.seed);
        return;
    };
    let seed = outcome.seed;
    println!("\n==== seed {seed}: {} does not hold", failure.invariant);
    for line in &outcome.lines {
        println!("{line}");
    }
    let plan = Plan::new(seed, wishes);
    println!("\n{}: {}", failure.invariant, failure.text);
    println!("in operation {} of {}, event {}", outcome.at, plan.steps, outcome.events);
    println!("{} shards, persistent {}", plan.shards, plan.settings.persistent);
    let shards = wishes.shards.map_or_else(String::new, |shards| format!(" --shards {shards}"));
    let steps = wishes.steps.map_or_else(String::new, |steps| format!(" --steps {steps}"));
    println!("to see all of it: cargo xtask sim --seed {seed}{shards}{steps} --trace");
}
