//! `cargo xtask`: the development tasks of Pondhawk, in Rust so that nothing but a toolchain is needed to start.
//!
//! It builds, checks and measures the product; it holds no product code, and the product does not know it. Each
//! task is one module with `run(&[String])`; [`ci`] strings them together. Tasks that would compile the product
//! into this program (`bench`, `docs`) run it instead, so that `tidy` works even when a crate does not build.

mod attack;
mod bench;
mod ci;
mod crash;
mod deny;
mod docs;
mod environment;
mod fuzz;
mod mutants;
mod plants;
mod process;
mod provision;
mod sim;
mod spec;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
Usage: cargo xtask TASK [OPTIONS]

  ci [--offline] [--only STEP[,STEP]...]
                      everything a change must pass, timed, with a summary at the end
  test [--offline] [-- NEXTEST_ARGS]
                      all tests; installs what end-to-end tests need when it is missing
                      --offline: install nothing and leave out tests named `foreign_*`
  tidy [--shrink]     the rules of the house (sizes, arrows between crates, forbidden words)
                      --shrink: lower the recorded sizes in xtask/tidy.toml to what files are now
  deny                licences, sources, duplicates and advisories of dependencies
  attack [CASE]... [--all] [--compare] [--release] [--json]
                      the attack catalogue against the running broker (default: what runs at every commit)
                      --all: also the cases that load the broker; --compare: beside Debian's mosquitto
  fuzz [--seconds N] [TARGET]...
                      run the fuzz targets (default: all of them, a minute each)
  mutants [--package P]... [--file GLOB]... [--shard K/N] [--jobs N] [--one-by-one]
                      change the code and look whether a test notices (default: codec, session and broker);
                      --one-by-one: build each mutant by itself, which takes hours
  plants [--quick] [--with SUITE[,SUITE]...] [PLANT]...
                      plant bugs, one at a time, and look which test notices (default: all of them);
                      --quick: some of them, others with every commit; --with: only with these test programs
  sim [--seeds N] [--from SEED] [--minutes M] [--seed SEED [--trace]] [--shards K] [--steps S]
                      the shards in a simulated world with faults (default: 1000 seeds);
                      --seed SEED --trace: one seed, with everything that happens
  crash [--kills N] [--fuse] [--eio | --full] [--seed N] [--broker PROGRAM] [--json]
                      kill the broker under load, again and again, and compare what it kept with a ledger of what
                      it acknowledged (default: 200 kills); --fuse: with a disk that forgets what was not synced;
                      --eio: syncs fail; --full: the disk fills up
  docs [--check]      write the generated pages; --check: fail when a committed one is stale
  spec [--check]      write docs/conformance.md from spec/*.toml and the citations in code and tests;
                      --check: fail when it is stale, or a statement has no code or no test
  bench [ARGS]        the benchmarks of pondhawk-bench (release build)
";

fn main() -> ExitCode {
    match dispatch() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((task, rest)) = arguments.split_first() else {
        bail!("no task given\n\n{USAGE}");
    };
    std::env::set_current_dir(workspace::root())?;
    match task.as_str() {
        "ci" => ci::run(rest),
        "test" => test::run(rest),
        "tidy" => tidy::run(rest),
        "deny" => deny::run(rest),
        "attack" => attack::run(rest),
        "crash" => crash::run(rest),
        "fuzz" => fuzz::run(rest),
        "mutants" => mutants::run(rest),
        "docs" => docs::run(rest),
        "plants" => plants::run(rest),
        "sim" => sim::run(rest),
        "spec" => spec::run(rest),
        "bench" => bench::run(rest),
        "help" | "-h" | "--help" => {
            print!("{USAGE}");
            Ok(())
        }
        other => bail!("there is no task `{other}`\n\n{USAGE}"),
    }
}
