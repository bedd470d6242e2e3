//! The system calls that neither Rust's library nor rustix has a safe form of: starting this program in namespaces,
//! forking, waiting together with what was used, signal handlers, a timer of CPU time.
//!
//! The one file of `process` with unsafe code. It decides nothing; each block says why it is sound.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;

use tokio::io::unix::AsyncFd;

/// Where a container finds its control socket, and a child its packets.
pub(super) const SOCKET: RawFd = 3;
/// Where a child is woken by what it is asked for.
const WAKE: RawFd = 4;
/// What a child exits with whose stack has overflowed: the trap of that name.
const STACK: i32 = 104;

/// The namespaces of a container.
pub(super) const NAMESPACES: i32 = libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS;

/// How this program is to be executed once more.
pub(super) struct Spawn<'a> {
    /// The program itself.
    pub(super) exe: BorrowedFd<'a>,
    /// Becomes descriptor 3.
    pub(super) control: BorrowedFd<'a>,
    /// Becomes descriptors 0 and 1.
    pub(super) null: BorrowedFd<'a>,
    /// A byte from here lets it go on, once its user ids are mapped.
    pub(super) gate: BorrowedFd<'a>,
    /// 0, or [`NAMESPACES`].
    pub(super) namespaces: i32,
    /// Whether it becomes user 0 of its namespace, whoever that is outside.
    pub(super) switch_user: bool,
    /// The argument after the program's name.
    pub(super) mode: &'a CStr,
}

/// Starts the container; gives its process id and a descriptor of it.
pub(super) fn spawn(name: &CStr, spawn: &Spawn<'_>) -> io::Result<(i32, OwnedFd)> {
    let argv = [name.as_ptr(), spawn.mode.as_ptr(), std::ptr::null()];
    let envp: [*const libc::c_char; 1] = [std::ptr::null()];
    let mut pidfd: RawFd = -1;
    // SAFETY: an all-zero `clone_args` is a valid one: it asks for nothing.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = (spawn.namespaces | libc::CLONE_PIDFD) as u64;
    args.pidfd = std::ptr::from_mut(&mut pidfd) as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    // SAFETY: without CLONE_VM the child has a copy of all memory, so nothing it does is seen here. Other threads of
    // this process may have held locks; until it executes the program the child therefore only makes system calls on
    // what was prepared before, and allocates, locks and panics nowhere.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<libc::clone_args>()) };
    if pid == 0 {
        // SAFETY: this is the child, and all pointers are to the copy of this very frame.
        unsafe { become_container(spawn, argv.as_ptr(), envp.as_ptr()) }
    }
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just put a new descriptor there, which nobody else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok((pid as i32, pidfd))
}

/// # Safety
/// Only in a child that has just been made and shares no memory; `argv` and `envp` end with a null.
unsafe fn become_container(
    spawn: &Spawn<'_>,
    argv: *const *const libc::c_char,
    envp: *const *const libc::c_char,
) -> ! {
    // SAFETY: plain system calls, `libc::syscall` where the wrapper would look for other threads; no memory but ours.
    unsafe {
        let mut go = 0_u8;
        let gate = spawn.gate.as_raw_fd();
        if libc::read(gate, (&raw mut go).cast(), 1) != 1 {
            libc::_exit(1);
        }
        let mut refused = false;
        if spawn.switch_user {
            refused = libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<libc::gid_t>()) != 0
                || libc::syscall(libc::SYS_setresgid, 0, 0, 0) != 0
                || libc::syscall(libc::SYS_setresuid, 0, 0, 0) != 0;
        }
        let (control, null) = (spawn.control.as_raw_fd(), spawn.null.as_raw_fd());
        refused =
            refused || libc::dup2(null, 0) < 0 || libc::dup2(null, 1) < 0 || libc::dup2(control, SOCKET) < 0;
        if !refused {
            let exe = spawn.exe.as_raw_fd();
            libc::syscall(libc::SYS_execveat, exe, c"".as_ptr(), argv, envp, libc::AT_EMPTY_PATH);
        }
        // The parent reads why from the gate's other half: the code of the exit.
        libc::_exit(*libc::__errno_location() & 0x7f);
    }
}

/// Has Tokio watch a descriptor.
pub(super) fn watch(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` gives out one descriptor for as long as it lives, and nobody replaces it.
    unsafe { AsyncFd::register(fd) }.map_err(Into::into)
}

/// Closes every descriptor from `first` on.
pub(super) fn close_from(first: RawFd) {
    // SAFETY: called where a process begins its own life, before anything owns a descriptor from `first` on. The
    // worst outcome of an error (an old kernel) is that some stay open, which the caller checks by nothing.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) };
    if closed != 0 {
        for fd in first..1024 {
            // SAFETY: as above.
            unsafe { libc::close(fd) };
        }
    }
}

/// Takes ownership of the control socket of a container.
pub(super) fn adopt_socket() -> OwnedFd {
    // SAFETY: called once per process, by the container and by each child after it has put its own socket there;
    // nothing else in the process knows the number.
    unsafe { OwnedFd::from_raw_fd(SOCKET) }
}

/// Puts a child's descriptors where they belong: 1 and 2 are its output, 3 its packets, 4 what wakes it.
pub(super) fn arrange(packets: &OwnedFd, output: &OwnedFd, wake: &OwnedFd) -> io::Result<()> {
    for (from, to) in [(output, 1), (output, 2), (packets, SOCKET), (wake, WAKE)] {
        // SAFETY: the three were received at numbers above 4 (see `container`), so none is overwritten before it is
        // copied, and what the numbers meant before belongs to the container, of which this is a copy.
        if unsafe { libc::dup2(from.as_raw_fd(), to) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Which side of a fork this is.
pub(super) enum Forked {
    /// The new process.
    Child,
    /// The old one; the new one's id.
    Parent(i32),
}

/// Forks. Only the container does, which has one thread.
pub(super) fn fork() -> io::Result<Forked> {
    // SAFETY: the container is single-threaded, so no lock can be held by a thread that the child lacks.
    match unsafe { libc::fork() } {
        0 => Ok(Forked::Child),
        pid if pid > 0 => Ok(Forked::Parent(pid)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// How a child ended, and what it had used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reaped {
    pub(super) status: i32,
    pub(super) cpu: Duration,
    /// The most memory that it held at once, in bytes.
    pub(super) peak: u64,
}

/// Reaps a child that has ended; `None` if it has not.
pub(super) fn reap(pid: i32) -> io::Result<Option<Reaped>> {
    let mut status = 0;
    // SAFETY: an all-zero `rusage` is a valid one, and both pointers are to our own frame.
    let (found, used) = unsafe {
        let mut used: libc::rusage = std::mem::zeroed();
        (libc::wait4(pid, &raw mut status, libc::WNOHANG, &raw mut used), used)
    };
    let time = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
    match found {
        0 => Ok(None),
        found if found == pid => Ok(Some(Reaped {
            status,
            cpu: time(used.ru_utime) + time(used.ru_stime),
            peak: used.ru_maxrss as u64 * 1024,
        })),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Ends this process at once: no destructors, no handlers at exit, which belong to the container.
pub(super) fn exit(code: i32) -> ! {
    // SAFETY: `_exit` has no preconditions.
    unsafe { libc::_exit(code) }
}

/// Ends this process by a signal that it sends this process after this much CPU time.
pub(super) fn limit_cpu(limit: Duration) -> io::Result<()> {
    let value = libc::timeval {
        tv_sec: limit.as_secs() as libc::time_t,
        tv_usec: libc::suseconds_t::from(limit.subsec_micros().max(u32::from(limit.as_secs() == 0))),
    };
    let timer = libc::itimerval { it_interval: libc::timeval { tv_sec: 0, tv_usec: 0 }, it_value: value };
    // SAFETY: the pointers are to our own frame, and the old value is not asked for.
    if unsafe { libc::setitimer(libc::ITIMER_PROF, &raw const timer, std::ptr::null_mut()) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

static SUSPENDING: AtomicBool = AtomicBool::new(false);
static WOKEN: AtomicI32 = AtomicI32::new(-1);

/// Whether this process was asked to suspend itself.
pub(super) fn is_suspending() -> bool {
    // SeqCst, as in the handler: a thread that was woken by the descriptor has to see the flag.
    SUSPENDING.load(Ordering::SeqCst)
}

/// What becomes readable, and stays so, when this process is asked to suspend itself.
pub(super) fn wake() -> BorrowedFd<'static> {
    WOKEN.store(WAKE, Ordering::SeqCst);
    if is_suspending() {
        on_suspend(libc::SIGXCPU); // asked before anybody could be woken
    }
    // SAFETY: the descriptor is put there by `arrange` before a child does anything, and stays open for its life.
    unsafe { BorrowedFd::borrow_raw(WAKE) }
}

/// Handles what children are asked by signals, and what ends them without their doing. Handlers outlive a fork.
pub(super) fn handle_signals() -> io::Result<()> {
    let handle = |signal, handler: usize, flags| {
        // SAFETY: an all-zero `sigaction` is a valid one: no mask. The handlers are below, of the right type for their
        // flags, and only do what is allowed in handlers.
        let set = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler;
            action.sa_flags = flags;
            libc::sigaction(signal, &raw const action, std::ptr::null_mut())
        };
        if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    };
    // SAFETY: an empty mask blocks nothing; the pointers are to our own frame.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
    handle(libc::SIGXCPU, on_suspend as *const () as usize, libc::SA_RESTART | libc::SA_ONSTACK)?;
    let fault = on_fault as *const () as usize;
    handle(libc::SIGSEGV, fault, libc::SA_SIGINFO | libc::SA_ONSTACK)?;
    handle(libc::SIGBUS, fault, libc::SA_SIGINFO | libc::SA_ONSTACK)
}

extern "C" fn on_suspend(_: libc::c_int) {
    SUSPENDING.store(true, Ordering::SeqCst);
    let fd = WOKEN.load(Ordering::SeqCst);
    if fd >= 0 {
        let one = 1_u64;
        // SAFETY: `write` is allowed in handlers; eight bytes of our own frame. It leaves `errno` alone or the code it
        // interrupts sees one of a call that it did not make: it is put back.
        unsafe {
            let errno = *libc::__errno_location();
            libc::write(fd, (&raw const one).cast(), 8);
            *libc::__errno_location() = errno;
        }
    }
}

/// A fault beside the stack pointer is an overflow; every other one ends the process as it would without us.
extern "C" fn on_fault(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    const NEAR: usize = 64 * 1024;
    // SAFETY: the kernel hands both to a handler that was set with SA_SIGINFO; `_exit` and `signal` are allowed in
    // handlers. After the return the faulting instruction is tried again, and now ends the process.
    unsafe {
        let address = (*info).si_addr() as usize;
        if stack_pointer(context).is_some_and(|pointer| address.abs_diff(pointer) < NEAR) {
            libc::_exit(STACK);
        }
        libc::signal(signal, libc::SIG_DFL);
    }
}

/// # Safety
/// `context` is what the kernel gave to a handler.
unsafe fn stack_pointer(context: *const libc::c_void) -> Option<usize> {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: on this architecture the context is this type.
    let pointer =
        unsafe { (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs[libc::REG_RSP as usize] } as usize;
    #[cfg(target_arch = "aarch64")]
    // SAFETY: on this architecture the context is this type.
    let pointer = unsafe { (*context.cast::<libc::ucontext_t>()).uc_mcontext.sp } as usize;
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    return (!context.is_null()).then_some(pointer);
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        let _ = context;
        None
    }
}
