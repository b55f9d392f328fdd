//! How fast the disk is: the time of one write and sync of so many bytes in a file that is there already.

use crate::error::{BenchError, Tried};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Writes that are timed.
const WRITES: usize = 400;
/// Or as many as there is time for.
const TIME: Duration = Duration::from_secs(1);
/// The file that is written round and round.
const FILE_BYTES: usize = 16 << 20;

/// The median time of a write of `bytes` and fdatasync, one behind the other in a preallocated file in `folder`.
///
/// # Errors
/// The disk's.
pub(crate) fn sync_time(folder: &Path, bytes: usize) -> Result<Duration, BenchError> {
    let path = folder.join("probe");
    let times = timed(&path, bytes).tried(|| format!("writing {}", path.display()));
    std::fs::remove_file(&path).tried(|| format!("removing {}", path.display()))?;
    let mut times = times?;
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

fn timed(path: &Path, bytes: usize) -> std::io::Result<Vec<Duration>> {
    let file = File::create(path)?;
    let len = FILE_BYTES.max(bytes);
    file.write_all_at(&vec![0; len], 0)?;
    file.sync_all()?;
    let data = vec![0xa5; bytes];
    let start = Instant::now();
    let mut times = Vec::with_capacity(WRITES);
    let mut at = 0;
    while times.is_empty() || times.len() < WRITES && start.elapsed() < TIME {
        let begun = Instant::now();
        file.write_all_at(&data, at as u64)?;
        file.sync_data()?;
        times.push(begun.elapsed());
        at = if at + 2 * bytes <= len { at + bytes } else { 0 };
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_takes_some_time_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(sync_time(folder.path(), 1000).expect("writable") > Duration::ZERO);
        assert_eq!(folder.path().read_dir().expect("readable").count(), 0);
    }
}
