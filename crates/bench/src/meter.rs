//! What the kernel says about a process: CPU time and resident memory.

use crate::error::{BenchError, Tried};
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// Whose CPU time is read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Meter {
    /// All threads of a process.
    Process(u32),
    /// One thread of this process.
    Thread(i32),
}

/// CPU time used up to a moment.
#[derive(Clone, Debug)]
pub(crate) struct CpuReading {
    /// By thread, to the nanosecond.
    threads: BTreeMap<u64, u64>,
    /// Of the whole process with the threads that have ended, to the hundredth of a second.
    total: Duration,
}

impl CpuReading {
    /// CPU time between an earlier reading and this one.
    ///
    /// The precise figures count while no thread has ended in between; otherwise the coarse one does, which keeps
    /// what ended threads used.
    pub(crate) fn since(&self, earlier: &CpuReading) -> Duration {
        if earlier.threads.keys().any(|id| !self.threads.contains_key(id)) {
            return self.total.saturating_sub(earlier.total);
        }
        let nanos = |reading: &CpuReading| reading.threads.values().sum::<u64>();
        Duration::from_nanos(nanos(self).saturating_sub(nanos(earlier)))
    }
}

impl Meter {
    /// CPU time used so far.
    ///
    /// # Errors
    /// The process has ended, or the kernel keeps no schedule statistics.
    pub(crate) fn cpu(self) -> Result<CpuReading, BenchError> {
        match self {
            Meter::Process(pid) => {
                let tasks = format!("/proc/{pid}/task");
                let mut threads = BTreeMap::new();
                for entry in fs::read_dir(&tasks).tried(|| format!("reading {tasks}"))? {
                    let name = entry.tried(|| format!("reading {tasks}"))?.file_name();
                    let Some(id) = name.to_str().and_then(|name| name.parse().ok()) else {
                        continue;
                    };
                    // A thread that ends while we look is left to the total.
                    if let Ok(text) = fs::read_to_string(format!("{tasks}/{id}/schedstat")) {
                        threads.insert(id, first_number(&text, &tasks)?);
                    }
                }
                let total = process_total(pid)?;
                Ok(CpuReading { threads, total })
            }
            Meter::Thread(id) => {
                let path = format!("/proc/self/task/{id}/schedstat");
                let nanos = first_number(&read(&path)?, &path)?;
                Ok(CpuReading {
                    threads: BTreeMap::from([(u64::from(id.unsigned_abs()), nanos)]),
                    total: Duration::from_nanos(nanos),
                })
            }
        }
    }

    /// Resident bytes of the process.
    ///
    /// # Errors
    /// The process has ended.
    pub(crate) fn resident_bytes(self) -> Result<u64, BenchError> {
        let path = match self {
            Meter::Process(pid) => format!("/proc/{pid}/smaps_rollup"),
            Meter::Thread(_) => "/proc/self/smaps_rollup".to_owned(),
        };
        let text = read(&path)?;
        text.lines()
            .find_map(|line| line.strip_prefix("Rss:"))
            .and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())
            .map(|kib| kib * 1024)
            .ok_or_else(|| unreadable(&path))
    }
}

/// User and system time of a process, its ended threads included.
fn process_total(pid: u32) -> Result<Duration, BenchError> {
    let path = format!("/proc/{pid}/stat");
    let text = read(&path)?;
    // The program's name stands in brackets and may hold anything.
    let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut ticks = fields.split_whitespace().skip(11).map_while(|field| field.parse::<u64>().ok());
    let (Some(user), Some(system)) = (ticks.next(), ticks.next()) else {
        return Err(unreadable(&path));
    };
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Ok(Duration::from_nanos((user + system) * 1_000_000_000 / per_second))
}

fn read(path: &str) -> Result<String, BenchError> {
    fs::read_to_string(path).tried(|| format!("reading {path}"))
}

fn first_number(text: &str, path: &str) -> Result<u64, BenchError> {
    let number = text.split_whitespace().next().and_then(|word| word.parse().ok());
    number.ok_or_else(|| unreadable(path))
}

fn unreadable(path: &str) -> BenchError {
    BenchError::Broker(format!("{path} is not in the form that Linux gives it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_figures_grow_with_work() {
        let meters = [
            Meter::Process(std::process::id()),
            Meter::Thread(rustix::thread::gettid().as_raw_nonzero().get()),
        ];
        let before = meters.map(|meter| meter.cpu().expect("readable"));
        let mut x = 1u64;
        while meters[1].cpu().expect("readable").since(&before[1]) < Duration::from_millis(5) {
            x = std::hint::black_box(x.wrapping_mul(3));
        }
        let used = meters[0].cpu().expect("readable").since(&before[0]);
        assert!(used >= Duration::from_millis(4), "{used:?}");
        assert!(meters[0].resident_bytes().expect("readable") > 100_000);
    }

    #[test]
    fn an_ended_thread_is_not_forgotten() {
        let reading = |threads: &[(u64, u64)], total| CpuReading {
            threads: threads.iter().copied().collect(),
            total: Duration::from_millis(total),
        };
        let before = reading(&[(1, 100), (2, 50)], 10);
        assert_eq!(reading(&[(1, 150), (2, 50), (3, 7)], 20).since(&before), Duration::from_nanos(57));
        assert_eq!(reading(&[(1, 150)], 30).since(&before), Duration::from_millis(20));
    }
}
