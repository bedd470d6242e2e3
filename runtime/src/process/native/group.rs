//! Groups: processes that share limits, in a control group of their own.
//!
//! Control groups of version 2 alone, and only below a folder that this program may write to (what systemd calls
//! delegation). On machines where the controllers are those of version 1, that is noticed and said.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::factory::{Coming, Factory};
use super::process::Process;
use crate::error::{Error, Kind, Result};

/// What the control groups of a machine are like.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cgroups {
    /// Version 2 alone, mounted here: groups can have every limit.
    Unified(PathBuf),
    /// Version 2, mounted here, beside controllers of version 1, whose limits a group then cannot have.
    Hybrid {
        /// The mount of version 2.
        unified: PathBuf,
        /// The controllers that version 1 has.
        legacy: Vec<String>,
    },
    /// Version 1 alone: there are no groups.
    Legacy(Vec<String>),
    /// None are mounted.
    Absent,
}

impl Cgroups {
    /// Those of this machine.
    #[must_use]
    pub fn of_this_machine() -> Self {
        Self::read(&fs::read_to_string("/proc/self/mountinfo").unwrap_or_default())
    }

    fn read(mountinfo: &str) -> Self {
        const CONTROLLERS: [&str; 6] = ["cpu", "memory", "pids", "io", "cpuset", "blkio"];
        let (mut unified, mut legacy) = (None, Vec::new());
        for line in mountinfo.lines() {
            let Some((mount, kind)) = line.split_once(" - ") else { continue };
            let mut kind = kind.split(' ');
            match kind.next() {
                Some("cgroup2") => unified = mount.split(' ').nth(4).map(PathBuf::from),
                Some("cgroup") => {
                    let options = kind.next_back().unwrap_or_default().split(',');
                    legacy.extend(options.filter(|option| CONTROLLERS.contains(option)).map(str::to_owned));
                }
                _ => {}
            }
        }
        match (unified, legacy.is_empty()) {
            (Some(unified), true) => Self::Unified(unified),
            (Some(unified), false) => Self::Hybrid { unified, legacy },
            (None, false) => Self::Legacy(legacy),
            (None, true) => Self::Absent,
        }
    }
}

/// What the processes of a group share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupLimits {
    /// Memory, in bytes.
    pub memory: Option<u64>,
    /// Thousandths of a processor.
    pub cpu: Option<u32>,
    /// Processes and threads.
    pub pids: Option<u32>,
}

impl GroupLimits {
    /// At most so many bytes of memory together.
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// At most so many thousandths of a processor together.
    #[must_use]
    pub fn cpu(mut self, thousandths: u32) -> Self {
        self.cpu = Some(thousandths);
        self
    }

    /// At most so many processes and threads together.
    #[must_use]
    pub fn pids(mut self, pids: u32) -> Self {
        self.pids = Some(pids);
        self
    }
}

/// A control group for processes. It is removed when this is dropped, if nothing is left in it.
#[derive(Debug)]
pub struct Group {
    folder: PathBuf,
}

impl Group {
    /// Makes a group below `parent`, a control group that this program may write to.
    ///
    /// # Errors
    /// [`Error::is_not_isolated`] if it cannot be made, or not with these limits: the message names the missing right or
    /// controller.
    pub fn create(parent: impl AsRef<Path>, name: &str, limits: GroupLimits) -> Result<Self> {
        let folder = parent.as_ref().join(name);
        let failed = |error: io::Error| {
            let text = format!(
                "the control group {} cannot be made: it needs a folder of cgroup version 2 that is delegated to this user",
                folder.display()
            );
            Error::with_source(Kind::NotIsolated, text, error)
        };
        if !parent.as_ref().join("cgroup.procs").exists() {
            return Err(failed(io::ErrorKind::NotFound.into()));
        }
        fs::create_dir(&folder).map_err(failed)?;
        let group = Self { folder };
        let cpu = limits.cpu.map(|thousandths| format!("{} 100000", u64::from(thousandths) * 100));
        let limits = [
            ("memory", "memory.max", limits.memory.map(|bytes| bytes.to_string())),
            ("cpu", "cpu.max", cpu),
            ("pids", "pids.max", limits.pids.map(|pids| pids.to_string())),
        ];
        for (controller, file, limit) in limits {
            let Some(limit) = limit else { continue };
            fs::write(group.folder.join(file), limit)
                .map_err(|error| without(controller, &group.folder, error))?;
        }
        Ok(group)
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Ends every process in it.
    ///
    /// # Errors
    /// If the kernel cannot (before 5.14).
    pub fn kill(&self) -> Result<()> {
        fs::write(self.folder.join("cgroup.kill"), "1").map_err(|error| {
            Error::with_source(Kind::Other, "the processes of a group cannot be killed", error)
        })
    }

    /// A factory whose processes are in this group.
    #[must_use]
    pub fn factory(self: &Arc<Self>, factory: Arc<dyn Factory>) -> GroupFactory {
        GroupFactory { group: Arc::clone(self), factory }
    }

    /// Puts a process in, before it runs anything.
    async fn admit(&self, process: Process) -> Result<Process> {
        let handle = process.handle();
        handle.began().await;
        // One that has ended already needs no group, and tells its end when it is served.
        let Some(pid) = handle.pid() else { return Ok(process) };
        match fs::write(self.folder.join("cgroup.procs"), pid.to_string()) {
            Ok(()) => Ok(process),
            Err(error) => {
                let text =
                    format!("a process cannot be put into the control group {}", self.folder.display());
                Err(Error::with_source(Kind::NotIsolated, text, error))
            }
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.folder); // while something is in it, it stays
    }
}

fn without(controller: &str, folder: &Path, error: io::Error) -> Error {
    let text = match Cgroups::of_this_machine() {
        Cgroups::Hybrid { legacy, .. } | Cgroups::Legacy(legacy)
            if legacy.iter().any(|name| name == controller) =>
        {
            format!(
                "a group cannot have a limit of `{controller}` here: that controller belongs to cgroup version 1 on this \
                 machine; boot with systemd.unified_cgroup_hierarchy=1, or leave the limit out"
            )
        }
        _ => format!(
            "a group cannot have a limit of `{controller}`: the controller is not enabled below {} (its \
             cgroup.subtree_control)",
            folder.parent().unwrap_or(folder).display()
        ),
    };
    Error::with_source(Kind::NotIsolated, text, error)
}

/// Makes processes of a group.
#[derive(Clone)]
pub struct GroupFactory {
    group: Arc<Group>,
    factory: Arc<dyn Factory>,
}

impl Factory for GroupFactory {
    fn new_process(&self) -> Coming<'_> {
        Box::pin(async { self.group.admit(self.factory.new_process().await?).await })
    }

    fn try_new_process(&self) -> Coming<'_, Option<Process>> {
        Box::pin(async {
            match self.factory.try_new_process().await? {
                Some(process) => self.group.admit(process).await.map(Some),
                None => Ok(None),
            }
        })
    }

    fn is_dead(&self) -> bool {
        self.factory.is_dead()
    }
}

impl fmt::Debug for GroupFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} in {}", self.factory, self.group.folder.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIFIED: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate";
    const MEMORY: &str = "31 23 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory";
    const NAMED: &str = "32 23 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd";

    #[test]
    fn version_1_and_hybrids_are_noticed() {
        let unified = PathBuf::from("/sys/fs/cgroup");
        assert_eq!(Cgroups::read(UNIFIED), Cgroups::Unified(unified.clone()));
        assert_eq!(Cgroups::read(&format!("{UNIFIED}\n{NAMED}")), Cgroups::Unified(unified.clone()));
        let legacy = vec!["memory".to_owned()];
        assert_eq!(
            Cgroups::read(&format!("{MEMORY}\n{UNIFIED}")),
            Cgroups::Hybrid { unified, legacy: legacy.clone() }
        );
        assert_eq!(Cgroups::read(MEMORY), Cgroups::Legacy(legacy));
        assert_eq!(Cgroups::read(""), Cgroups::Absent);
    }
}
