//! Figures of processes and control groups that are made up, and of the one that runs.

use std::fs;
use std::path::Path;

use super::*;

/// A made-up machine in a folder.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self { folder: tempfile::tempdir().unwrap() };
        machine.write("proc/self/status", "Name:\tx\nVmRSS:\t    2048 kB\n");
        machine.write("proc/cpuinfo", "cpu MHz\t\t: 2000.000\n");
        machine.at(100, 5.0);
        machine
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The process began 100 s after the machine; now it is `age` old and has used `cpu` seconds.
    fn at(&self, age: u64, cpu: f64) {
        let ticks = (cpu * 100.0) as u64;
        let stat = format!("7 (x) S 1 7 7 0 -1 0 9 0 0 0 {ticks} 0 0 0 20 0 1 0 10000 1 1 1\n");
        self.write("proc/self/stat", &stat);
        self.write("proc/uptime", &format!("{}.00 1.00\n", 100 + age));
    }

    fn sources(&self) -> Sources {
        Sources { proc: self.folder.path().join("proc"), root: self.folder.path().to_owned() }
    }

    fn cgroup(&self) -> CgroupStats {
        CgroupStats::read(&self.sources())
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn the_figures_are_those_of_proc_in_the_units_that_the_docs_name() {
    let machine = Machine::new();
    let mut sampler = Sampler::new(machine.sources());
    let stats = sampler.stats(seconds(0)).unwrap();
    assert_eq!(stats.cpu.total, seconds(5));
    assert_eq!((stats.cpu.rate_1m, stats.cpu.rate_10m), (0.05, 0.05), "over its life so far");
    assert_eq!(stats.cpu.megahertz, Some(2000.0));
    assert_eq!(stats.cpu.total_megacycles(), Some(10_000.0));
    assert_eq!(stats.cpu.rate_1m_megacycles(), Some(100.0));
    assert_eq!(stats.cpu.rate_10m_megacycles(), Some(100.0));
    assert_eq!(stats.ram, RamStats { current: 2 << 20, average_1m: 2 << 20, average_10m: 2 << 20 });
    assert_eq!(stats.cgroup, CgroupStats::default());
}

#[test]
fn a_first_look_that_comes_late_finds_the_process_as_old_as_it_is() {
    let machine = Machine::new();
    let stats = Sampler::new(machine.sources()).stats(seconds(20)).unwrap();
    assert_eq!(stats.cpu.rate_10m, 0.05);
}

#[test]
fn averages_follow_the_clock_that_is_given() {
    let machine = Machine::new();
    let mut sampler = Sampler::new(machine.sources());
    sampler.stats(seconds(0)).unwrap();
    machine.at(160, 35.0);
    machine.write("proc/self/status", "VmRSS:\t    4096 kB\n");
    let stats = sampler.stats(seconds(60)).unwrap();
    assert!((stats.cpu.rate_1m - 0.5).abs() < 1e-9, "{}", stats.cpu.rate_1m);
    assert!((stats.cpu.rate_10m - 35.0 / 160.0).abs() < 1e-9, "{}", stats.cpu.rate_10m);
    assert_eq!(stats.ram, RamStats { current: 4 << 20, average_1m: 3 << 20, average_10m: 3 << 20 });
}

#[test]
fn a_container_with_an_uptime_of_its_own_still_has_averages() {
    let machine = Machine::new();
    machine.write("proc/uptime", "3.00 1.00\n");
    let mut sampler = Sampler::new(machine.sources());
    sampler.stats(seconds(0)).unwrap();
    machine.at(0, 11.0);
    let stats = sampler.stats(seconds(60)).unwrap();
    assert!((stats.cpu.rate_1m - 0.1).abs() < 1e-9, "{}", stats.cpu.rate_1m);
}

#[test]
fn a_machine_without_proc_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let sources = Sources { proc: folder.path().join("proc"), root: folder.path().to_owned() };
    let error = Sampler::new(sources).stats(seconds(0)).unwrap_err();
    assert!(error.is_unreadable() && error.to_string().contains("on Linux only"), "{error}");
    let machine = Machine::new();
    machine.write("proc/self/stat", "not what it was");
    let error = Sampler::new(machine.sources()).stats(seconds(0)).unwrap_err();
    assert!(error.to_string().contains("is not as proc(5) says"), "{error}");
}

const TWO: &str = "35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";

#[test]
fn version_2_gives_the_smallest_limit_of_the_group_and_all_above() {
    let machine = Machine::new();
    machine.write("proc/self/cgroup", "0::/shop/web\n");
    machine.write("proc/self/mountinfo", &format!("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n{TWO}"));
    machine.write("sys/fs/cgroup/shop/cpu.max", "150000 100000\n");
    machine.write("sys/fs/cgroup/shop/memory.max", "1073741824\n");
    machine.write("sys/fs/cgroup/shop/web/cpu.max", "max 100000\n");
    machine.write("sys/fs/cgroup/shop/web/memory.max", "max\n");
    machine.write("sys/fs/cgroup/shop/web/memory.current", "52428800\n");
    let expected =
        CgroupStats { cpu_limit: Some(1.5), memory_limit: Some(1 << 30), memory_used: Some(50 << 20) };
    assert_eq!(machine.cgroup(), expected);
    machine.write("sys/fs/cgroup/shop/web/cpu.max", "50000 100000\n");
    machine.write("sys/fs/cgroup/shop/web/memory.max", "2147483648\n");
    assert_eq!(machine.cgroup(), CgroupStats { cpu_limit: Some(0.5), ..expected });
}

#[test]
fn version_1_has_a_tree_for_each_controller() {
    let machine = Machine::new();
    machine.write("proc/self/cgroup", "4:memory:/shop\n2:cpu,cpuacct:/\n1:name=systemd:/\n0::/\n");
    let mounts = "30 20 0:1 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                  31 20 0:2 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
    machine.write("proc/self/mountinfo", mounts);
    machine.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
    machine.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    machine.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    machine.write("sys/fs/cgroup/memory/shop/memory.limit_in_bytes", "9223372036854771712\n");
    assert_eq!(machine.cgroup(), CgroupStats::default(), "as it writes that there is no limit");
    machine.write("sys/fs/cgroup/memory/shop/memory.limit_in_bytes", "104857600\n");
    machine.write("sys/fs/cgroup/memory/shop/memory.usage_in_bytes", "1048576\n");
    let expected = CgroupStats { cpu_limit: None, memory_limit: Some(100 << 20), memory_used: Some(1 << 20) };
    assert_eq!(machine.cgroup(), expected);
    machine.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "25000\n");
    assert_eq!(machine.cgroup(), CgroupStats { cpu_limit: Some(0.25), ..expected });
}

#[test]
fn a_mix_of_versions_takes_each_controller_where_it_is() {
    let machine = Machine::new();
    machine.write("proc/self/cgroup", "4:memory:/shop\n0::/shop\n");
    let one = "31 20 0:2 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
    machine
        .write("proc/self/mountinfo", &format!("{one}{}", TWO.replace("/cgroup rw", "/cgroup/unified rw")));
    machine.write("sys/fs/cgroup/memory/shop/memory.limit_in_bytes", "4096\n");
    machine.write("sys/fs/cgroup/unified/shop/cpu.max", "200000 100000\n");
    machine.write("sys/fs/cgroup/unified/shop/memory.max", "7\n");
    let cgroup = machine.cgroup();
    assert_eq!((cgroup.cpu_limit, cgroup.memory_limit), (Some(2.0), Some(4096)));
}

#[test]
fn a_container_is_shown_its_own_group_as_the_top() {
    for (group, mount) in [
        // The group's full name, of which a part is mounted; with and without a space in it.
        ("0::/docker/17/app\n", TWO.replace("0:30 /", "0:30 /docker/17")),
        ("0::/a b/app\n", TWO.replace("0:30 /", "0:30 /a\\040b")),
        // A name space of its own.
        ("0::/app\n", TWO.to_owned()),
    ] {
        let machine = Machine::new();
        machine.write("proc/self/cgroup", group);
        machine.write("proc/self/mountinfo", &mount);
        machine.write("sys/fs/cgroup/app/memory.max", "4096\n");
        assert_eq!(machine.cgroup().memory_limit, Some(4096), "{group}");
    }
}

#[test]
fn a_group_that_is_not_to_be_seen_leaves_the_top() {
    for group in ["0::/elsewhere\n", "0::/../../escape\n"] {
        let machine = Machine::new();
        machine.write("proc/self/cgroup", group);
        machine.write("proc/self/mountinfo", &TWO.replace("0:30 /", "0:30 /docker/17"));
        machine.write("sys/fs/cgroup/memory.max", "4096\n");
        machine.write("escape/memory.max", "1\n");
        assert_eq!(machine.cgroup().memory_limit, Some(4096), "{group}");
    }
    let machine = Machine::new();
    machine.write("proc/self/cgroup", "0::/../escape\n");
    machine.write("proc/self/mountinfo", TWO);
    machine.write("sys/fs/cgroup/memory.max", "4096\n");
    machine.write("sys/fs/escape/memory.max", "1\n");
    assert_eq!(machine.cgroup().memory_limit, Some(4096), "what lies beside the tree is not looked at");
    let machine = Machine::new();
    machine.write("proc/self/cgroup", "nonsense\n7\n0::/\n");
    machine.write("proc/self/mountinfo", "nonsense\n - \n");
    assert_eq!(machine.cgroup(), CgroupStats::default());
}

#[test]
#[cfg(target_os = "linux")]
fn this_very_process_has_figures_that_move_with_what_it_does() {
    assert!(Path::new("/proc/self/stat").exists());
    let before = stats().unwrap();
    // Work until the kernel has counted some of it, and keep memory that was touched.
    let mut kept = vec![0_u8; 32 << 20];
    let mut rounds = 0_u8;
    let after = loop {
        rounds = rounds.wrapping_add(1);
        kept.iter_mut().for_each(|byte| *byte = byte.wrapping_add(rounds));
        let after = stats().unwrap();
        if after.cpu.total >= before.cpu.total + Duration::from_millis(50) {
            break after;
        }
    };
    assert!(std::hint::black_box(&kept).iter().any(|byte| *byte != 0));
    assert!(after.ram.current >= before.ram.current + (24 << 20), "{before:?} {after:?}");
    assert!(after.cpu.rate_1m > 0.0 && after.cpu.rate_1m < 1000.0, "{after:?}");
    assert!(after.ram.average_1m >= before.ram.current.min(after.ram.current) / 2, "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn sampling_ends_with_the_stopper() {
    let stopper = Stopper::new();
    let sampled = stopper.run_worker("delay::stats", sample(stopper.clone())).unwrap();
    tokio::time::sleep(EVERY * 3).await;
    assert!(!sampled.is_finished());
    // The clock is paused: this hour passes as soon as everybody waits.
    tokio::time::timeout(Duration::from_secs(3600), stopper.stop()).await.unwrap();
    sampled.await.unwrap();
}
