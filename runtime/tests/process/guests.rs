//! What processes of these tests run: the well-behaved, and every kind of the other.

// Faults and attacks cannot be written without it.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::net::{TcpStream, UdpSocket};

use delay::process::trap::Trap;
use delay::process::{Domain, Exit, Guest, Packet, entry};

entry!("value", |guest: Guest| Exit::value(guest.input()[0]));
entry!("code", |guest: Guest| std::process::exit(guest.input()[0].into()));
entry!("trap", |guest: Guest| Exit::trap(Trap::from_id(guest.input()[0]).unwrap()));
entry!("length", |guest: Guest| {
    println!("{}", guest.input().len());
    Exit::SUCCESS
});

/// Waits until it is asked to suspend itself.
fn wait(mut guest: Guest) -> Exit {
    println!("waiting");
    loop {
        match guest.receive() {
            Ok(None) => return Exit::SUSPENDED,
            Ok(Some(_)) => {}
            Err(_) => return Exit::value(1),
        }
    }
}
entry!("wait", wait);

entry!("work", |guest: Guest| {
    while !guest.is_suspending() {
        std::hint::spin_loop();
    }
    Exit::SUSPENDED
});

entry!("spin", |_: Guest| loop {
    std::hint::spin_loop();
});
entry!("abort", |_: Guest| std::process::abort());
entry!("panic", |_: Guest| panic!("no more paper"));

fn fault(_: Guest) -> Exit {
    let nowhere = std::ptr::without_provenance_mut::<u64>(4096);
    // SAFETY: none; that is the point. The page is not mapped, and the process dies of it.
    unsafe { nowhere.write_volatile(1) };
    Exit::SUCCESS
}
entry!("fault", fault);

#[allow(unconditional_recursion)]
fn deeper(depth: u64) -> u64 {
    let here = std::hint::black_box([depth; 64]);
    deeper(depth + 1) + here[7]
}
entry!("overflow", |_: Guest| Exit::value(deeper(0) as u8));

fn leak(_: Guest) -> Exit {
    let mut held = Vec::new();
    loop {
        held.push(std::hint::black_box(vec![1_u8; 1 << 20]));
    }
}
entry!("leak", leak);

fn talk(_: Guest) -> Exit {
    let mut out = std::io::stdout().lock();
    loop {
        if out.write_all(&[b'x'; 4096]).is_err() {
            return Exit::value(1);
        }
    }
}
entry!("talk", talk);

/// What was refused with "not permitted", a bit for each.
fn forbidden(_: Guest) -> Exit {
    let refused = |done: std::io::Result<()>| {
        let error = done.expect_err("it is forbidden");
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    };
    refused(File::open("/etc/passwd").map(drop));
    refused(File::create("/tmp/x").map(drop));
    refused(std::fs::read_dir("/").map(drop));
    refused(TcpStream::connect("127.0.0.1:1").map(drop));
    refused(UdpSocket::bind("127.0.0.1:0").map(drop));
    refused(std::os::unix::net::UnixStream::pair().map(drop));
    refused(std::process::Command::new("/bin/true").status().map(drop));
    // Making a thread is refused as well; glibc calls that "try again".
    assert!(std::thread::Builder::new().spawn(|| ()).is_err());
    Exit::SUCCESS
}
entry!("forbidden", forbidden);

fn call(number: libc::c_long, a: usize, b: usize, c: usize, d: usize) -> i64 {
    // SAFETY: for these tests, of calls that are refused before they look at their arguments.
    unsafe { libc::syscall(number, a, b, c, d, usize::MAX, 0) }
}

fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap()
}

fn bomb(_: Guest) -> Exit {
    for _ in 0..100_000 {
        // SAFETY: none needed: it is refused.
        if unsafe { libc::fork() } >= 0 {
            return Exit::value(1);
        }
    }
    if call(libc::SYS_clone, libc::SIGCHLD as usize, 0, 0, 0) >= 0 || errno() != libc::EPERM {
        return Exit::value(2);
    }
    Exit::SUCCESS
}
entry!("bomb", bomb);

fn executable_memory(_: Guest) -> Exit {
    let (rw, x) = (libc::PROT_READ | libc::PROT_WRITE, libc::PROT_EXEC);
    let (private, shared) = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
    for (protection, flags) in [(rw | x, private), (x, private), (rw, shared)] {
        if call(libc::SYS_mmap, 0, 4096, protection as usize, flags as usize) != -1 || errno() != libc::EPERM
        {
            return Exit::value(1);
        }
    }
    let page = call(libc::SYS_mmap, 0, 4096, rw as usize, private as usize);
    if page < 0 || call(libc::SYS_mprotect, page as usize, 4096, x as usize, 0) != -1 {
        return Exit::value(2);
    }
    Exit::SUCCESS
}
entry!("executable memory", executable_memory);

entry!("signal others", |_: Guest| {
    let own = std::process::id() as usize;
    for pid in [1, own + 1, -1_isize as usize, 0] {
        if call(libc::SYS_kill, pid, libc::SIGKILL as usize, 0, 0) != -1 || errno() != libc::EPERM {
            return Exit::value(1);
        }
    }
    Exit::SUCCESS
});

entry!("attack", |guest: Guest| {
    let calls = [libc::SYS_ptrace, libc::SYS_mount, libc::SYS_bpf, libc::SYS_unshare];
    call(calls[usize::from(guest.input()[0])], 0, 0, 0, 0);
    Exit::SUCCESS
});

/// What it has: its environment, its arguments, its open descriptors.
fn look_around(_: Guest) -> Exit {
    // SAFETY: asks about numbers, and changes nothing.
    let open: Vec<i32> = (0..1024).filter(|fd| unsafe { libc::fcntl(*fd, libc::F_GETFD) } >= 0).collect();
    println!("environment {:?}", std::env::vars_os().collect::<Vec<_>>());
    println!("descriptors {open:?}");
    Exit::SUCCESS
}
entry!("look around", look_around);

/// Opens what can be opened without a path, until there is no number left.
fn hoard(_: Guest) -> Exit {
    // SAFETY: `dup` of the output; it is refused as `fcntl` for a new number is.
    let duplicated = unsafe { libc::dup(1) };
    Exit::value(u8::from(duplicated >= 0))
}
entry!("hoard", hoard);

fn echo(mut guest: Guest) -> Exit {
    let (absent, echo) = (guest.discover("absent").unwrap(), guest.discover("echo").unwrap());
    assert_eq!(absent, None);
    let echo = echo.expect("the host has it");
    for length in [0, 1, 7, 8, 9, 60_000, Packet::CONTENT] {
        let question = vec![length as u8; length];
        assert_eq!(guest.call(echo, &question).unwrap(), question, "{length}");
    }
    Exit::value(3)
}
entry!("echo", echo);

/// Asks for the time and for randomness, and tells both.
fn built_in(mut guest: Guest) -> Exit {
    let mut find = |name: &str| guest.discover(name).unwrap().expect("the host has it");
    let (clock, random, log) = (find("clock"), find("random"), find("log"));
    let time = guest.call(clock, &[]).unwrap();
    println!("{}", u64::from_le_bytes(time.try_into().unwrap()));
    assert_eq!(guest.call(random, &[16, 0]).unwrap().len(), 16);
    let line = Packet { code: log, domain: Domain::Info, index: 0, content: b"a line".to_vec() };
    guest.send(&line).unwrap();
    Exit::value(1)
}
entry!("built in", built_in);

/// Two steps, told apart by what it was started with; after the first it suspends itself.
fn in_steps(mut guest: Guest) -> Exit {
    let mut find = |name: &str| guest.discover(name).unwrap().expect("the host has it");
    let (progress, step) = (find("progress"), find("step"));
    let is_done = guest.call(step, b"\0\x05first").unwrap();
    println!("{is_done:?}");
    let done: u64 = if is_done == [0] { 1 } else { 2 };
    let content = [done.to_le_bytes(), 2_u64.to_le_bytes()].concat();
    guest.send(&Packet { code: progress, domain: Domain::Info, index: 0, content }).unwrap();
    if done == 2 {
        return Exit::value(2);
    }
    assert!(guest.call(step, b"\x01\x05first 42").unwrap().is_empty());
    assert_eq!(guest.call(step, b"\0\x05first").unwrap(), b"\x01 42");
    assert_eq!(guest.call(step, b"\0\x05other").unwrap(), b"\0");
    Exit::SUSPENDED
}
entry!("in steps", in_steps);

/// Breaks a rule of the service that its input begins with, by the packet that follows.
fn liar(mut guest: Guest) -> Exit {
    let (name, content) =
        guest.input().split_at(guest.input().iter().position(|byte| *byte == b' ').unwrap());
    let (name, content) = (String::from_utf8(name.to_vec()).unwrap(), content[1..].to_vec());
    let code = guest.discover(&name).unwrap().expect("the host has it");
    let _ = guest.call(code, &content);
    Exit::SUCCESS
}
entry!("liar", liar);

/// Tells a service something, and suspends itself.
fn leave(mut guest: Guest) -> Exit {
    let echo = guest.discover("echo").unwrap().expect("the host has it");
    guest.call(echo, b"remember").unwrap();
    Exit::SUSPENDED
}
entry!("leave", leave);

/// Sends its input as it is, and waits for what comes of it.
fn raw(mut guest: Guest) -> Exit {
    let bytes = guest.input().to_vec();
    guest.send_raw(&bytes).unwrap();
    wait(guest)
}
entry!("raw", raw);

/// Sends its input as it is, and ends.
fn raw_and_end(mut guest: Guest) -> Exit {
    let bytes = guest.input().to_vec();
    guest.send_raw(&bytes).unwrap();
    Exit::SUCCESS
}
entry!("raw and end", raw_and_end);

/// Asks and never listens.
fn flood(mut guest: Guest) -> Exit {
    let echo = guest.discover("echo").unwrap().expect("the host has it");
    let call = Packet { code: echo, domain: Domain::Call, index: 0, content: vec![7; Packet::CONTENT] };
    loop {
        if guest.send(&call).is_err() {
            return Exit::value(1);
        }
    }
}
entry!("flood", flood);
