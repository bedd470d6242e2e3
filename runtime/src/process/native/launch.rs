//! How a container comes to be: this program is executed once more, its user ids are mapped, and it says that it is
//! shut in, or which step the machine has refused.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use tokio::io::unix::AsyncFd;

use super::container::{NAME, NOBODY, STEPS, was_called};
use super::isolation::Isolation;
use super::sys::{NAMESPACES, Spawn, spawn, watch};
use super::wire::{self, Event};
use crate::error::{Error, Kind, Result};

/// A container that is ready.
pub(super) struct Launched {
    pub(super) control: AsyncFd<OwnedFd>,
    pub(super) container: AsyncFd<OwnedFd>,
}

/// How long a container may take; it takes some milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Ends a container whose start was given up.
struct Unfinished(Option<AsyncFd<OwnedFd>>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(container) = &self.0 {
            let _ = pidfd_send_signal(container.get_ref(), Signal::KILL); // it may have ended by itself
            let _ = waitid(WaitId::PidFd(container.get_ref().as_fd()), WaitIdOptions::EXITED);
        }
    }
}

/// Starts a container.
pub(super) async fn launch(isolation: Isolation) -> Result<Launched> {
    if !was_called() {
        let text = "this program's `main` does not begin with `delay::process::init()`, which a container needs: call \
                    it there, or use `#[delay::main]`";
        return Err(Error::new(Kind::InvalidOption, text));
    }
    if isolation == Isolation::Full && !rustix::process::geteuid().is_root() {
        let text = "full isolation needs the privilege to change users (CAP_SETUID and CAP_SETGID, as root has): run \
                    as root, or choose `Isolation::SingleUser`";
        return Err(Error::new(Kind::NotIsolated, text));
    }
    let failed = |error: io::Error| {
        Error::with_source(Kind::Unavailable, "a container for processes could not be started", error)
    };
    let (control, container, gate, pid) = begin(isolation).map_err(|error| refused(isolation, error))?;
    let mut unfinished = Unfinished(Some(watch(container).map_err(failed)?));
    if isolation != Isolation::LimitsOnly {
        map_users(pid, isolation).map_err(|error| refused(isolation, error))?;
    }
    // The first to go when memory runs out; raising this is always allowed, and a machine without it does not matter.
    let _ = std::fs::write(format!("/proc/{pid}/oom_score_adj"), "1000");
    rustix::io::write(&gate, &[1]).map_err(|error| failed(error.into()))?;
    let control = watch(control).map_err(failed)?;
    let mut message = [0; 64];
    let heard =
        control.async_io(tokio::io::Interest::READABLE, |control| wire::receive(control, &mut message));
    let heard = tokio::time::timeout(PATIENCE, heard).await;
    let (length, _) = match heard {
        Ok(heard) => heard.map_err(failed)?,
        Err(_) => return Err(failed(io::ErrorKind::TimedOut.into())),
    };
    match Event::decode(&message[..length]) {
        Some(Event::Ready) => match unfinished.0.take() {
            Some(container) => Ok(Launched { control, container }),
            None => Err(failed(io::ErrorKind::NotFound.into())),
        },
        Some(Event::Refused { step, errno }) => {
            let step = STEPS.get(step as usize).copied().unwrap_or("begin");
            let text = format!("a container could not {step} at isolation `{isolation}`{}", hint(isolation));
            Err(Error::with_source(Kind::NotIsolated, text, io::Error::from_raw_os_error(errno)))
        }
        _ => Err(not_executed(isolation, unfinished.0.as_ref())),
    }
}

/// Everything up to the moment when the container waits for its user ids.
fn begin(isolation: Isolation) -> io::Result<(OwnedFd, OwnedFd, OwnedFd, i32)> {
    // Above what the container gets, so that putting one in its place does not overwrite another.
    let high = |fd: OwnedFd| rustix::io::fcntl_dupfd_cloexec(&fd, 10);
    let open = |path: &str, flags| rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty());
    let exe = high(open("/proc/self/exe", OFlags::RDONLY)?)?;
    let null = high(open("/dev/null", OFlags::RDWR)?)?;
    let (ours, theirs) =
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    rustix::io::ioctl_fionbio(&ours, true)?;
    let theirs = high(theirs)?;
    let (gate, opener) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let gate = high(gate)?;
    let mode = match isolation {
        Isolation::LimitsOnly => c"limits-only",
        Isolation::SingleUser => c"single-user",
        Isolation::Full => c"full",
    };
    let (pid, pidfd) = spawn(
        NAME,
        &Spawn {
            exe: exe.as_fd(),
            control: theirs.as_fd(),
            null: null.as_fd(),
            gate: gate.as_fd(),
            namespaces: if isolation == Isolation::LimitsOnly { 0 } else { NAMESPACES },
            switch_user: isolation == Isolation::Full,
            mode,
        },
    )?;
    Ok((ours, pidfd, opener, pid))
}

/// User 0 inside is this user outside, or nobody.
fn map_users(pid: i32, isolation: Isolation) -> io::Result<()> {
    let (uid, gid) = match isolation {
        Isolation::Full => (NOBODY, NOBODY),
        _ => (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()),
    };
    if isolation != Isolation::Full {
        std::fs::write(format!("/proc/{pid}/setgroups"), "deny")?;
    }
    std::fs::write(format!("/proc/{pid}/uid_map"), format!("0 {uid} 1"))?;
    std::fs::write(format!("/proc/{pid}/gid_map"), format!("0 {gid} 1"))
}

fn hint(isolation: Isolation) -> &'static str {
    match isolation {
        Isolation::LimitsOnly => "",
        _ => {
            "; it needs user namespaces (the sysctls user.max_user_namespaces and kernel.unprivileged_userns_clone, \
             kernel.apparmor_restrict_unprivileged_userns, and whatever profile a container runs under): allow \
             them, or choose `Isolation::LimitsOnly`"
        }
    }
}

fn refused(isolation: Isolation, error: io::Error) -> Error {
    let what = match isolation {
        Isolation::LimitsOnly => "a process of this program was refused".to_owned(),
        _ => format!("namespaces for isolation `{isolation}` were refused{}", hint(isolation)),
    };
    Error::with_source(Kind::NotIsolated, what, error)
}

/// It ended without a word: the program could not be executed, or is not one that calls `init`.
fn not_executed(isolation: Isolation, container: Option<&AsyncFd<OwnedFd>>) -> Error {
    let status = container.and_then(|container| {
        waitid(WaitId::PidFd(container.get_ref().as_fd()), WaitIdOptions::EXITED).ok().flatten()
    });
    let code = status.and_then(|status| status.exit_status()).unwrap_or(0);
    let text = match isolation {
        Isolation::Full => {
            "this program's own file could not be executed as another user (65534): let everybody read and execute \
             it, or choose `Isolation::SingleUser`"
        }
        _ => "this program's own file could not be executed once more",
    };
    Error::with_source(Kind::NotIsolated, text, io::Error::from_raw_os_error(code))
}

/// The id of the process behind a descriptor.
pub(super) fn pid_of(pidfd: &OwnedFd) -> Option<u32> {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).ok()?;
    info.lines().find_map(|line| line.strip_prefix("Pid:"))?.trim().parse().ok()
}
