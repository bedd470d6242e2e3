//! Which system calls a process may make: to compute, allocate, wait, and talk over what it has open.
//!
//! Owns the two filters. A call is let through if all of them do; the strictest verdict counts.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

/// The filters, ready to be applied: made once by the container, because making them allocates.
#[derive(Clone, Debug)]
pub(super) struct Filters(Vec<BpfProgram>);

/// Stands in the filters for the id of the process, which is known when they are applied: no id is that large.
const ITSELF: u32 = 0x7fff_de1a;

/// What a process can do with what it has. Opening, connecting, starting and signalling are not among it.
const ALLOWED: &[i64] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_ppoll,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_ctl,
    libc::SYS_futex,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_sigaltstack,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_set_robust_list,
    libc::SYS_membarrier,
    libc::SYS_getrusage,
];

#[cfg(target_arch = "x86_64")]
const ALLOWED_HERE: &[i64] = &[libc::SYS_poll, libc::SYS_epoll_wait, libc::SYS_time];
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_HERE: &[i64] = &[];

/// What nothing but an attack would call here: it ends the process.
const DEADLY: &[i64] = &[
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
];

impl Filters {
    /// # Errors
    /// If there are none for this processor.
    pub(super) fn new() -> Result<Self, seccompiler::Error> {
        let mut allowed: BTreeMap<i64, Vec<SeccompRule>> =
            ALLOWED.iter().chain(ALLOWED_HERE).map(|call| (*call, Vec::new())).collect();
        // Argument 2 is the protection, 3 the flags: nothing executable, and nothing shared, which no limit counts.
        let not = |argument, bits: i32| {
            let equal = SeccompCmpOp::MaskedEq(bits as u64);
            SeccompCondition::new(argument, SeccompCmpArgLen::Dword, equal, 0)
        };
        let private = vec![not(2, libc::PROT_EXEC)?, not(3, libc::MAP_SHARED)?];
        allowed.insert(libc::SYS_mmap, vec![SeccompRule::new(private)?]);
        allowed.insert(libc::SYS_mprotect, vec![SeccompRule::new(vec![not(2, libc::PROT_EXEC)?])?]);
        // `abort` signals its own thread. Others are not to be signalled, and the container has the same user.
        for call in [libc::SYS_tgkill, libc::SYS_kill] {
            let itself =
                SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, u64::from(ITSELF))?;
            allowed.insert(call, vec![SeccompRule::new(vec![itself])?]);
        }
        // A thread that was made before names itself.
        let (dword, equal) = (SeccompCmpArgLen::Dword, SeccompCmpOp::Eq);
        let name = SeccompCondition::new(0, dword, equal, libc::PR_SET_NAME as u64)?;
        allowed.insert(libc::SYS_prctl, vec![SeccompRule::new(vec![name])?]);
        // Asking what a descriptor is changes nothing.
        for asks in [libc::F_GETFD, libc::F_GETFL] {
            let same = SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, asks as u64)?;
            allowed.entry(libc::SYS_fcntl).or_default().push(SeccompRule::new(vec![same])?);
        }
        let deadly = DEADLY.iter().map(|call| (*call, Vec::new())).collect();
        // The last to be applied forbids to apply more.
        let filters = [
            filter(deadly, SeccompAction::Allow, SeccompAction::KillProcess)?,
            filter(allowed, SeccompAction::Errno(libc::EPERM as u32), SeccompAction::Allow)?,
        ];
        Ok(Self(filters.into()))
    }

    /// Shuts this process in, all of its threads, for good.
    ///
    /// # Errors
    /// If the system has no seccomp.
    pub(super) fn apply(&mut self) -> Result<(), seccompiler::Error> {
        for instruction in self.0.iter_mut().flatten().filter(|instruction| instruction.k == ITSELF) {
            instruction.k = std::process::id();
        }
        self.0.iter().try_for_each(|filter| seccompiler::apply_filter_all_threads(filter))
    }
}

fn filter(
    calls: BTreeMap<i64, Vec<SeccompRule>>,
    others: SeccompAction,
    these: SeccompAction,
) -> Result<BpfProgram, seccompiler::Error> {
    let architecture = std::env::consts::ARCH.try_into()?;
    Ok(SeccompFilter::new(calls, others, these, architecture)?.try_into()?)
}
