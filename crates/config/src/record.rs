//! Which line set what: the memory behind error places, `unsupported` and reload.

use crate::capability::Capability;
use crate::directive::Directive;
use crate::model::Secret;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A line of a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    file: Arc<Path>,
    line: usize,
}

impl Place {
    pub(crate) fn new(file: Arc<Path>, line: usize) -> Self {
        Self { file, line }
    }

    /// The file, as it was named.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The same, owned.
    pub fn to_path_buf(&self) -> PathBuf {
        self.file.to_path_buf()
    }

    /// The line's number; the first is 1.
    pub fn line(&self) -> usize {
        self.line
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// To what a line belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    Global,
    DefaultListener,
    Listener(usize),
    Bridge(usize),
    Plugin(usize),
}

/// One line that set something.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Setting {
    pub(crate) directive: &'static Directive,
    pub(crate) owner: Owner,
    pub(crate) place: Place,
    /// The value, spelled one way only (`true`, decimal digits). It may be a password.
    pub(crate) value: Secret,
    /// The capability without which this value cannot be honoured.
    pub(crate) needs: Option<Capability>,
}
