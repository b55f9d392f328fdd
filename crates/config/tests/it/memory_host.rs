//! Files and variables that exist only in a test.

use pondhawk_config::{BrokerArgs, Config, ConfigError, Host, load};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Default)]
pub struct MemoryHost {
    files: BTreeMap<PathBuf, Vec<u8>>,
    variables: BTreeMap<String, String>,
}

impl MemoryHost {
    pub fn file(mut self, path: &str, text: impl AsRef<[u8]>) -> Self {
        self.files.insert(path.into(), text.as_ref().to_vec());
        self
    }

    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Loads `path` as `-c` would.
    pub fn load(&self, path: &str) -> Result<Config, ConfigError> {
        load(&BrokerArgs { config_file: Some(path.into()), ..BrokerArgs::default() }, self)
    }
}

impl Host for MemoryHost {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.files.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        if !self.is_dir(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inside = self.files.keys().filter(|file| file.parent() == Some(path));
        // Backwards, so that the order seen is the crate's own.
        Ok(inside.rev().filter_map(|file| Some(file.file_name()?.to_owned())).collect())
    }

    fn is_dir(&self, path: &Path) -> bool {
        self.files.keys().any(|file| file.parent() == Some(path))
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }
}
