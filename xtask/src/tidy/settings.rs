//! `xtask/tidy.toml`: what is allowed to stand out, with its reason.

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

use super::tree::Tree;
use super::{Problem, SETTINGS_PATH};

/// The recorded exceptions.
#[derive(Debug, Default)]
pub struct Settings {
    /// Files that may be longer than others.
    pub files: Vec<Allowance>,
    /// Functions that may be longer than others.
    pub functions: Vec<Allowance>,
    /// Declared tables and other files whose length says nothing.
    pub tables: Vec<Exempt>,
    /// Binary files that may be large.
    pub binaries: Vec<Exempt>,
}

/// A size that is allowed to one file or function.
#[derive(Debug)]
pub struct Allowance {
    /// The file.
    pub path: String,
    /// The function; empty for a file.
    pub name: String,
    /// Lines; only ever lowered.
    pub lines: usize,
}

/// A path, or a folder with a slash at its end, that a rule leaves alone.
#[derive(Debug)]
pub struct Exempt {
    /// The file or folder.
    pub path: String,
}

impl Exempt {
    /// Whether the path is meant.
    pub fn covers(&self, path: &str) -> bool {
        path == self.path || (self.path.ends_with('/') && path.starts_with(&self.path))
    }
}

impl Settings {
    /// Reads the file; every entry needs a reason.
    pub fn parse(text: &str) -> Result<Self> {
        let mut settings = Self::default();
        for (key, value) in &text.parse::<Table>()? {
            let entries = value.as_array().with_context(|| format!("`{key}` is no list"))?;
            for (number, entry) in entries.iter().enumerate() {
                settings.add(key, entry).with_context(|| format!("entry {} of `{key}`", number + 1))?;
            }
        }
        Ok(settings)
    }

    fn add(&mut self, key: &str, entry: &Value) -> Result<()> {
        if text_of(entry, "reason")?.is_empty() {
            bail!("the reason is empty");
        }
        let path = text_of(entry, "path")?.to_string();
        match key {
            "files" => self.files.push(Allowance { path, name: String::new(), lines: lines_of(entry)? }),
            "functions" => {
                let name = text_of(entry, "name")?.to_string();
                self.functions.push(Allowance { path, name, lines: lines_of(entry)? });
            }
            "tables" => self.tables.push(Exempt { path }),
            "binaries" => self.binaries.push(Exempt { path }),
            _ => bail!("there is no such list"),
        }
        Ok(())
    }
}

fn text_of<'a>(entry: &'a Value, key: &str) -> Result<&'a str> {
    entry.get(key).and_then(Value::as_str).with_context(|| format!("`{key}` is missing"))
}

fn lines_of(entry: &Value) -> Result<usize> {
    let lines = entry.get("lines").and_then(Value::as_integer).context("`lines` is missing")?;
    usize::try_from(lines).context("`lines` is negative")
}

/// An exception for what is no longer there must go.
pub fn current(tree: &Tree, settings: &Settings) -> Vec<Problem> {
    let sized = settings.files.iter().chain(&settings.functions).map(|allowance| &allowance.path);
    let exempt = settings.tables.iter().chain(&settings.binaries).map(|exempt| &exempt.path);
    sized
        .chain(exempt)
        .filter(|path| !tree.has(path.trim_end_matches('/')))
        .map(|path| {
            Problem::new(SETTINGS_PATH, 0, format!("`{path}` is not there any more: remove its entry"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read() {
        let text = "files = [{ path = \"a.rs\", lines = 700, reason = \"r\" }]\n\
                    functions = [{ path = \"a.rs\", name = \"f\", lines = 80, reason = \"r\" }]\n\
                    tables = [{ path = \"t/\", reason = \"r\" }]\n";
        let settings = Settings::parse(text).expect("well formed");
        assert_eq!((settings.files[0].lines, settings.functions[0].name.as_str()), (700, "f"));
        assert!(settings.tables[0].covers("t/x.rs") && !settings.tables[0].covers("tx.rs"));
    }

    #[test]
    fn reasons_and_known_lists_are_demanded() {
        for bad in [
            "files = [{ path = \"a.rs\", lines = 700 }]",
            "files = [{ path = \"a.rs\", lines = 700, reason = \"\" }]",
            "files = [{ path = \"a.rs\", reason = \"r\" }]",
            "file = [{ path = \"a.rs\", reason = \"r\" }]",
        ] {
            assert!(Settings::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn entries_of_removed_files_are_problems() {
        let settings =
            Settings::parse("tables = [{ path = \"gone.rs\", reason = \"r\" }]").expect("well formed");
        assert_eq!(current(&Tree::of(&[("here.rs", "")]), &settings).len(), 1);
        assert!(current(&Tree::of(&[("gone.rs", "")]), &settings).is_empty());
    }
}
