//! This process's own figures, out of `/proc`.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::Sources;
use crate::error::{Error, Kind, Result};

/// Milliseconds. The kernel counts for programs in hundredths of a second (`USER_HZ`) on all that Rust's Linux runs on.
const TICK: u64 = 10;

/// Figures of one moment.
#[derive(Debug, PartialEq)]
pub(super) struct Reading {
    /// How old the process is; zero where that cannot be told.
    pub(super) age: Duration,
    pub(super) cpu: Duration,
    /// In bytes.
    pub(super) ram: u64,
    pub(super) megahertz: Option<f64>,
}

impl Reading {
    pub(super) fn read(sources: &Sources) -> Result<Self> {
        let (path, text) = file(sources, "self/stat")?;
        let times = Times::parse(&text).ok_or_else(|| strange(&path))?;
        let (path, text) = file(sources, "self/status")?;
        let ram = resident(&text).ok_or_else(|| strange(&path))?;
        // A container may be shown an uptime of its own, less than the age of what runs in it.
        let uptime = file(sources, "uptime").ok().and_then(|(_, text)| uptime(&text));
        let age = uptime.unwrap_or_default().saturating_sub(times.start);
        let megahertz = file(sources, "cpuinfo").ok().and_then(|(_, text)| megahertz(&text));
        Ok(Self { age, cpu: times.cpu, ram, megahertz })
    }
}

fn file(sources: &Sources, name: &str) -> Result<(String, String)> {
    let path = sources.proc.join(name);
    let shown = path.display().to_string();
    read(&path).map(|text| (shown, text))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| {
        let text = format!("cannot read `{}`: CPU and memory are known on Linux only", path.display());
        Error::with_source(Kind::Unreadable, text, error)
    })
}

fn strange(path: &str) -> Error {
    Error::new(Kind::Unreadable, format!("`{path}` is not as proc(5) says: CPU and memory are not known"))
}

#[derive(Debug, PartialEq)]
struct Times {
    cpu: Duration,
    /// After the start of the machine.
    start: Duration,
}

impl Times {
    /// Fields 14, 15 and 22 of proc(5). The second field is the program's name, which may hold spaces and parentheses.
    fn parse(stat: &str) -> Option<Self> {
        let (_, rest) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // The first field after the name is the third.
        let time = |field: usize| {
            let ticks: u64 = fields.get(field - 3)?.parse().ok()?;
            ticks.checked_mul(TICK).map(Duration::from_millis)
        };
        Some(Self { cpu: time(14)?.checked_add(time(15)?)?, start: time(22)? })
    }
}

/// `VmRSS:     1234 kB`, in bytes.
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

fn uptime(text: &str) -> Option<Duration> {
    let seconds: f64 = text.split_ascii_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// The mean of all processors' speeds.
fn megahertz(cpuinfo: &str) -> Option<f64> {
    let lines = cpuinfo.lines().filter_map(|line| line.strip_prefix("cpu MHz"));
    let speeds: Vec<f64> =
        lines.filter_map(|rest| rest.trim_start().strip_prefix(':')?.trim().parse().ok()).collect();
    (!speeds.is_empty()).then(|| speeds.iter().sum::<f64>() / speeds.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_program_may_be_anything() {
        let stat =
            "7 (a) 1 (b c) 2) S 1 7 7 0 -1 4194304 98 0 0 0 150 50 0 0 20 0 1 0 755923 3133440 411 18\n";
        let times = Times::parse(stat).unwrap();
        assert_eq!((times.cpu, times.start), (Duration::from_secs(2), Duration::from_millis(7_559_230)));
        for short in
            ["", "7 (a) S 1 7", "7 a S", "7 (a) S 1 7 7 0 -1 4194304 98 0 0 0 x 50 0 0 20 0 1 0 1 1 1 1"]
        {
            assert_eq!(Times::parse(short), None, "{short}");
        }
    }

    #[test]
    fn memory_and_speed_are_read_or_not_known() {
        assert_eq!(resident("Name:\tx\nVmHWM:\t  9 kB\nVmRSS:\t    1644 kB\n"), Some(1644 * 1024));
        assert_eq!(resident("Name:\tkthreadd\n"), None);
        assert_eq!(
            megahertz("processor\t: 0\ncpu MHz\t\t: 2000.000\ncpu MHz\t\t: 3000.500\n"),
            Some(2500.25)
        );
        assert_eq!(megahertz("processor\t: 0\nBogoMIPS\t: 50.00\n"), None);
        assert_eq!(uptime("7559.23 6566.37\n"), Some(Duration::from_millis(7_559_230)));
        assert_eq!(uptime("-1 0"), None);
    }
}
