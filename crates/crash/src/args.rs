//! The command line.

use anyhow::{Context as _, Result, bail};
use std::path::PathBuf;

pub(crate) const USAGE: &str = "\
cargo xtask crash - kill the broker under load and see whether it keeps what it has acknowledged

usage: cargo xtask crash [options]

  --kills N         kills under load (default 200), about one more in three during the recovery
  --fuse            at each death also drop what was written and not synced: all of it, or random
                    pieces of it (a file system of our own; needs /dev/fuse)
  --eio             make a sync fail at a random moment of each life (with --fuse by that file system,
                    which then forgets the data; otherwise by strace)
  --full            a small disk that fills up, gets room, and fills up again
  --seed N          seed of the random choices (default: by the clock; it is printed)
  --shards N        shards of the broker (default: 1 to 4, in each life another number)
  --broker PROGRAM  another broker with mosquitto's configuration (default: pondhawk, built for this);
                    it is told of shards only with --shards
  --keep            keep the folder with store and log also when nothing is wrong
  --json            the report as JSON
";

/// What is done to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nothing: only the process dies.
    None,
    /// A sync fails in each life.
    Sync,
    /// The disk fills up in each life.
    Full,
}

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) kills: u32,
    /// The store is on the forgetful file system.
    pub(crate) fuse: bool,
    pub(crate) trouble: Trouble,
    pub(crate) seed: Option<u64>,
    pub(crate) shards: Option<u64>,
    pub(crate) broker: Option<PathBuf>,
    pub(crate) keep: bool,
    pub(crate) json: bool,
}

/// Reads the command line; `None`: help was asked for.
pub(crate) fn parse(arguments: Vec<String>) -> Result<Option<Options>> {
    let mut options = Options {
        kills: 200,
        fuse: false,
        trouble: Trouble::None,
        seed: None,
        shards: None,
        broker: None,
        keep: false,
        json: false,
    };
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--kills" => options.kills = value()?.parse().context("--kills needs a number")?,
            "--fuse" => options.fuse = true,
            "--eio" | "--full" => {
                if options.trouble != Trouble::None {
                    bail!("--eio and --full are two runs");
                }
                options.trouble = if argument == "--eio" { Trouble::Sync } else { Trouble::Full };
            }
            "--seed" => options.seed = Some(value()?.parse().context("--seed needs a number")?),
            "--shards" => options.shards = Some(value()?.parse().context("--shards needs a number")?),
            "--broker" => options.broker = Some(value()?.into()),
            "--keep" => options.keep = true,
            "--json" => options.json = true,
            "-h" | "--help" => return Ok(None),
            other => bail!("unknown option {other}\n\n{USAGE}"),
        }
    }
    if options.fuse && options.trouble == Trouble::Full {
        bail!("--full has a file system of its own: leave out --fuse");
    }
    Ok(Some(options))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Option<Options>> {
        parse(line.split_whitespace().map(str::to_owned).collect())
    }

    #[test]
    fn options_are_read() {
        let options =
            read("--kills 3 --fuse --eio --seed 9 --shards 2 --json").expect("good").expect("no help");
        assert_eq!((options.kills, options.fuse, options.seed, options.json), (3, true, Some(9), true));
        assert_eq!((options.trouble, options.shards), (Trouble::Sync, Some(2)));
        assert_eq!(read("--help").expect("good"), None);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for line in ["--kills", "--kills x", "--shards many", "--eio --full", "--fuse --full", "--what"] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
