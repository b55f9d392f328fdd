//! `cargo xtask crash`: the broker is killed at random moments under load, and a ledger outside says whether it kept
//! what it had acknowledged. The test is `crates/cli/tests/crash`; here it runs with the release build and more kills.

use anyhow::{Context, Result, bail};

use crate::process;

/// Runs the test with `--kills N` and `--seed N`.
pub fn run(arguments: &[String]) -> Result<()> {
    let (mut kills, mut seed) = (200u64, 1u64);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let place = match argument.as_str() {
            "--kills" => &mut kills,
            "--seed" => &mut seed,
            other => bail!("unknown option `{other}` of crash"),
        };
        let value = arguments.next().with_context(|| format!("{argument} needs a number"))?;
        *place = value.parse().with_context(|| format!("{argument} {value}: not a number"))?;
    }
    let mut command =
        process::cargo(["test", "--release", "-p", "pondhawk-cli", "--test", "crash", "--", "--nocapture"]);
    command.env("PONDHAWK_KILLS", kills.to_string()).env("PONDHAWK_SEED", seed.to_string());
    process::run(&mut command)
}
