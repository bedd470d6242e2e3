//! The port: both engines do the same, and what one suspends the other resumes.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use delay::process::control::Control;
use delay::process::engine::{Caps, Code, Fault, Kind};
use delay::process::snapshot::{Snapshot, SnapshotLimits, Value};
use delay::process::suspend;
use delay::process::trap::Trap;

use crate::guests::{CAPS, ENGINES, Nothing, WORK, bytes, code, instance, snapshot, suspendable};

const ROUNDS: [Value; 1] = [Value::I32(20_000)];

#[test]
fn both_engines_compute_the_same() {
    let results = ENGINES.map(|engine| {
        let mut plain = instance(engine, &bytes(WORK), CAPS, &Control::default()).unwrap();
        let mut transformed = instance(engine, &suspendable(WORK), CAPS, &Control::default()).unwrap();
        [plain.call("work", &ROUNDS).unwrap(), transformed.call("work", &ROUNDS).unwrap()]
    });
    let first = &results[0][0];
    assert!(results.iter().flatten().all(|result| result == first), "{results:?}");
}

/// Runs to the end, asked to suspend itself at every point, on the engines in turn.
fn hop(codes: [&dyn Code; 2], wasm: &[u8], rounds: i32, most: usize) -> (Vec<Value>, usize) {
    let mut stored: Option<Vec<u8>> = None;
    for hops in 0.. {
        let code = codes[hops % codes.len()];
        let mut running = code.instantiate(CAPS, Box::new(Nothing), Control::default()).unwrap();
        let mut state = suspend::STATE_RUNNING;
        if let Some(stored) = &stored {
            let module = delay::process::snapshot::ModuleHash::of(wasm);
            running.restore(&Snapshot::decode(stored, module, SnapshotLimits::default()).unwrap()).unwrap();
            state = suspend::STATE_REWINDING;
        }
        if hops < most {
            state |= suspend::STATE_ASKED;
        }
        running.set_global(suspend::STATE, Value::I32(state)).unwrap();
        let results = running.call("work", &[Value::I32(rounds)]).unwrap();
        if !running.is_unwound() {
            return (results, hops);
        }
        let snapshot = snapshot(&mut *running, wasm, "work");
        stored = Some(snapshot.encode(SnapshotLimits::default()).unwrap());
    }
    unreachable!()
}

#[test]
fn a_snapshot_of_one_engine_is_resumed_by_the_other() {
    let wasm = suspendable(WORK);
    let codes = ENGINES.map(|engine| code(engine, &wasm, CAPS));
    let [wasmtime, wasmi] = [&*codes[0], &*codes[1]];
    let (expected, _) = hop([wasmi; 2], &wasm, 30, 0);
    for codes in [[wasmtime; 2], [wasmi; 2], [wasmtime, wasmi], [wasmi, wasmtime]] {
        let (results, hops) = hop(codes, &wasm, 30, 200);
        assert_eq!(results, expected, "{codes:?}");
        assert!(hops > 100, "{hops} suspensions on {codes:?}");
    }
}

#[test]
fn a_running_program_is_suspended_from_another_thread() {
    let wasm = suspendable(WORK);
    for engine in ENGINES {
        let control = Control::default();
        let mut running = instance(engine, &wasm, CAPS, &control).unwrap();
        let (began, begun) = mpsc::channel();
        let asked = control.clone();
        let asker = std::thread::spawn(move || {
            begun.recv().unwrap();
            asked.suspend();
        });
        began.send(()).unwrap();
        // For ever, as far as this test goes.
        running.call("work", &[Value::I32(-1)]).unwrap();
        assert!(running.is_unwound(), "{}", engine.name());
        asker.join().unwrap();
    }
}

#[test]
fn a_program_that_was_asked_before_it_began_is_suspended_at_its_first_point() {
    for engine in ENGINES {
        let control = Control::default();
        let mut running = instance(engine, &suspendable(WORK), CAPS, &control).unwrap();
        control.suspend();
        running.call("work", &[Value::I32(-1)]).unwrap();
        assert!(running.is_unwound(), "{}", engine.name());
    }
}

#[test]
fn a_program_is_killed_whether_it_can_be_suspended_or_not() {
    for engine in ENGINES {
        for wasm in [bytes(WORK), suspendable(WORK)] {
            let control = Control::default();
            let mut running = instance(engine, &wasm, CAPS, &control).unwrap();
            let killer = std::thread::spawn(move || control.kill());
            assert_eq!(running.call("work", &[Value::I32(-1)]).unwrap_err().trap, Trap::Killed);
            killer.join().unwrap();
            let again = running.call("work", &[Value::I32(1)]).unwrap_err();
            assert_eq!(again.trap, Trap::Killed, "a killed program stays so: {}", engine.name());
        }
    }
}

#[test]
fn one_program_is_suspended_and_its_neighbour_runs_on() {
    let wasm = suspendable(WORK);
    for engine in ENGINES {
        let (one, other) = (Control::default(), Control::default());
        let mut neighbour = instance(engine, &wasm, CAPS, &other).unwrap();
        let mut asked = instance(engine, &wasm, CAPS, &one).unwrap();
        std::thread::scope(|scope| {
            let neighbour = scope.spawn(move || {
                let results = neighbour.call("work", &ROUNDS).unwrap();
                (results, neighbour.is_unwound())
            });
            one.suspend();
            asked.call("work", &[Value::I32(-1)]).unwrap();
            assert!(asked.is_unwound());
            let (_, unwound) = neighbour.join().unwrap();
            assert!(!unwound, "{}", engine.name());
        });
    }
}

#[test]
fn fuel_ends_a_program_and_is_counted_across_suspensions() {
    let caps = Caps { fuel: Some(2_000_000), ..CAPS };
    for engine in ENGINES {
        let mut running = instance(engine, &bytes(WORK), caps, &Control::default()).unwrap();
        let before = running.fuel().unwrap();
        running.call("work", &[Value::I32(10)]).unwrap();
        let after = running.fuel().unwrap();
        assert!(after < before && after > 0, "{before} {after} {}", engine.name());
        let fault = running.call("work", &[Value::I32(-1)]).unwrap_err();
        assert_eq!((fault.trap, fault.text.as_str()), (Trap::Killed, "its fuel is used up"));
    }
}

#[test]
fn memory_beyond_the_cap_is_refused_to_the_program() {
    let wat = r#"(module (memory 1) (func (export "grow") (result i32) (local $n i32)
        (loop $l (br_if $l (i32.ne (local.tee $n (memory.grow (i32.const 16))) (i32.const -1)))) (memory.size)))"#;
    for engine in ENGINES {
        let mut running = instance(engine, &bytes(wat), CAPS, &Control::default()).unwrap();
        let pages = running.call("grow", &[]).unwrap();
        assert_eq!(pages, [Value::I32(241)], "16 MiB are 256 pages: {}", engine.name());
    }
    let large = bytes("(module (memory 300))");
    for engine in ENGINES {
        let fault = instance(engine, &large, CAPS, &Control::default()).err().unwrap();
        assert_eq!(fault.trap, Trap::Killed, "{fault}");
        assert!(fault.text.contains("memory"), "{fault}");
    }
}

#[test]
fn every_trap_is_told_by_its_kind() {
    let wat = r#"(module (memory 1) (type $v (func)) (type $i (func (result i32))) (table 2 funcref) (elem (i32.const 0) $v)
        (func $v)
        (func (export "unreachable") unreachable)
        (func $r (export "recursion") (call $r) (call $r))
        (func (export "memory") (drop (i32.load (i32.const 0x10000000))))
        (func (export "table") (call_indirect (type $v) (i32.const 7)))
        (func (export "null") (call_indirect (type $v) (i32.const 1)))
        (func (export "signature") (drop (call_indirect (type $i) (i32.const 0))))
        (func (export "zero") (drop (i32.div_s (i32.const 1) (i32.const 0))))
        (func (export "overflow") (drop (i32.div_s (i32.const 0x80000000) (i32.const -1))))
        (func (export "conversion") (drop (i32.trunc_f32_s (f32.const nan)))))"#;
    let table = [
        ("nothing", Trap::NoFunction),
        ("unreachable", Trap::Unreachable),
        ("recursion", Trap::CallStackExhausted),
        ("memory", Trap::MemoryAccessOutOfBounds),
        ("table", Trap::IndirectCallIndexOutOfBounds),
        ("null", Trap::IndirectCallIndexOutOfBounds),
        ("signature", Trap::IndirectCallSignatureMismatch),
        ("zero", Trap::IntegerDivideByZero),
        ("overflow", Trap::IntegerOverflow),
        ("conversion", Trap::IntegerOverflow),
    ];
    for engine in ENGINES {
        for wasm in [bytes(wat), suspendable(wat)] {
            for (function, trap) in table {
                let mut running = instance(engine, &wasm, CAPS, &Control::default()).unwrap();
                let fault = running.call(function, &[]).unwrap_err();
                assert_eq!(fault.trap, trap, "{function} on {}: {fault}", engine.name());
            }
        }
    }
}

#[test]
fn an_import_that_nobody_offers_is_told_by_its_name() {
    let wasm = bytes(r#"(module (import "env" "f" (func)))"#);
    let memory = bytes(r#"(module (import "env" "m" (memory 1)))"#);
    for engine in ENGINES {
        let fault = instance(engine, &wasm, CAPS, &Control::default()).err().unwrap();
        assert_eq!(fault, Fault::new(Trap::AbiDeficiency, "there is no `env.f`"));
        let fault = instance(engine, &memory, CAPS, &Control::default()).err().unwrap();
        assert!(fault.text.contains("`env.m`"), "{fault}");
    }
}

#[test]
fn what_is_no_module_is_refused_in_words() {
    for engine in ENGINES {
        for wrong in [&b""[..], b"\0asm", b"hello", &bytes("(module)")[..7]] {
            let fault = engine.compile(wrong, CAPS.metering()).unwrap_err();
            assert_eq!(fault.trap, Trap::AbiDeficiency, "{fault}");
            assert!(!fault.text.is_empty());
        }
    }
}

#[test]
fn an_export_is_described() {
    for engine in ENGINES {
        let mut running = instance(engine, &bytes(WORK), CAPS, &Control::default()).unwrap();
        assert_eq!(running.signature("work"), Some((vec![Kind::I32], vec![Kind::I64])));
        assert_eq!(running.signature("other"), None);
    }
}

#[test]
fn a_damaged_snapshot_is_a_fault_and_not_a_panic() {
    let wasm = suspendable(WORK);
    for engine in ENGINES {
        let control = Control::default();
        let mut running = instance(engine, &wasm, CAPS, &control).unwrap();
        control.suspend();
        running.call("work", &[Value::I32(9)]).unwrap();
        let good = snapshot(&mut *running, &wasm, "work");
        let restore = |snapshot: &Snapshot| {
            let mut fresh = instance(engine, &wasm, CAPS, &Control::default()).unwrap();
            fresh.restore(snapshot).map_err(|fault| fault.trap)
        };
        assert_eq!(restore(&good), Ok(()));
        let mut unknown = good.clone();
        unknown.globals.push(("delay.global.99".into(), Value::I32(1)));
        assert_eq!(restore(&unknown), Err(Trap::AbiViolation));
        let mut mistyped = good.clone();
        mistyped.globals[0].1 = Value::V128(1);
        assert_eq!(restore(&mistyped), Err(Trap::AbiViolation));
        let mut no_function = good.clone();
        no_function.tables[0].1[0] = Some(4_000);
        assert_eq!(restore(&no_function), Err(Trap::AbiViolation));
        let mut large = good.clone();
        large.memories[0].1 = vec![1; 200 << 20];
        assert_eq!(restore(&large), Err(Trap::Killed));
    }
}

#[test]
fn many_instances_do_not_disturb_each_other() {
    let wasm = suspendable(WORK);
    let code = code(ENGINES[0], &wasm, CAPS);
    let fresh = |control: &Control| code.instantiate(CAPS, Box::new(Nothing), control.clone()).unwrap();
    let expected = fresh(&Control::default()).call("work", &[Value::I32(2000)]).unwrap();
    let until = Instant::now() + Duration::from_millis(500);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while Instant::now() < until {
                    let control = Control::default();
                    let mut running = fresh(&control);
                    let asker = control.clone();
                    let asker = std::thread::spawn(move || asker.suspend());
                    let mut results = running.call("work", &[Value::I32(2000)]).unwrap();
                    asker.join().unwrap();
                    if running.is_unwound() {
                        let stored = snapshot(&mut *running, &wasm, "work");
                        let mut fresh = fresh(&Control::default());
                        fresh.restore(&stored).unwrap();
                        fresh.set_global(suspend::STATE, Value::I32(suspend::STATE_REWINDING)).unwrap();
                        results = fresh.call("work", &[Value::I32(0)]).unwrap();
                    }
                    assert_eq!(results, expected);
                }
            });
        }
    });
}
