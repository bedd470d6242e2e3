//! The container: this program once more, shut in, in a loop that forks.
//!
//! Owns the order in which it gives up what it has, and the loop. It has one thread, reads nothing but its socket, and
//! ends when the executor's side of that is closed, and with it all of its children.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{EventfdFlags, epoll};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use rustix::process::{DumpableBehavior, Pid, PidfdFlags, Resource, Rlimit, Signal};
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::entry::{Entry, Exit};
use super::filter::{self, Filter};
use super::guest::Threshold;
use super::isolation::Isolation;
use super::start::Start;
use super::sys::{self, Forked};
use super::wire::{self, Event, Fork};
use crate::process::trap::Trap;

/// What a container is called, and known by.
pub(super) const NAME: &std::ffi::CStr = c"delay-container";

/// Who a process is on the outside that has another user than this program.
pub(super) const NOBODY: u32 = 65_534;

static CALLED: AtomicBool = AtomicBool::new(false);

/// To be called before anything else in `main`: in a container it does not return. `#[delay::main]` calls it.
///
/// An [`Executor`](super::Executor) refuses to start in a program that has not called it, whose `main` would run
/// again in every container.
pub fn init() {
    CALLED.store(true, Ordering::Relaxed); // nothing is published with it
    let mut args = std::env::args_os();
    if args.next().is_none_or(|name| name.as_encoded_bytes() != NAME.to_bytes()) {
        return;
    }
    let mode = args.next().unwrap_or_default();
    let isolation = Isolation::ALL.into_iter().find(|isolation| mode == isolation.as_str());
    sys::exit(isolation.map_or(2, run));
}

pub(super) fn was_called() -> bool {
    CALLED.load(Ordering::Relaxed)
}

/// The steps of being shut in, by their numbers in [`Event::Refused`].
pub(super) const STEPS: [&str; 9] = [
    "give up new privileges",
    "make an empty root",
    "limit itself",
    "become nobody",
    "give up capabilities",
    "restrict itself with landlock",
    "compile system call filters",
    "handle signals",
    "restrict itself to the system calls that it needs",
];

fn run(isolation: Isolation) -> i32 {
    sys::close_from(sys::SOCKET + 1);
    let control = sys::adopt_socket();
    // A session of its own: ctrl-c is for the worker, which then decides what becomes of its processes.
    let _ = rustix::process::setsid(); // fails only for who leads one already
    let shut = |step: usize, done: io::Result<()>| {
        done.map_err(|error| Event::Refused { step: step as u32, errno: error.raw_os_error().unwrap_or(0) })
    };
    let mut last = None;
    let shut_in = shut(0, rustix::thread::set_no_new_privs(true).map_err(Into::into))
        .and_then(|()| shut(1, if isolation == Isolation::LimitsOnly { Ok(()) } else { furnish() }))
        .and_then(|()| shut(2, limit()))
        .and_then(|()| shut(3, if isolation == Isolation::LimitsOnly { become_nobody() } else { Ok(()) }))
        .and_then(|()| shut(4, drop_capabilities()))
        .and_then(|()| shut(5, restrict()))
        .and_then(|()| {
            let made = Filter::new().map(|made| last = Some(made));
            shut(6, made.map_err(io::Error::other))
        })
        .and_then(|()| shut(7, sys::handle_signals()))
        .and_then(|()| shut(8, filter::apply_common().map_err(io::Error::other)));
    let told = match &shut_in {
        Ok(()) => Event::Ready,
        Err(refused) => *refused,
    };
    let told = wire::send(&control, &told.encode(), &[]);
    match (shut_in, told, last) {
        (Ok(()), Ok(()), Some(last)) => serve(&control, &last).map_or(1, |()| 0),
        _ => 1,
    }
}

/// An empty, read-only root, and a host name that tells nothing.
fn furnish() -> io::Result<()> {
    let flags = MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::NOSUID;
    rustix::system::sethostname(b"delay")?;
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    // Any folder will do: it is only where the new root stands until it is one.
    let stands = ["/tmp", "/proc", "/usr", "/etc"].into_iter().find(|folder| {
        rustix::mount::mount("delay", *folder, "tmpfs", flags, c"mode=0555,size=4k,nr_inodes=2").is_ok()
    });
    rustix::process::chdir(stands.ok_or(Errno::PERM)?)?;
    // The old root is put upon the new one, and taken off.
    rustix::process::pivot_root(".", ".")?;
    rustix::mount::unmount(".", UnmountFlags::DETACH)?;
    rustix::process::chdir("/")?;
    rustix::mount::mount_remount("/", flags | MountFlags::RDONLY, "")?;
    Ok(())
}

fn limit() -> io::Result<()> {
    let set = |resource, limit: Rlimit| rustix::process::setrlimit(resource, limit);
    for resource in [Resource::Core, Resource::Memlock, Resource::Msgqueue, Resource::Fsize] {
        set(resource, Rlimit { current: Some(0), maximum: Some(0) })?;
    }
    // A descriptor for each process; a process itself gets few.
    let files = rustix::process::getrlimit(Resource::Nofile).maximum;
    set(Resource::Nofile, Rlimit { current: files, maximum: files })?;
    Ok(())
}

/// Root that gave up its capabilities still owns root's files.
fn become_nobody() -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let (uid, gid) = (rustix::process::Uid::from_raw(NOBODY), rustix::process::Gid::from_raw(NOBODY));
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)?;
    Ok(())
}

fn drop_capabilities() -> io::Result<()> {
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    rustix::thread::set_capabilities(None, sets)?;
    Ok(())
}

/// Landlock: no files, no network, no signals and no sockets to the outside. An older kernel does what it can.
fn restrict() -> io::Result<()> {
    use landlock::{ABI, Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr as _, Scope};
    let abi = ABI::V6;
    Ruleset::default()
        .handle_access(AccessFs::from_all(abi))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(abi)))
        .and_then(|rules| rules.scope(Scope::from_all(abi)))
        .and_then(Ruleset::create)
        .and_then(landlock::RulesetCreated::restrict_self)
        .map(drop)
        .map_err(io::Error::other)
}

/// Forks what it is told to and reaps what has ended, until the executor is gone.
fn serve(control: &OwnedFd, last: &Filter) -> io::Result<()> {
    const CONTROL: u64 = 0;
    // Descriptor 4 is kept, so that nothing that a child is given can have its number: see `sys::arrange`.
    let _kept = rustix::io::fcntl_dupfd_cloexec(control, sys::SOCKET + 1)?;
    let events = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&events, control, epoll::EventData::new_u64(CONTROL), epoll::EventFlags::IN)?;
    let container = rustix::process::getpid();
    let mut children = std::collections::HashMap::new();
    let mut found = Vec::with_capacity(64);
    loop {
        found.clear();
        match epoll::wait(&events, rustix::buffer::spare_capacity(&mut found), None) {
            Err(Errno::INTR) => continue,
            waited => waited?,
        };
        for event in &found {
            let data = event.data.u64();
            if data != CONTROL {
                let Some((pid, pidfd, process)) = children.remove(&data) else { continue };
                if let Some(reaped) = sys::reap(pid)? {
                    epoll::delete(&events, &pidfd)?;
                    wire::send(control, &Event::Reaped { process, reaped }.encode(), &[])?;
                } else {
                    children.insert(data, (pid, pidfd, process));
                }
                continue;
            }
            let mut message = [0; 16];
            let (length, fds) = wire::receive(control, &mut message)?;
            if length == 0 {
                return Ok(());
            }
            let (Some(Fork { process }), Ok([packets, output])) =
                (Fork::decode(&message[..length]), <[OwnedFd; 2]>::try_from(fds))
            else {
                return Err(io::ErrorKind::InvalidData.into());
            };
            match sys::fork() {
                Ok(Forked::Child) => child(container, &packets, &output, last.clone()),
                Ok(Forked::Parent(pid)) => {
                    let id = Pid::from_raw(pid).ok_or(Errno::SRCH)?;
                    // Not yet reaped, so the id is its own.
                    let pidfd = rustix::process::pidfd_open(id, PidfdFlags::empty())?;
                    let data = u64::from(process) + 1;
                    epoll::add(&events, &pidfd, epoll::EventData::new_u64(data), epoll::EventFlags::IN)?;
                    wire::send(control, &Event::Forked { process }.encode(), &[pidfd.as_fd()])?;
                    children.insert(data, (pid, pidfd, process));
                }
                Err(error) => {
                    let errno = error.raw_os_error().unwrap_or(0);
                    wire::send(control, &Event::NotForked { process, errno }.encode(), &[])?;
                }
            }
        }
    }
}

/// A child's whole life.
fn child(container: Pid, packets: &OwnedFd, output: &OwnedFd, last: Filter) -> ! {
    let exit = begin(container, packets, output, last).unwrap_or_else(|error| {
        eprintln!("cannot begin: {error}");
        Exit::trap(Trap::AbiDeficiency)
    });
    use std::io::Write as _;
    let _ = io::stdout().flush(); // nobody reads it any more if this fails
    sys::exit(i32::from(exit.0))
}

fn begin(container: Pid, packets: &OwnedFd, output: &OwnedFd, last: Filter) -> io::Result<Exit> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    if rustix::process::getppid() != Some(container) {
        return Ok(Exit::SUCCESS); // the container died before it could have signalled
    }
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let wake = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    sys::arrange(packets, output, &wake)?;
    sys::close_from(sys::SOCKET + 2);
    std::mem::forget(wake); // it was closed with the others; its copy lives
    let mut socket = UnixStream::from(sys::adopt_socket());
    let Some((start, input)) = Start::read(&mut socket)? else {
        return Ok(Exit::SUCCESS); // closed before it was started
    };
    let threshold = Threshold::new(start, input, socket, last);
    match Entry::find(threshold.entry()) {
        Some(entry) => Ok(entry.run(threshold)),
        None => Ok(Exit::trap(Trap::NoFunction)),
    }
}
