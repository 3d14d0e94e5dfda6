//! What the machine has, as Linux tells: on other systems nothing is known.

use std::fs::read_to_string;

/// Memory of the machine (`MemTotal` of proc(5)), bytes.
pub fn memory() -> Option<u64> {
    kib("/proc/meminfo", "MemTotal:")
}

/// Memory that the control group may have (`memory.max` of cgroups(7), version 2, as a container sees it), bytes.
pub fn group_memory() -> Option<u64> {
    let text = read_to_string("/sys/fs/cgroup/memory.max").ok()?;
    text.trim().parse().ok()
}

/// The most memory that the process has had so far (`VmHWM` of proc(5)), bytes.
pub fn peak_memory() -> Option<u64> {
    kib("/proc/self/status", "VmHWM:")
}

/// A number of KiB, in bytes, from the line of a file that begins so.
fn kib(file: &str, name: &str) -> Option<u64> {
    let text = read_to_string(file).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = value.trim().trim_end_matches("kB").trim().parse().ok()?;
    kib.checked_mul(1024)
}
