//! Processor time of the processes that a bench has run.

use std::{fs, time::Duration};

/// Of the kernel's times of processes; it is 100 wherever Linux runs.
const TICKS_A_SECOND: f64 = 100.0;

/// What the processes that this one has waited for have used, user and system (proc(5): `cutime` and `cstime`).
pub(crate) fn processor_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").expect("the kernel tells");
    // The name may have spaces; what follows its bracket are fields from the third on.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: f64 = fields[13..15].iter().map(|ticks| ticks.parse::<f64>().expect("a number")).sum();
    Duration::from_secs_f64(ticks / TICKS_A_SECOND)
}
