//! `delay stats`: what this process uses of the machine, and what its control group allows: of the container that the
//! command is run in, if it is in one. It wants no store.

use serde::Serialize;

use super::complaint::Complaint;
use super::output::Output;
use super::table::{Column, table};
use crate::stats::{Stats, stats};

#[derive(Debug, Serialize)]
struct Document {
    cpu: Cpu,
    ram: Ram,
    cgroup: Cgroup,
}

/// In seconds, seconds per second, and App Engine's megacycles.
#[derive(Debug, Serialize)]
struct Cpu {
    total: f64,
    rate_1m: f64,
    rate_10m: f64,
    megahertz: Option<f64>,
    total_megacycles: Option<f64>,
    rate_1m_megacycles: Option<f64>,
    rate_10m_megacycles: Option<f64>,
}

/// In bytes.
#[derive(Debug, Serialize)]
struct Ram {
    current: u64,
    average_1m: u64,
    average_10m: u64,
}

/// In CPU seconds per second, and bytes.
#[derive(Debug, Serialize)]
struct Cgroup {
    cpu_limit: Option<f64>,
    memory_limit: Option<u64>,
    memory_used: Option<u64>,
}

pub(super) fn run(output: &Output) -> Result<(), Complaint> {
    let stats = stats().map_err(Complaint::failed)?;
    let Stats { cpu, ram, cgroup } = &stats;
    let document = Document {
        cpu: Cpu {
            total: cpu.total.as_secs_f64(),
            rate_1m: cpu.rate_1m,
            rate_10m: cpu.rate_10m,
            megahertz: cpu.megahertz,
            total_megacycles: cpu.total_megacycles(),
            rate_1m_megacycles: cpu.rate_1m_megacycles(),
            rate_10m_megacycles: cpu.rate_10m_megacycles(),
        },
        ram: Ram { current: ram.current, average_1m: ram.average_1m, average_10m: ram.average_10m },
        cgroup: Cgroup {
            cpu_limit: cgroup.cpu_limit,
            memory_limit: cgroup.memory_limit,
            memory_used: cgroup.memory_used,
        },
    };
    output.answer(&document, || rows(&stats, output.width()))
}

fn rows(stats: &Stats, width: Option<u16>) -> String {
    let Stats { cpu, ram, cgroup } = stats;
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
    let or = |limit: Option<String>| limit.unwrap_or_else(|| "no limit".to_owned());
    let row = |what: &str, figure: String, source: &str| vec![what.to_owned(), figure, source.to_owned()];
    let rows = vec![
        row("CPU time", format!("{:.2} s", cpu.total.as_secs_f64()), "/proc/self/stat"),
        row("CPU, 1 min", format!("{:.3} processors", cpu.rate_1m), "/proc/self/stat"),
        row("CPU, 10 min", format!("{:.3} processors", cpu.rate_10m), "/proc/self/stat"),
        row(
            "CPU speed",
            cpu.megahertz.map_or_else(|| "not known".to_owned(), |speed| format!("{speed:.0} MHz")),
            "/proc/cpuinfo",
        ),
        row("CPU limit", or(cgroup.cpu_limit.map(|limit| format!("{limit:.2} processors"))), "control group"),
        row("Memory", mib(ram.current), "/proc/self/status"),
        row("Memory, 1 min", mib(ram.average_1m), "/proc/self/status"),
        row("Memory, 10 min", mib(ram.average_10m), "/proc/self/status"),
        row("Memory limit", or(cgroup.memory_limit.map(mib)), "control group"),
        row(
            "Memory of the group",
            cgroup.memory_used.map_or_else(|| "not known".to_owned(), mib),
            "control group",
        ),
    ];
    table(&[Column::Whole("WHAT"), Column::Whole("FIGURE"), Column::Whole("SOURCE")], rows, width)
}
