//! Snapshots: what they hold, what they cost, and what bytes they refuse.

use delay::process::snapshot::{ModuleHash, Snapshot, SnapshotError, SnapshotLimits, Value};
use delay::process::suspend::{self, transform};
use wasmi::Val;

use crate::machine::{Mode, Outcome, Program};
use crate::smith::Random;

const LIMITS: SnapshotLimits = SnapshotLimits { bytes: 1 << 20, unpacked: 16 << 20 };

/// Ten pages of memory, of which little is used, and a table.
const GUEST: &str = r#"(module (memory 10) (table 2 funcref) (elem (i32.const 0) $f) (global (mut i64) (i64.const 7))
    (func $f (export "f") (param $n i32) (result i32) (local $i i32)
        (loop $l
            (i32.store (i32.mul (local.get $i) (i32.const 4)) (local.get $i))
            (i32.store (i32.const 400000) (i32.add (i32.load (i32.const 400000)) (local.get $i)))
            (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
        (i32.load (i32.const 400000))))"#;

fn guest() -> (Program, Snapshot) {
    let wasm = transform(&wat::parse_str(GUEST).unwrap()).unwrap().wasm;
    let program = Program::transformed(&wasm);
    let mut machine = program.started(Mode::Through).unwrap();
    let snapshot = program.suspend(&mut machine, "f", &[Val::I32(100)]);
    (program, snapshot)
}

fn bytes() -> (Snapshot, Vec<u8>) {
    let (_, snapshot) = guest();
    let bytes = snapshot.encode(LIMITS).unwrap();
    (snapshot, bytes)
}

#[test]
fn a_program_goes_on_from_its_bytes() {
    let (program, snapshot) = guest();
    let bytes = snapshot.encode(LIMITS).unwrap();
    let read = Snapshot::decode(&bytes, snapshot.module, LIMITS).unwrap();
    assert_eq!(read, snapshot);
    assert_eq!(program.resume(&read, &[Val::I32(0)]), Outcome::Values(vec!["i32 4950".into()]));
}

#[test]
fn pages_of_zeros_are_not_stored() {
    let (_, mut snapshot) = guest();
    let memory = snapshot.memories.iter_mut().find(|(name, _)| name.starts_with(suspend::MEMORY)).unwrap();
    memory.1[300_000] = 1;
    let bytes = snapshot.encode(LIMITS).unwrap();
    // One page of the memory, the frame, names and globals.
    assert!((4096..2 * 4096).contains(&bytes.len()), "{} bytes", bytes.len());
    assert_eq!(Snapshot::decode(&bytes, snapshot.module, LIMITS).unwrap(), snapshot);
}

#[test]
fn every_kind_of_value_is_kept() {
    let (_, mut snapshot) = guest();
    let values = [
        Value::I32(-1),
        Value::I64(i64::MIN),
        Value::F32(0x7fa0_0001),
        Value::F64(0x7ff4_0000_0000_0001),
        Value::V128(u128::MAX - 1),
        Value::Function(None),
        Value::Function(Some(3)),
    ];
    snapshot.globals.extend(values.iter().enumerate().map(|(index, value)| (format!("g{index}"), *value)));
    snapshot.tables.push(("t".into(), vec![None, Some(0), Some(9)]));
    let bytes = snapshot.encode(LIMITS).unwrap();
    assert_eq!(Snapshot::decode(&bytes, snapshot.module, LIMITS).unwrap(), snapshot);
}

#[test]
fn the_snapshot_of_another_module_is_refused() {
    let (snapshot, bytes) = bytes();
    let other = ModuleHash::of(b"another module");
    let error = Snapshot::decode(&bytes, other, LIMITS).unwrap_err();
    assert_eq!(error, SnapshotError::ForeignModule { expected: other, found: snapshot.module });
    assert!(error.to_string().contains(&other.to_string()), "{error}");
}

#[test]
fn another_version_is_refused() {
    let (snapshot, mut bytes) = bytes();
    bytes[12] += 1;
    let error = Snapshot::decode(&bytes, snapshot.module, LIMITS).unwrap_err();
    assert_eq!(error, SnapshotError::Version { version: 1, revision: suspend::REVISION + 1 });
}

#[test]
fn size_caps_hold_in_both_directions() {
    let (snapshot, bytes) = bytes();
    let tight = SnapshotLimits { bytes: bytes.len() - 1, ..LIMITS };
    let refused = SnapshotError::TooLarge { most: bytes.len() - 1 };
    assert_eq!(snapshot.encode(tight).unwrap_err(), refused);
    assert_eq!(Snapshot::decode(&bytes, snapshot.module, tight).unwrap_err(), refused);
    let exact = SnapshotLimits { bytes: bytes.len(), ..LIMITS };
    assert!(snapshot.encode(exact).is_ok());
    // Ten pages of 64 KiB and the frames do not fit.
    let small = SnapshotLimits { unpacked: 10 << 16, ..LIMITS };
    assert_eq!(
        Snapshot::decode(&bytes, snapshot.module, small).unwrap_err(),
        SnapshotError::TooLarge { most: 10 << 16 }
    );
}

#[test]
fn hostile_bytes_are_errors() {
    let (snapshot, bytes) = bytes();
    for end in 0..bytes.len() {
        assert!(
            Snapshot::decode(&bytes[..end], snapshot.module, LIMITS).is_err(),
            "{end} bytes of {}",
            bytes.len()
        );
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(Snapshot::decode(&longer, snapshot.module, LIMITS).is_err());
    let mut random = Random(3);
    let mut errors = 0;
    for _ in 0..20_000 {
        let mut bytes = bytes.clone();
        for _ in 0..1 + random.next() % 3 {
            let at = random.next() as usize % bytes.len();
            bytes[at] = random.next() as u8;
        }
        errors += usize::from(Snapshot::decode(&bytes, snapshot.module, LIMITS).is_err());
    }
    assert!(errors > 100, "{errors} errors");
}

#[test]
fn frames_that_do_not_fit_the_program_trap() {
    let (program, snapshot) = guest();
    let good = program.resume(&snapshot, &[Val::I32(0)]);
    assert!(matches!(good, Outcome::Values(_)), "{good:?}");
    let frames = snapshot.memories.iter().position(|(name, _)| name == suspend::FRAMES).unwrap();
    let depth = snapshot.globals.iter().position(|(name, _)| name == suspend::DEPTH).unwrap();
    let last = snapshot.memories[frames].1.len();
    // The point and the function are the last eight bytes.
    for (at, value) in [(last - 8, 99), (last - 8, 0), (last - 4, 99)] {
        let mut wrong = snapshot.clone();
        wrong.memories[frames].1[at] = value;
        assert_eq!(program.resume(&wrong, &[Val::I32(0)]), Outcome::Trap("UnreachableCodeReached".into()));
    }
    for (value, trap) in
        [(0, "MemoryOutOfBounds"), (4096, "UnreachableCodeReached"), (-1, "MemoryOutOfBounds")]
    {
        let mut wrong = snapshot.clone();
        wrong.globals[depth].1 = Value::I32(value);
        assert_eq!(program.resume(&wrong, &[Val::I32(0)]), Outcome::Trap(trap.into()), "{value}");
    }
}
