//! Where the store of a broker without a configuration is: with the user's other state.
//!
//! Before: the configuration is read. After: it names a folder, which root has made for the account that the broker
//! becomes.

use crate::process;
use nix::unistd::geteuid;
use pondhawk_config::Config;
use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, lchown};
use std::path::{Path, PathBuf};

/// The broker's own folder there.
const FOLDER: &str = "pondhawk";
/// Root becomes another user, who cannot see into root's home.
const OF_THE_SYSTEM: &str = "/var/lib";

/// Fills in the place of a store that nobody has asked for.
pub(crate) fn settle(config: &mut Config) {
    if !config.persistence.by_default || config.persistence.location.is_some() {
        return;
    }
    let is_root = geteuid().is_root();
    let Some(home) = state_home(is_root, |name| std::env::var_os(name)) else {
        config.persistence.enabled = false;
        let text = "Warning: Nothing is kept when the broker ends: neither XDG_STATE_HOME nor HOME is set.";
        config.warnings.push(text.to_owned());
        return;
    };
    let folder = home.join(FOLDER);
    if let (true, Some(owner)) = (is_root, process::future_ids(config)) {
        // If it cannot be made, opening the store will say so.
        let _made = make_for(&folder, owner);
    }
    config.persistence.location = Some(folder);
}

/// The folder for state, as the XDG Base Directory Specification has it. A path that is not absolute counts for nothing.
fn state_home(is_root: bool, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    path("XDG_STATE_HOME")
        .or_else(|| is_root.then(|| OF_THE_SYSTEM.into()))
        .or_else(|| path("HOME").map(|home| home.join(".local/state")))
}

/// Makes the folder and gives it to its owner. One that is there is left as it is: it may be a link to what is not ours.
fn make_for(folder: &Path, (uid, gid): (u32, u32)) -> io::Result<()> {
    if let Some(above) = folder.parent() {
        fs::create_dir_all(above)?;
    }
    DirBuilder::new().mode(0o700).create(folder)?;
    lchown(folder, Some(uid), Some(gid))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(is_root: bool, variables: &[(&str, &str)]) -> Option<PathBuf> {
        let variables = variables.to_vec();
        state_home(is_root, move |name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
        })
    }

    #[test]
    fn state_is_where_the_user_keeps_it() {
        let both = [("XDG_STATE_HOME", "/x"), ("HOME", "/h")];
        assert_eq!(home(false, &both), Some("/x".into()));
        assert_eq!(home(true, &both), Some("/x".into()));
        assert_eq!(home(false, &both[1..]), Some("/h/.local/state".into()));
        assert_eq!(home(true, &both[1..]), Some("/var/lib".into()));
        assert_eq!(home(false, &[("XDG_STATE_HOME", "relative"), ("HOME", "")]), None);
    }

    #[test]
    fn a_folder_that_is_there_is_left_alone() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("a/pondhawk");
        let own = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
        make_for(&folder, own).unwrap();
        assert!(folder.is_dir());
        assert_eq!(make_for(&folder, own).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }
}
