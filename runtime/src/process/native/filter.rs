//! Which system calls a process may make: to compute, allocate, wait, and talk over what it has open.
//!
//! Owns the filters. A call is let through if all of them do; the strictest verdict counts. The container lays on what is
//! common to its processes, which they inherit: it lets through what a process may do and, beside it, what it takes until
//! one is shut in. The last one takes that away, in each process by itself. The kernel asks a new filter about each call
//! that those before it let through, so what is laid on late is cheap only if it is small and comes after a list of what
//! is allowed: 0.05 ms instead of 0.45.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

/// The last filter, ready to be laid on: made once by the container, because making it allocates.
#[derive(Clone, Debug)]
pub(super) struct Filter(BpfProgram);

/// Stands in the last filter for the id of the process, which is known when it is laid on: no id is that large.
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

/// What a container does, and a process until it is shut in: fork, reap, hand over, make threads, set limits.
const BEFORE: &[i64] = &[
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_wait4,
    libc::SYS_pidfd_open,
    libc::SYS_sendmsg,
    libc::SYS_recvmsg,
    libc::SYS_epoll_create1,
    libc::SYS_eventfd2,
    libc::SYS_dup3,
    libc::SYS_close_range,
    libc::SYS_getppid,
    libc::SYS_prlimit64,
    libc::SYS_setitimer,
    libc::SYS_seccomp,
    libc::SYS_set_tid_address, // musl's forks begin with it
];

#[cfg(target_arch = "x86_64")]
const BEFORE_HERE: &[i64] = &[libc::SYS_dup2, libc::SYS_fork];
#[cfg(not(target_arch = "x86_64"))]
const BEFORE_HERE: &[i64] = &[];

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

impl Filter {
    /// # Errors
    /// If there is none for this processor.
    pub(super) fn new() -> Result<Self, seccompiler::Error> {
        let mut denied: BTreeMap<i64, Vec<SeccompRule>> =
            BEFORE.iter().chain(BEFORE_HERE).map(|call| (*call, Vec::new())).collect();
        denied.extend(unless()?);
        Ok(Self(filter(denied, SeccompAction::Allow, SeccompAction::Errno(libc::EPERM as u32))?))
    }

    /// Shuts this process in, all of its threads, for good.
    ///
    /// # Errors
    /// If the system has no seccomp.
    pub(super) fn apply(&mut self) -> Result<(), seccompiler::Error> {
        for instruction in self.0.iter_mut().filter(|instruction| instruction.k == ITSELF) {
            instruction.k = std::process::id();
        }
        seccompiler::apply_filter_all_threads(&self.0)
    }
}

/// Lays on what all processes of this container inherit.
///
/// # Errors
/// If the system has no seccomp, or this processor no filters.
pub(super) fn apply_common() -> Result<(), seccompiler::Error> {
    common()?.iter().try_for_each(|filter| seccompiler::apply_filter_all_threads(filter))
}

fn common() -> Result<[BpfProgram; 2], seccompiler::Error> {
    let deadly = DEADLY.iter().map(|call| (*call, Vec::new())).collect();
    let allowed = [ALLOWED, ALLOWED_HERE, BEFORE, BEFORE_HERE].concat().into_iter();
    let allowed = allowed.chain(unless()?.into_keys()).map(|call| (call, Vec::new())).collect();
    Ok([
        filter(deadly, SeccompAction::Allow, SeccompAction::KillProcess)?,
        filter(allowed, SeccompAction::Errno(libc::EPERM as u32), SeccompAction::Allow)?,
    ])
}

/// What a process may do unless one of these rules forbids it.
fn unless() -> Result<BTreeMap<i64, Vec<SeccompRule>>, seccompiler::Error> {
    let when = |argument, compare, value: u64| {
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, compare, value)
    };
    let has = |argument, bit: i32| {
        let bit = bit as u64;
        SeccompRule::new(vec![when(argument, SeccompCmpOp::MaskedEq(bit), bit)?])
    };
    let is_none_of = |argument, values: &[u64]| {
        let each = values.iter().map(|value| when(argument, SeccompCmpOp::Ne, *value));
        SeccompRule::new(each.collect::<Result<_, _>>()?)
    };
    Ok(BTreeMap::from([
        // Argument 2 is the protection, 3 the flags: nothing executable, and nothing shared, which no limit counts.
        (libc::SYS_mmap, vec![has(2, libc::PROT_EXEC)?, has(3, libc::MAP_SHARED)?]),
        (libc::SYS_mprotect, vec![has(2, libc::PROT_EXEC)?]),
        // `abort` signals its own thread. Others are not to be signalled, and the container has the same user.
        (libc::SYS_tgkill, vec![is_none_of(0, &[u64::from(ITSELF)])?]),
        (libc::SYS_kill, vec![is_none_of(0, &[u64::from(ITSELF)])?]),
        // A thread that was made before names itself.
        (libc::SYS_prctl, vec![is_none_of(0, &[libc::PR_SET_NAME as u64])?]),
        // Asking what a descriptor is changes nothing.
        (libc::SYS_fcntl, vec![is_none_of(1, &[libc::F_GETFD as u64, libc::F_GETFL as u64])?]),
    ]))
}

fn filter(
    calls: BTreeMap<i64, Vec<SeccompRule>>,
    others: SeccompAction,
    these: SeccompAction,
) -> Result<BpfProgram, seccompiler::Error> {
    let architecture = std::env::consts::ARCH.try_into()?;
    Ok(SeccompFilter::new(calls, others, these, architecture)?.try_into()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdict of a filter, by the rules of classic BPF (Linux, Documentation/networking/filter.rst), of which
    /// seccompiler writes a few.
    fn verdict(filter: &BpfProgram, call: i64, arguments: [u64; 6]) -> u32 {
        let mut data = (call as u32).to_ne_bytes().to_vec();
        data.extend(if cfg!(target_arch = "x86_64") { 0xC000_003E_u32 } else { 0xC000_00B7 }.to_ne_bytes());
        data.extend(0_u64.to_ne_bytes());
        arguments.iter().for_each(|argument| data.extend(argument.to_ne_bytes()));
        let (mut at, mut value) = (0, 0_u32);
        loop {
            let step = &filter[at];
            at += 1;
            let mut jump = |holds| at += usize::from(if holds { step.jt } else { step.jf });
            match step.code {
                0x20 => {
                    let from = step.k as usize;
                    value = u32::from_ne_bytes(data[from..from + 4].try_into().unwrap());
                }
                0x54 => value &= step.k,
                0x05 => at += step.k as usize,
                0x15 => jump(value == step.k),
                0x25 => jump(value > step.k),
                0x35 => jump(value >= step.k),
                0x06 => return step.k,
                code => panic!("an instruction that this test does not know: {code:#x}"),
            }
        }
    }

    const ALLOW: u32 = 0x7fff_0000;
    const MINE: u64 = 4711;

    /// What the processes' law is, said once more and the other way round.
    fn may(call: i64, arguments: [u64; 6]) -> bool {
        let [first, second, third, fourth, ..] = arguments.map(|argument| argument as u32 as i32);
        match call {
            libc::SYS_mmap => third & libc::PROT_EXEC == 0 && fourth & libc::MAP_SHARED == 0,
            libc::SYS_mprotect => third & libc::PROT_EXEC == 0,
            libc::SYS_kill | libc::SYS_tgkill => first == MINE as i32,
            libc::SYS_prctl => first == libc::PR_SET_NAME,
            libc::SYS_fcntl => second == libc::F_GETFD || second == libc::F_GETFL,
            call => ALLOWED.contains(&call) || ALLOWED_HERE.contains(&call),
        }
    }

    #[test]
    fn the_filters_together_let_through_what_is_allowed_and_nothing_else() {
        let mut filters = common().unwrap().to_vec();
        let mut last = Filter::new().unwrap().0;
        last.iter_mut().filter(|step| step.k == ITSELF).for_each(|step| step.k = MINE as u32);
        filters.push(last);
        let values = (0..18).chain([libc::F_DUPFD_CLOEXEC as u64, MINE, u64::from(u32::MAX), 1 << 32 | 1]);
        let values: Vec<u64> = values.collect();
        for call in 0..600 {
            let through = |arguments| filters.iter().all(|filter| verdict(filter, call, arguments) == ALLOW);
            for (one, other) in values.iter().flat_map(|one| values.iter().map(move |other| (*one, *other))) {
                for arguments in [[one, other, 0, 0, 0, 0], [0, 0, one, other, 0, 0]] {
                    assert_eq!(through(arguments), may(call, arguments), "call {call}, {arguments:?}");
                }
            }
        }
    }

    #[test]
    fn what_only_an_attack_calls_is_deadly_before_and_after() {
        let filters = common().unwrap();
        let kill = |call: &&i64| verdict(&filters[0], **call, [0; 6]) == 0x8000_0000;
        assert_eq!(DEADLY.iter().filter(kill).count(), DEADLY.len());
        assert!(BEFORE.iter().chain(ALLOWED).all(|call| !DEADLY.contains(call)));
    }
}
