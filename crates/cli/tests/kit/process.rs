//! What the kernel knows of a process: memory, descriptors, processor time; and signals to it.

use std::process::Command;
use std::time::Duration;

/// Resident memory in bytes.
pub fn resident_bytes(pid: u32) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).expect("the process lives");
    let pages: u64 = statm.split(' ').nth(1).and_then(|field| field.parse().ok()).expect("statm has it");
    pages * 4096
}

/// Number of open file descriptors.
pub fn open_descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).expect("the process lives").count()
}

/// Processor time used so far, in user and kernel mode.
pub fn cpu_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process lives");
    let fields: Vec<&str> =
        stat.rsplit(')').next().expect("a name in parentheses").split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(ticks * 10)
}

/// Threads of a process.
pub fn threads(pid: u32) -> Vec<u32> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    tasks.flatten().filter_map(|task| task.file_name().to_str()?.parse().ok()).collect()
}

/// How long a thread of a process has been ready to run and had no processor.
pub fn queued(pid: u32, thread: u32) -> Duration {
    queued_in(&format!("/proc/{pid}/task/{thread}/schedstat"))
}

/// As [`queued`], of the calling thread.
pub fn queued_here() -> Duration {
    queued_in("/proc/thread-self/schedstat")
}

/// Nothing where the kernel does not count it or the thread is gone.
fn queued_in(path: &str) -> Duration {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    Duration::from_nanos(text.split(' ').nth(1).and_then(|field| field.parse().ok()).unwrap_or(0))
}

/// Whether the process itself listens on a TCP port, and not somebody else.
pub fn listens(pid: u32, port: u16) -> bool {
    // Columns of the table: number, local address, remote address, state (0A is LISTEN), …, inode as the tenth.
    let ending = format!(":{port:04X}");
    let inodes: Vec<String> = ["tcp", "tcp6"]
        .iter()
        .filter_map(|table| std::fs::read_to_string(format!("/proc/{pid}/net/{table}")).ok())
        .flat_map(|table| table.lines().map(str::to_owned).collect::<Vec<_>>())
        .map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .filter(|fields| fields.len() > 9 && fields[1].ends_with(&ending) && fields[3] == "0A")
        .map(|fields| format!("socket:[{}]", fields[9]))
        .collect();
    let Ok(open) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    open.flatten()
        .filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .any(|target| inodes.iter().any(|inode| target.as_os_str() == inode.as_str()))
}

/// Sends a signal by its name, such as `HUP`.
pub fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status();
    assert!(status.expect("kill is installed").success(), "signal {name} to {pid}");
}

/// Processor time of all threads of a process, by the nanosecond.
pub fn processor_time(pid: u32) -> Duration {
    let of_thread = |thread: u32| {
        let path = format!("/proc/{pid}/task/{thread}/schedstat");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.split(' ').next().and_then(|field| field.parse().ok()).unwrap_or(0)
    };
    Duration::from_nanos(threads(pid).into_iter().map(of_thread).sum())
}
