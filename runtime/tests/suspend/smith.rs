//! Generated modules, three ways. `DELAY_SMITH=N` sets how many; 300 by default.

use arbitrary::Unstructured;
use wasm_smith::{Config, MemoryOffsetChoices, Module};
use wasmi::{Val, ValType};

use crate::differential::{Tally, Trio};

/// A sequence of numbers that a seed decides (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
}

fn config(random: &mut Random) -> Config {
    Config {
        min_funcs: 3,
        max_funcs: 12,
        max_instructions: 300,
        max_imports: 6,
        max_memories: 2,
        max_tables: 3,
        max_globals: 8,
        max_type_size: 200,
        max_table_elements: 1_000,
        export_everything: true,
        min_exports: 3,
        bulk_memory_enabled: true,
        // Most of these are refused: tables of the host's references, references in variables.
        reference_types_enabled: random.next().is_multiple_of(8),
        max_memory32_bytes: 1 << 20,
        max_memory64_bytes: 1 << 20,
        simd_enabled: random.next().is_multiple_of(2),
        multi_value_enabled: true,
        memory64_enabled: random.next().is_multiple_of(4),
        // Without it most of what is generated traps at once.
        disallow_traps: !random.next().is_multiple_of(3),
        memory_offset_choices: MemoryOffsetChoices(90, 9, 1),
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

pub(crate) fn generate(seed: u64) -> Option<Vec<u8>> {
    let mut random = Random(seed);
    let config = config(&mut random);
    let bytes = random.bytes(6_000);
    let mut module = Module::new(config, &mut Unstructured::new(&bytes)).ok()?;
    // So many loops and calls, then a trap: what is generated hardly ever ends by itself.
    module.ensure_termination(200).ok()?;
    Some(module.to_bytes())
}

fn value(ty: ValType, random: &mut Random) -> Val {
    let bits = match random.next() % 3 {
        0 => random.next() % 8,
        1 => random.next() % 1_000,
        _ => random.next(),
    };
    match ty {
        ValType::I32 => Val::I32(bits as i32),
        ValType::I64 => Val::I64(bits as i64),
        ValType::F32 => Val::F32((bits as f32).into()),
        ValType::F64 => Val::F64((bits as f64).into()),
        ty => Val::default_for_ty(ty),
    }
}

#[test]
fn generated_modules_are_the_same_three_ways() {
    let count = std::env::var("DELAY_SMITH").ok().and_then(|count| count.parse().ok()).unwrap_or(300);
    let mut tally = Tally::default();
    for seed in 0..count {
        let Some(wasm) = generate(seed) else { continue };
        let before = tally.differences.len();
        let Some(mut trio) = Trio::new(&wasm, &mut tally) else { continue };
        let mut random = Random(!seed);
        for (name, types) in trio.original.exported_functions() {
            let arguments: Vec<Val> = types.iter().map(|ty| value(*ty, &mut random)).collect();
            // Each in a fresh instance, with all of its steps before it.
            if !trio.restart(&mut tally) {
                break;
            }
            trio.call(&format!("seed {seed}"), &name, &arguments, &mut tally);
        }
        if tally.differences.len() > before {
            println!("seed {seed}: {:?}", &tally.differences[before..]);
        }
    }
    println!(
        "{count} generated: {} modules, {} points, {} invocations, {} suspensions, {} differences; skipped {}, refused {:?}",
        tally.modules,
        tally.points,
        tally.invocations,
        tally.suspensions,
        tally.differences.len(),
        tally.skipped,
        tally.refused
    );
    assert!(tally.differences.is_empty(), "{} differences", tally.differences.len());
    assert!(tally.invocations > count as usize && tally.suspensions > count as usize, "{tally:?}");
}
