//! One build of all test programs with the bugs in it, in a target folder of its own.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Result, bail};

use super::suite::Suite;
use crate::{process, workspace};

/// Test programs by name.
#[derive(Debug)]
pub struct Programs {
    paths: BTreeMap<String, PathBuf>,
}

impl Programs {
    /// Where the suite's program is.
    pub fn path(&self, suite: &Suite) -> Option<&PathBuf> {
        self.paths.get(suite.name)
    }
}

/// Builds the programs of these suites.
pub fn test_programs(wanted: &[&Suite]) -> Result<Programs> {
    let mut folders: Vec<&str> = wanted.iter().map(|suite| suite.folder).collect();
    folders.push("plants");
    folders.sort_unstable();
    folders.dedup();
    let mut command = process::cargo(["test", "--no-run", "--profile", "plants"]);
    command.args(["--features", "pondhawk-plants/on", "--color", "never", "--target-dir"]);
    command.arg(workspace::target_dir().join("plants"));
    for folder in folders {
        command.args(["--package", &format!("pondhawk-{folder}")]);
    }
    let transcript = process::tee(&mut command)?;
    if !transcript.success {
        bail!("the tests do not compile with the bugs in them");
    }
    let built: BTreeMap<String, PathBuf> =
        transcript.lines.iter().filter_map(|line| executable(line)).collect();
    let mut paths = BTreeMap::new();
    for suite in wanted {
        match built.get(suite.name) {
            Some(path) => paths.insert(suite.name.to_string(), workspace::root().join(path)),
            None => bail!("cargo has not built the test program `{}`", suite.name),
        };
    }
    Ok(Programs { paths })
}

/// Name and path in a line such as `  Executable tests/shards/main.rs (target/…/deps/shards-0123456789abcdef)`.
fn executable(line: &str) -> Option<(String, PathBuf)> {
    let (_, path) = line.trim().strip_prefix("Executable ")?.strip_suffix(')')?.rsplit_once('(')?;
    let (name, _) = path.rsplit('/').next()?.rsplit_once('-')?;
    Some((name.to_string(), PathBuf::from(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_read_from_what_cargo_says() {
        let line = "  Executable tests/shards/main.rs (target/plants/plants/deps/shards-0123456789abcdef)";
        let path = "target/plants/plants/deps/shards-0123456789abcdef";
        assert_eq!(executable(line), Some(("shards".into(), path.into())));
        let line = "  Executable unittests src/lib.rs (/t/deps/pondhawk_codec-01)";
        assert_eq!(executable(line).map(|(name, _)| name).as_deref(), Some("pondhawk_codec"));
        assert_eq!(executable("   Compiling pondhawk-codec v0.1.0 (crates/codec)"), None);
    }
}
