//! Becoming somebody who can do less: `user`, `PUID` and `PGID`.
//!
//! Before: sockets are bound and the pid file is written, which may take root. After: files are opened as the
//! broker's user, so that what works at the start also works at a reload.

use nix::errno::Errno;
use nix::unistd::{Gid, Uid, User, geteuid, initgroups, setgid, setgroups, setuid};
use pondhawk_config::Config;
use std::ffi::CString;

/// The account of the default configuration, which not every machine has.
const DEFAULT_USER: &str = "mosquitto";
/// The one that every machine has.
const FALLBACK_USER: &str = "nobody";

/// Why root's privileges were not given up.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// There is no such account.
    #[error(
        "Error: Invalid user '{0}'. Create the account, or name another one with 'user NAME'; 'user root' keeps root's privileges."
    )]
    NoSuchUser(String),
    /// The system has none of the accounts or does not let us.
    #[error("Error: Unable to become user '{user}' ({step}): {source}.")]
    System {
        /// Who was to be become.
        user: String,
        /// What was tried.
        step: &'static str,
        /// What the system says.
        source: Errno,
    },
}

/// Who to be.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    /// Whoever started the process.
    Same,
    /// These numbers.
    Ids(u32, u32),
    /// The account of this name.
    Named(String),
}

/// Gives up root's privileges if the process has them and the configuration does not say to keep them.
/// Returns what the log should warn of.
///
/// # Errors
/// The account is not there, or the system refuses.
pub fn drop_privileges(config: &Config) -> Result<Option<String>, AccountError> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    match target(config) {
        Target::Same => Ok(Some("Warning: The broker runs as root and should not.".to_owned())),
        Target::Ids(uid, gid) => {
            let name = uid.to_string();
            let groups = || setgroups(&[Gid::from_raw(gid)]);
            become_ids(&name, Uid::from_raw(uid), Gid::from_raw(gid), groups).map(|()| None)
        }
        Target::Named(name) => become_named(&name),
    }
}

/// The user and the group that [`drop_privileges`] will make of root; `None` if it leaves them.
#[must_use]
pub fn future_ids(config: &Config) -> Option<(u32, u32)> {
    match target(config) {
        Target::Same => None,
        Target::Ids(uid, gid) => Some((uid, gid)),
        Target::Named(name) => {
            let find = |name: &str| User::from_name(name).ok().flatten();
            let user = find(&name).or_else(|| find(FALLBACK_USER))?;
            Some((user.uid.as_raw(), user.gid.as_raw()))
        }
    }
}

fn target(config: &Config) -> Target {
    let environment = &config.environment;
    match (environment.puid, environment.pgid) {
        // Inside a snap the confinement does what the account would.
        _ if environment.snap => Target::Same,
        (Some(0), _) => Target::Same,
        (Some(uid), gid) => Target::Ids(uid, gid.unwrap_or(uid)),
        (None, Some(gid)) if gid != 0 => Target::Ids(0, gid),
        _ if config.user == "root" => Target::Same,
        _ => Target::Named(config.user.clone()),
    }
}

fn become_named(name: &str) -> Result<Option<String>, AccountError> {
    let look_up = |name: &str| {
        User::from_name(name).map_err(|source| AccountError::System {
            user: name.to_owned(),
            step: "looking it up",
            source,
        })
    };
    if let Some(user) = look_up(name)? {
        return become_user(&user).map(|()| None);
    }
    if name != DEFAULT_USER {
        return Err(AccountError::NoSuchUser(name.to_owned()));
    }
    let user = look_up(FALLBACK_USER)?.ok_or_else(|| AccountError::NoSuchUser(name.to_owned()))?;
    become_user(&user)?;
    Ok(Some(format!(
        "Warning: There is no user '{DEFAULT_USER}' on this machine; running as '{FALLBACK_USER}'."
    )))
}

fn become_user(user: &User) -> Result<(), AccountError> {
    // A name that was looked up has no NUL in it; an empty one has no groups.
    let name = CString::new(user.name.as_str()).unwrap_or_default();
    become_ids(&user.name, user.uid, user.gid, || initgroups(&name, user.gid))
}

/// Groups first: without root's privileges they could not be changed any more.
fn become_ids(
    user: &str,
    uid: Uid,
    gid: Gid,
    set_groups: impl FnOnce() -> nix::Result<()>,
) -> Result<(), AccountError> {
    let failed = |step| move |source| AccountError::System { user: user.to_owned(), step, source };
    set_groups().map_err(failed("its groups"))?;
    setgid(gid).map_err(failed("its group"))?;
    setuid(uid).map_err(failed("its number"))?;
    if !uid.is_root() && setuid(Uid::from_raw(0)).is_ok() {
        return Err(failed("giving up root for good")(Errno::EPERM));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(user: &str, puid: Option<u32>, pgid: Option<u32>) -> Config {
        let mut config = Config::from_text(format!("listener 1\nuser {user}\n"), "test.conf").unwrap();
        config.environment.puid = puid;
        config.environment.pgid = pgid;
        config
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        assert_eq!(target(&config("mqtt", None, None)), Target::Named("mqtt".to_owned()));
        assert_eq!(target(&config("root", None, None)), Target::Same);
        assert_eq!(target(&config("mqtt", Some(1000), Some(100))), Target::Ids(1000, 100));
        assert_eq!(target(&config("root", Some(1000), None)), Target::Ids(1000, 1000));
        assert_eq!(target(&config("mqtt", Some(0), Some(0))), Target::Same);
    }

    #[test]
    fn an_account_that_is_not_there_is_named() {
        let error = become_named("no-such-account-here").unwrap_err();
        assert!(error.to_string().contains("'no-such-account-here'"), "{error}");
    }
}
