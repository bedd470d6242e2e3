//! What the control group of this process may use, in both versions of control groups, and mixed.
//!
//! Owns the way to the group's folder: `/proc/self/cgroup` names the group, `/proc/self/mountinfo` where groups are to be
//! seen. A process may be shown a part of the tree only, or a group of another name than its own; then the top of what
//! it is shown counts. A limit may be set on any group above: the smallest holds.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use super::Sources;

/// Version 1 writes "no limit" as the largest multiple of a page.
const NO_LIMIT: u64 = 1 << 60;

/// The limits of the control group, and what it uses. What is not there is not limited, or cannot be seen.
///
/// Source: `cpu.max`, `memory.max` and `memory.current` in version 2; `cpu.cfs_quota_us`, `cpu.cfs_period_us`,
/// `memory.limit_in_bytes` and `memory.usage_in_bytes` in version 1; of limits, the smallest of the group and all above it.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct CgroupStats {
    /// CPU seconds per second that the group may use: 0.5 is half a processor.
    pub cpu_limit: Option<f64>,
    /// Bytes of memory that the group may use, files that are cached included.
    pub memory_limit: Option<u64>,
    /// Bytes of memory that the group uses: all its processes, and files that are cached.
    pub memory_used: Option<u64>,
}

impl CgroupStats {
    pub(super) fn read(sources: &Sources) -> Self {
        let read = |name| fs::read_to_string(sources.proc.join(name)).unwrap_or_default();
        let (groups, mounts) = (read("self/cgroup"), read("self/mountinfo"));
        let find = |controller| Group::find(controller, &groups, &mounts, &sources.root);
        let (cpu, memory) = (find("cpu"), find("memory"));
        let memory_used = memory
            .as_ref()
            .and_then(|memory| memory.number(&memory.folder, ["memory.usage_in_bytes", "memory.current"]));
        Self {
            cpu_limit: cpu.and_then(|cpu| cpu.smallest(Group::processors)),
            memory_limit: memory.and_then(|memory| memory.smallest(Group::memory)),
            memory_used,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Version {
    One,
    Two,
}

/// A group's folder, as far as it is to be seen.
#[derive(Debug)]
struct Group {
    version: Version,
    folder: PathBuf,
    /// The top of what is to be seen.
    top: PathBuf,
}

impl Group {
    /// The group that limits `controller`: of version 1 where the controller is there, else of version 2.
    fn find(controller: &str, groups: &str, mounts: &str, root: &Path) -> Option<Self> {
        let mut lines = groups.lines().filter_map(|line| {
            let mut parts = line.splitn(3, ':');
            Some((parts.next()?, parts.next()?, parts.next()?))
        });
        let one = lines.clone().find(|(_, names, _)| names.split(',').any(|name| name == controller));
        let (version, path) = match one {
            Some((_, _, path)) => (Version::One, path),
            None => (Version::Two, lines.find(|(id, names, _)| *id == "0" && names.is_empty())?.2),
        };
        let mount = mounts.lines().filter_map(Mount::parse).find(|mount| match version {
            Version::One => mount.kind == "cgroup" && mount.options.split(',').any(|name| name == controller),
            Version::Two => mount.kind == "cgroup2",
        })?;
        let point = unescape(mount.point);
        let top = root.join(point.strip_prefix('/').unwrap_or(&point));
        let inside = Path::new(path).strip_prefix(unescape(mount.root)).ok();
        let plain = |path: &&Path| path.components().all(|part| matches!(part, Component::Normal(_)));
        let folder = inside.filter(plain).map_or_else(|| top.clone(), |inside| top.join(inside));
        Some(Self { version, folder, top })
    }

    /// The smallest of the limits of the group and those above it.
    fn smallest<T: PartialOrd>(&self, limit: impl Fn(&Self, &Path) -> Option<T>) -> Option<T> {
        let folders = self.folder.ancestors().take_while(|folder| folder.starts_with(&self.top));
        folders
            .filter_map(|folder| limit(self, folder))
            .min_by(|one, other| one.partial_cmp(other).unwrap_or(std::cmp::Ordering::Equal))
    }

    fn processors(&self, folder: &Path) -> Option<f64> {
        let (quota, period): (f64, f64) = match self.version {
            // -1 is no limit.
            Version::One => (value(folder, "cpu.cfs_quota_us")?, value(folder, "cpu.cfs_period_us")?),
            Version::Two => {
                let text = fs::read_to_string(folder.join("cpu.max")).ok()?;
                let (quota, period) = text.trim().split_once(' ')?;
                (quota.parse().ok()?, period.parse().ok()?)
            }
        };
        (quota > 0.0 && period > 0.0).then_some(quota / period)
    }

    fn memory(&self, folder: &Path) -> Option<u64> {
        self.number(folder, ["memory.limit_in_bytes", "memory.max"]).filter(|limit| *limit < NO_LIMIT)
    }

    /// The number in a file that has one name in each version.
    fn number(&self, folder: &Path, names: [&str; 2]) -> Option<u64> {
        value(folder, names[usize::from(self.version == Version::Two)])
    }
}

fn value<T: FromStr>(folder: &Path, name: &str) -> Option<T> {
    fs::read_to_string(folder.join(name)).ok()?.trim().parse().ok()
}

/// A line of `/proc/self/mountinfo`.
struct Mount<'a> {
    /// Which part of the file system is mounted.
    root: &'a str,
    /// Where.
    point: &'a str,
    kind: &'a str,
    /// Of the file system: in version 1, its controllers.
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        // Any number of optional fields stand before the hyphen.
        let (mount, system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let mut system = system.split(' ');
        let (root, point) = (mount.next()?, mount.next()?);
        Some(Self { root, point, kind: system.next()?, options: system.nth(1)? })
    }
}

/// A path as `mountinfo` writes it: space, tab, line feed and backslash in octal.
fn unescape(path: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .into_iter()
        .fold(path.to_owned(), |path, (code, char)| path.replace(code, char))
}
