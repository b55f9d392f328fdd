//! The files of an `include_dir`, in Mosquitto's order.

use crate::host::Host;
use std::io;
use std::path::{Path, PathBuf};

/// The `*.conf` files of `directory`, in reading order.
pub(super) fn files_of(directory: &Path, host: &dyn Host) -> io::Result<Vec<PathBuf>> {
    let mut names = host.list(directory)?;
    names.retain(|name| {
        let bytes = name.as_encoded_bytes();
        bytes.len() > ".conf".len() && bytes.ends_with(b".conf")
    });
    names.sort_by_cached_key(|name| sort_key(name.as_encoded_bytes()));
    Ok(names.into_iter().map(|name| directory.join(name)).collect())
}

/// Case does not count, except that of two equal letters the upper-case one comes first.
fn sort_key(name: &[u8]) -> Vec<(u8, bool)> {
    name.iter().map(|byte| (byte.to_ascii_lowercase(), byte.is_ascii_lowercase())).collect()
}

#[cfg(test)]
mod tests {
    use super::sort_key;

    #[test]
    fn upper_case_first_for_the_same_letter() {
        let mut names = ["b.conf", "aB.conf", "B.conf", "ab.conf", "10.conf", "A.conf", "a.conf"];
        names.sort_by_key(|name| sort_key(name.as_bytes()));
        assert_eq!(names, ["10.conf", "A.conf", "a.conf", "aB.conf", "ab.conf", "B.conf", "b.conf"]);
    }
}
