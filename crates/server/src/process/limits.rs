//! What the operating system grants the process, and what it takes.

use pondhawk_config::Environment;
use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};
use std::fs;

/// Allows as many open files, and so connections, as the system lets this user have.
pub fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // Where it is refused the old limit holds, and accepting pauses when it is reached.
        let _refused = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
}

/// Applies `UMASK_SET`.
pub fn set_umask(environment: &Environment) {
    if let Some(mask) = environment.umask {
        umask(Mode::from_raw_mode(mask & 0o777));
    }
}

/// Memory in use that is not a file's, in bytes; `None` where the system does not tell.
#[must_use]
pub fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    kib(&status, "RssAnon:").or_else(|| kib(&status, "VmRSS:")).map(|kib| kib * 1024)
}

fn kib(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        raise_file_limit();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }

    #[test]
    fn memory_is_read_in_bytes() {
        assert_eq!(kib("VmRSS:\t  12 kB\nRssAnon:\t 7 kB\n", "RssAnon:"), Some(7));
        assert_eq!(kib("VmRSS:\t  12 kB\n", "RssAnon:"), None);
        assert!(resident_bytes().is_some_and(|bytes| bytes > 100_000));
    }
}
