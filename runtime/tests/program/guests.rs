//! Programs as text, and a host that offers them nothing.

use delay::process::control::Control;
use delay::process::engine::{Caps, Code, Engine, Fault, Host, Import, Instance, Metering, Wasmi, Wasmtime};
use delay::process::snapshot::{ModuleHash, Snapshot, Value};
use delay::process::suspend;

pub(crate) const ENGINES: [&dyn Engine; 2] = [&Wasmtime, &Wasmi];

pub(crate) const CAPS: Caps = Caps { memory: 16 << 20, elements: 1000, fuel: None };

/// A hash over many rounds, with calls, a table, globals and memory in every round: `run(rounds) -> i64`.
pub(crate) const WORK: &str = r#"(module
    (memory 2) (global $salt (mut i64) (i64.const 7))
    (type $t (func (param i64) (result i64)))
    (table 2 funcref) (elem (i32.const 0) $mix $turn)
    (func $mix (param i64) (result i64)
        (i64.mul (i64.xor (local.get 0) (i64.shr_u (local.get 0) (i64.const 33))) (i64.const 0xff51afd7ed558ccd)))
    (func $turn (param i64) (result i64) (i64.rotl (local.get 0) (i64.const 13)))
    (func $deep (param $n i32) (param $x i64) (result i64)
        (if (result i64) (local.get $n)
            (then (i64.add (call $deep (i32.sub (local.get $n) (i32.const 1)) (call_indirect (type $t) (local.get $x) (i32.and (local.get $n) (i32.const 1))))
                           (i64.extend_i32_u (local.get $n))))
            (else (local.get $x))))
    (func (export "work") (param $rounds i32) (result i64) (local $i i32) (local $x i64)
        (local.set $x (i64.const 1))
        (loop $l
            (local.set $x (call $deep (i32.const 5) (i64.add (local.get $x) (global.get $salt))))
            (global.set $salt (i64.xor (global.get $salt) (local.get $x)))
            (i64.store (i32.and (i32.wrap_i64 (local.get $x)) (i32.const 0xfff8)) (local.get $x))
            (local.set $x (i64.add (local.get $x) (i64.load (i32.and (i32.mul (local.get $i) (i32.const 40)) (i32.const 0xfff8)))))
            (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $rounds))))
        (local.get $x)))"#;

/// A host without functions.
pub(crate) struct Nothing;

impl Host for Nothing {
    fn find(&mut self, import: &Import<'_>) -> Result<u32, String> {
        Err(format!("there is no `{}.{}`", import.module, import.name))
    }

    fn call(&mut self, _: u32, _: &mut [u8], _: &[Value], _: &mut [Value]) -> Result<(), Fault> {
        unreachable!("nothing can be imported")
    }
}

pub(crate) fn bytes(wat: &str) -> Vec<u8> {
    wat::parse_str(wat).unwrap()
}

pub(crate) fn suspendable(wat: &str) -> Vec<u8> {
    suspend::transform(&bytes(wat)).unwrap().wasm
}

pub(crate) fn code(engine: &dyn Engine, wasm: &[u8], caps: Caps) -> Box<dyn Code> {
    let metering: Metering = caps.metering();
    engine.load(&engine.compile(wasm, metering).unwrap(), metering).unwrap()
}

/// An instance with nothing to import.
pub(crate) fn instance(
    engine: &dyn Engine,
    wasm: &[u8],
    caps: Caps,
    control: &Control,
) -> Result<Box<dyn Instance>, Fault> {
    code(engine, wasm, caps).instantiate(caps, Box::new(Nothing), control.clone())
}

/// What an unwound program is.
pub(crate) fn snapshot(instance: &mut dyn Instance, wasm: &[u8], function: &str) -> Snapshot {
    let saved = instance.save().unwrap();
    Snapshot {
        module: ModuleHash::of(wasm),
        function: function.to_owned(),
        globals: saved.globals,
        memories: saved.memories,
        tables: saved.tables,
    }
}

/// `UPDATE_GUESTS=1` writes the modules anew.
#[test]
fn modules_that_are_checked_in_are_made_of_their_texts() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["tests/program", "../examples/wasm_plugin", "../examples/survive_deploy"];
    let mut texts = 0;
    for folder in folders {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let text = entry.unwrap().path();
            if text.extension().is_none_or(|extension| extension != "wat") {
                continue;
            }
            texts += 1;
            let (module, made) = (text.with_extension("wasm"), wat::parse_file(&text).unwrap());
            if std::env::var_os("UPDATE_GUESTS").is_some() {
                std::fs::write(&module, &made).unwrap();
            }
            assert!(std::fs::read(&module).is_ok_and(|found| found == made), "{}", module.display());
        }
    }
    assert!(texts >= 7, "{texts}");
}
