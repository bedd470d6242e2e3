//! The metrics page: what the store counts, what the workers and this process are at, as Prometheus reads it. Each look
//! gathers anew; nothing is counted twice, and nothing is kept between looks.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeMetric;
use prometheus_client::encoding::prometheus_text::encode;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::parts::Parts;
use crate::error::{Error, Kind, Result};
use crate::stats;

/// Prometheus' text format.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

type Labels = Vec<(&'static str, String)>;
type Gauges = Family<Labels, Gauge<f64, AtomicU64>>;

/// The page. A store that does not answer within `patience` has no figures, and `delay_store_up` says 0.
pub(super) async fn text(parts: &Parts, patience: Duration) -> Result<String> {
    let asked = async { tokio::try_join!(parts.store().counts(), parts.store().workers()) };
    let (stored, vitals) = tokio::join!(tokio::time::timeout(patience, asked), parts.pulses.feel(patience));
    let mut page = Page(Registry::with_prefix("delay"));
    let stored = stored.ok().and_then(Result::ok);
    page.value("store_up", "Whether the store answers", f64::from(u8::from(stored.is_some())));
    if let Some((counts, workers)) = stored {
        let tasks = page.family("tasks", "Tasks in the store, by queue and state");
        for count in counts {
            let labels = vec![("queue", count.queue), ("state", count.state.to_string())];
            tasks.get_or_create(&labels).set(count.tasks as f64);
        }
        page.value("store_workers", "Workers whose leases hold, of all processes", workers.len() as f64);
    }
    let running = page.family("attempts_running", "Attempts that run in this process, by worker");
    let slots = page.family("attempts_allowed", "The most attempts at once, by worker");
    let well = page.family("worker_up", "Whether the worker's loop answers and reaches the store");
    for (name, vital) in vitals {
        let labels = vec![("worker", name)];
        let up = vital.is_some_and(|vital| !vital.in_trouble);
        well.get_or_create(&labels).set(f64::from(u8::from(up)));
        if let Some(vital) = vital {
            running.get_or_create(&labels).set(vital.running as f64);
            slots.get_or_create(&labels).set(vital.concurrency as f64);
        }
    }
    let ended = parts.store().signals().ended();
    page.counter("tasks_ended", "Tasks that this process brought to their end", ConstCounter::new(ended));
    page.value("stopper_tasks", "Tasks under the runtime's stopper", parts.stopper.num_tasks() as f64);
    page.value("stopping", "Whether the runtime stops", f64::from(u8::from(parts.stopper.is_quiescing())));
    page.process();
    let mut text = String::new();
    encode(&mut text, &page.0)
        .map_err(|error| Error::with_source(Kind::Other, "cannot write the figures", error))?;
    Ok(text)
}

struct Page(Registry);

impl Page {
    fn family(&mut self, name: &str, help: &str) -> Gauges {
        let family = Gauges::default();
        self.0.register(name, help, family.clone());
        family
    }

    fn value(&mut self, name: &str, help: &str, value: f64) {
        let gauge = Gauge::<f64, AtomicU64>::default();
        gauge.set(value);
        self.0.register(name, help, gauge);
    }

    fn counter(
        &mut self,
        name: &str,
        help: &str,
        counter: impl EncodeMetric + std::fmt::Debug + Send + Sync + 'static,
    ) {
        self.0.register(name, help, counter);
    }

    /// What [`stats()`](crate::stats()) says; nothing where there is no `/proc`.
    fn process(&mut self) {
        let Ok(stats) = stats::stats() else { return };
        let (cpu, ram, cgroup) = (stats.cpu, stats.ram, stats.cgroup);
        let total = ConstCounter::new(cpu.total.as_secs_f64());
        self.counter("process_cpu_seconds", "CPU time of this process since it began", total);
        let rate =
            self.family("process_cpu_rate", "CPU seconds per second of this process, averaged over `window`");
        let memory =
            self.family("process_memory_bytes", "Resident memory of this process, averaged over `window`");
        let over = |window: &str| vec![("window", window.to_owned())];
        rate.get_or_create(&over("1m")).set(cpu.rate_1m);
        rate.get_or_create(&over("10m")).set(cpu.rate_10m);
        memory.get_or_create(&over("now")).set(ram.current as f64);
        memory.get_or_create(&over("1m")).set(ram.average_1m as f64);
        memory.get_or_create(&over("10m")).set(ram.average_10m as f64);
        if let Some(limit) = cgroup.memory_limit {
            self.value("cgroup_memory_limit_bytes", "Memory that the control group may use", limit as f64);
        }
        if let Some(limit) = cgroup.cpu_limit {
            self.value("cgroup_cpu_limit", "Processors that the control group may use", limit);
        }
    }
}
