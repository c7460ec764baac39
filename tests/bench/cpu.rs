//! CPU time of a process, memory of a process, and which core it may use.

use std::fs;
use std::time::Duration;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The core the proxy under test has for itself, and the one for everything else. Equal on a machine with one core.
pub fn cores() -> (usize, usize) {
    let allowed = sched_getaffinity(None).expect("a thread may ask for its cores");
    let mut ours = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
    let first = ours.next().expect("a thread runs on some core");
    (first, ours.next().unwrap_or(first))
}

/// Moves the calling thread to one core; the processes it starts afterwards inherit that.
pub fn pin(core: usize) {
    let mut set = CpuSet::new();
    set.set(core);
    if let Err(error) = sched_setaffinity(None, &set) {
        println!("not pinned to core {core}: {error}");
    }
}

/// CPU time of all threads so far.
pub fn used(process: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{process}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let times = tasks.filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok());
    let nanoseconds = times.filter_map(|text| text.split(' ').next()?.parse::<u64>().ok());
    Duration::from_nanos(nanoseconds.sum())
}

/// Resident memory in bytes.
pub fn resident(process: u32) -> u64 {
    memory(process, "VmRSS:")
}

/// The most resident memory since [`forget_peak`], in bytes.
pub fn peak(process: u32) -> u64 {
    memory(process, "VmHWM:")
}

/// Lets [`peak`] begin anew at what is resident now.
pub fn forget_peak(process: u32) -> std::io::Result<()> {
    fs::write(format!("/proc/{process}/clear_refs"), "5")
}

fn memory(process: u32, field: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok())
        .unwrap_or(0)
        * 1024
}

/// The processor's name, for what is printed beside figures.
pub fn model() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let name = name.map(|rest| rest.trim_start_matches([' ', '\t', ':']).to_owned());
    name.unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}
