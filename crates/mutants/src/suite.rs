//! The tests of a crate: how long each takes, and which places with mutants it passes.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Random cases of a property are the same for every mutant; a failing one need not be made small, nor remembered.
const PROPERTIES: [(&str, &str); 3] = [
    ("PROPTEST_RNG_SEED", "1"),
    ("PROPTEST_MAX_SHRINK_ITERS", "0"),
    ("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1"),
];
/// A mutant that never ends may collect memory, too.
const MEMORY_KIB_MAX: u64 = 4 << 20;
const SIGKILL: i32 = 9;
const SIGXCPU: i32 = 24;

/// One test.
#[derive(Debug)]
pub struct Test {
    /// The index of its program.
    pub program: usize,
    pub name: String,
    pub time: Duration,
    /// The places with mutants that it passes.
    pub places: BTreeSet<u32>,
}

/// The test programs of a crate, and where they are run.
pub struct Programs {
    pub paths: Vec<PathBuf>,
    pub folder: PathBuf,
}

/// How tests ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    Passed,
    /// A test failed, or the program crashed.
    Failed,
    /// It took many times what it takes without a mutant.
    TooSlow,
}

/// What the environment tells the code under test.
pub enum Choice<'p> {
    /// One mutant is in.
    Mutant(u32),
    /// None is, and the places are noted in this file.
    Places(&'p Path),
}

impl Programs {
    /// Runs every test by itself.
    pub fn measure(&self, jobs: usize, notes: &Path) -> Result<Vec<Test>> {
        fs::create_dir_all(notes)?;
        let mut names = Vec::new();
        for (program, path) in self.paths.iter().enumerate() {
            names.extend(self.list(path)?.into_iter().map(|name| (program, name)));
        }
        let tests = in_parallel(jobs, &names, |index, (program, name)| {
            let file = notes.join(index.to_string());
            let begun = Instant::now();
            if self.run(*program, &[name], Choice::Places(&file), Duration::from_secs(600))? != Ended::Passed
            {
                bail!("{name} fails without a mutant");
            }
            let time = begun.elapsed();
            // A test that passes no place with mutants writes nothing.
            let passed = fs::read_to_string(&file).unwrap_or_default();
            let places = passed.lines().map(str::parse).collect::<Result<_, _>>()?;
            Ok(Test { program: *program, name: name.clone(), time, places })
        })?;
        fs::remove_dir_all(notes)?;
        Ok(tests)
    }

    fn list(&self, program: &Path) -> Result<Vec<String>> {
        let output = Command::new(program).args(["--list", "--format", "terse"]).output()?;
        let text = String::from_utf8(output.stdout).context("names of tests are UTF-8")?;
        Ok(text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_string).collect())
    }

    /// Runs tests of one program, until one fails. The time is one of the processor, so that a busy machine decides
    /// nothing.
    pub fn run(&self, program: usize, tests: &[&String], choice: Choice, limit: Duration) -> Result<Ended> {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -S -t \"$1\" && ulimit -v \"$2\" && shift 2 && exec \"$@\"", "sh"]);
        command.args([limit.as_secs().max(1).to_string(), MEMORY_KIB_MAX.to_string()]);
        command.arg(&self.paths[program]).args(["--test-threads", "1", "--exact"]).args(tests);
        command.current_dir(&self.folder).env("CARGO_MANIFEST_DIR", &self.folder).envs(PROPERTIES);
        match choice {
            Choice::Mutant(number) => command.env("PONDHAWK_MUTANT", number.to_string()),
            Choice::Places(file) => command.env("PONDHAWK_MUTANT_PLACES", file),
        };
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let output = child.stdout.take().context("the output was asked for above")?;
        let failed =
            BufReader::new(output).split(b'\n').map_while(Result::ok).any(|line| line.ends_with(b"FAILED"));
        if failed {
            // It may have ended by itself meanwhile.
            let _ = child.kill();
        }
        let status = child.wait()?;
        Ok(match status.signal() {
            _ if failed => Ended::Failed,
            Some(SIGXCPU | SIGKILL) => Ended::TooSlow,
            _ if status.success() => Ended::Passed,
            _ => Ended::Failed,
        })
    }
}

/// Does something with every item, some at a time; results are in the items' order.
pub fn in_parallel<T: Sync, R: Send>(
    jobs: usize,
    items: &[T],
    each: impl Fn(usize, &T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, Result<R>)>> = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { return };
                    let result = each(index, item);
                    results.lock().expect("nobody panics with it").push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner().expect("nobody panics with it");
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
