//! What this process has used, as the system counts it. Linux only; zero elsewhere.

use std::fs;

/// Seconds of processor time, user and system: fields 14 and 15 of `/proc/self/stat`, in ticks of 10 ms (`proc(5)`).
pub(super) fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field is the name in parentheses and may hold anything.
    let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ');
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// The most memory that was resident since the last reset, in megabytes: `VmHWM` of `/proc/self/status`.
pub(super) fn peak_rss_mb() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib =
        line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|kib| kib.trim().parse::<f64>().ok());
    kib.unwrap_or_default() / 1024.0
}

/// Begins to count the peak anew: writing 5 to `/proc/self/clear_refs` (`proc(5)`).
pub(super) fn reset_peak_rss() {
    // Where it cannot be reset the peak is of the whole run, which is only ever more.
    let _ = fs::write("/proc/self/clear_refs", "5");
}
