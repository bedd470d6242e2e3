//! Generated modules.

use arbitrary::Unstructured;
use delay::process::engine::Kind;
use delay::process::snapshot::Value;
use wasm_smith::{Config, MemoryOffsetChoices, Module};
use wasmparser::{ExternalKind, Parser, Payload};

use super::{Four, Tally};

/// A sequence of numbers that a seed decides (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

fn config(random: &mut Random) -> Config {
    Config {
        min_funcs: 3,
        max_funcs: 10,
        max_instructions: 300,
        max_imports: 6,
        max_memories: 2,
        max_tables: 3,
        max_globals: 8,
        max_table_elements: 1_000,
        export_everything: true,
        min_exports: 3,
        bulk_memory_enabled: true,
        reference_types_enabled: false,
        max_memory32_bytes: 1 << 20,
        max_memory64_bytes: 1 << 20,
        simd_enabled: random.next().is_multiple_of(2),
        multi_value_enabled: true,
        memory64_enabled: random.next().is_multiple_of(4),
        disallow_traps: !random.next().is_multiple_of(3),
        memory_offset_choices: MemoryOffsetChoices(90, 9, 1),
        // What not-a-number is made of is the engine's choice, and a program can look at it.
        canonicalize_nans: true,
        exceptions_enabled: false,
        gc_enabled: false,
        tail_call_enabled: false,
        threads_enabled: false,
        relaxed_simd_enabled: false,
        compact_imports_enabled: false,
        custom_page_sizes_enabled: false,
        ..Config::default()
    }
}

fn generate(seed: u64) -> Option<Vec<u8>> {
    let mut random = Random(seed);
    let config = config(&mut random);
    let bytes: Vec<u8> = (0..6_000).map(|_| random.next() as u8).collect();
    let mut module = Module::new(config, &mut Unstructured::new(&bytes)).ok()?;
    // So many loops and calls, then a trap: what is generated hardly ever ends by itself.
    module.ensure_termination(200).ok()?;
    Some(module.to_bytes())
}

/// The names of the exported functions.
fn exports(wasm: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        if let Ok(Payload::ExportSection(section)) = payload {
            let functions = section.into_iter().flatten().filter(|export| export.kind == ExternalKind::Func);
            names.extend(functions.map(|export| export.name.to_owned()));
        }
    }
    names
}

fn value(kind: Kind, random: &mut Random) -> Value {
    let bits = match random.next() % 3 {
        0 => random.next() % 8,
        1 => random.next() % 1_000,
        _ => random.next(),
    };
    match kind {
        Kind::I32 => Value::I32(bits as i32),
        Kind::I64 => Value::I64(bits as i64),
        Kind::F32 => Value::F32((bits as f32).to_bits()),
        Kind::F64 => Value::F64((bits as f64).to_bits()),
        kind => kind.zero(),
    }
}

#[test]
fn generated_modules_are_the_same_on_both_engines() {
    let count = std::env::var("DELAY_SMITH").ok().and_then(|count| count.parse().ok()).unwrap_or(100);
    let mut tally = Tally::default();
    for seed in 50_000..50_000 + count {
        let Some(wasm) = generate(seed) else { continue };
        let mut random = Random(!seed);
        let Some(mut four) = Four::new(&wasm, &mut tally) else { continue };
        for name in exports(&wasm) {
            let Some(kinds) = four.signature(&name) else { continue };
            let arguments: Vec<Value> = kinds.iter().map(|kind| value(*kind, &mut random)).collect();
            if !four.call(&format!("seed {seed}"), &name, &arguments, &mut tally) {
                break;
            }
        }
    }
    tally.report(&format!("{count} generated"));
    assert!(tally.invocations > 10 && tally.suspensions > 100, "{tally:?}");
}
