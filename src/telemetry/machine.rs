//! How much memory the process may count on.
//!
//! In: `/proc/meminfo` and, in a container, the limit of its control group (version 2 or 1). Out: the smaller of the two.
//! Guaranteed: where nothing is known, as on other systems than Linux, a careful guess.

use std::fs;

/// What is assumed where nothing is known.
const GUESS_BYTES: u64 = 4 << 30;
/// Files that hold the limit of the control group that a process in a container sees as its own.
const GROUP_LIMITS: [&str; 2] = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];

/// Bytes of memory of the machine or container.
pub fn memory_bytes() -> u64 {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text));
    let group = GROUP_LIMITS.iter().find_map(|path| fs::read_to_string(path).ok()?.trim().parse().ok());
    match (machine, group) {
        (Some(machine), Some(group)) => u64::min(machine, group),
        (Some(bytes), None) | (None, Some(bytes)) => bytes,
        (None, None) => GUESS_BYTES,
    }
}

/// The line `MemTotal:  24689592 kB`.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a unit or a line that is misread, and with it caches a thousand times too large or small.
    #[test]
    fn the_total_is_in_bytes() {
        let meminfo = "MemTotal:       24689592 kB\nMemFree:         1004 kB\n";
        assert_eq!(total(meminfo), Some(24_689_592 * 1_024));
        assert_eq!(total("MemFree: 1004 kB\n"), None);
        assert!(memory_bytes() > 64 << 20);
    }
}
