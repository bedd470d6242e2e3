//! Writes the new module: the original's sections, each with what is added at its end, and the functions anew.

mod added;
mod branch;
mod code;
mod frame;
mod function;
mod gate;
mod locals;
mod operands;
mod section;

use std::borrow::Cow;

use wasm_encoder::{
    ConstExpr, CustomSection, ExportKind, GlobalType, HeapType, MemoryType, RefType, TableType, ValType,
};

use self::added::{Added, Helper, helper_type};
use self::section::Section;
use super::body::Body;
use super::calls::Calls;
use super::model::Module;
use super::refusal::{Refusal, Size};
use super::{
    DEPTH, FRAMES, FUNCTIONS, GLOBAL, MEMORY, MOST_FRAME_PAGES, REDROP, START, STATE, Suspendable, TABLE,
    liveness,
};

const TYPES: u8 = 1;
const FUNCTIONS_ID: u8 = 3;
const TABLES: u8 = 4;
const MEMORIES: u8 = 5;
const GLOBALS: u8 = 6;
const EXPORTS: u8 = 7;
const START_ID: u8 = 8;
const ELEMENTS: u8 = 9;
const CODE: u8 = 10;

/// The order of the sections in a module. Sections with other ids belong to what is refused.
const ORDER: [u8; 12] =
    [TYPES, 2, FUNCTIONS_ID, TABLES, MEMORIES, GLOBALS, EXPORTS, START_ID, ELEMENTS, 12, CODE, 11];

/// The byte that begins a function's type.
const FUNCTION_TYPE: u32 = 0x60;

/// An active element segment: table, offset, type and expressions follow.
const EXPRESSIONS: u32 = 6;

/// The most bytes of a transformed module.
const MOST_BYTES: usize = 1 << 30;

pub(super) fn module(mut module: Module<'_>, calls: &Calls) -> Result<Suspendable, Refusal> {
    let added = Added::new(&module, calls);
    let mut points = 0;
    let mut code = Section::empty(CODE);
    for raw in std::mem::take(&mut module.bodies) {
        let (bytes, found) = function(&module, &added, raw, calls)?;
        points += found;
        code.add_function(&bytes);
        if code.len() > MOST_BYTES {
            return Err(Refusal::TooLarge { what: Size::Module, function: None, limit: MOST_BYTES });
        }
    }
    for helper in Helper::ALL {
        code.add_function(&added.body(helper));
    }
    let mut output = wasm_encoder::Module::new();
    for id in ORDER {
        match id {
            CODE => code.append_to(&mut output),
            // The start is a call like any other: it may be suspended, too.
            START_ID => {}
            _ => extended(&module, &added, id)?.append_to(&mut output),
        }
    }
    if let Some(data) = module.names {
        output.section(&CustomSection { name: Cow::Borrowed("name"), data: Cow::Borrowed(data) });
    }
    Ok(Suspendable {
        wasm: output.finish(),
        functions: calls.suspend.len(),
        suspending: calls.suspend.iter().filter(|suspends| **suspends).count(),
        points,
    })
}

/// One function's bytes, and how many points it has.
fn function<'a>(
    module: &Module<'a>,
    added: &Added,
    raw: super::model::Body<'a>,
    calls: &Calls,
) -> Result<(Vec<u8>, usize), Refusal> {
    let index = raw.validation.index;
    let drops = index.checked_sub(module.imported).and_then(|local| calls.drops.get(local as usize));
    if !calls.suspends(module, index) && drops != Some(&true) {
        let mut check = raw.validation.into_validator(Default::default());
        check.validate(&raw.body).map_err(|error| Refusal::found(&error, Some(index)))?;
        return Ok((raw.body.as_bytes().to_vec(), 0));
    }
    let mut body = Body::decode(module, raw, calls)?;
    liveness::fill(&mut body)?;
    Ok((function::write(module, added, &body)?, body.points.len()))
}

/// A section with what is added to it.
fn extended(module: &Module<'_>, added: &Added, id: u8) -> Result<Section, Refusal> {
    let mut section = Section::of(module, id)?;
    match id {
        TYPES => {
            for helper in Helper::ALL {
                let (parameters, results) = helper_type(helper);
                section.add(&[&FUNCTION_TYPE, &parameters.as_slice(), &results.as_slice()]);
            }
        }
        FUNCTIONS_ID => {
            for helper in Helper::ALL {
                section.add(&[&(added.types + helper as u32)]);
            }
        }
        TABLES if added.functions.is_some() => section.add(&[&functions_table(module)]),
        MEMORIES => {
            let maximum = Some(MOST_FRAME_PAGES);
            section.add(&[&MemoryType {
                minimum: 1,
                maximum,
                memory64: false,
                shared: false,
                page_size_log2: None,
            }]);
        }
        GLOBALS => {
            for _ in 0..2 + added.data.len() + added.elements.len() {
                let ty = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
                section.add(&[&ty, &ConstExpr::i32_const(0)]);
            }
        }
        EXPORTS => exports(module, added, &mut section),
        ELEMENTS => {
            if let Some(table) = added.functions {
                functions_element(module, table, &mut section);
            }
        }
        _ => {}
    }
    Ok(section)
}

/// A table with room for every function up to the last one to which a reference can exist.
fn functions_table(module: &Module<'_>) -> TableType {
    let size = module.referable.last().map_or(0, |last| u64::from(*last) + 1);
    TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: size,
        maximum: Some(size),
        shared: false,
    }
}

/// Puts each of these functions at its own index.
fn functions_element(module: &Module<'_>, table: u32, section: &mut Section) {
    let first = module.referable.first().copied().unwrap_or(0);
    let last = module.referable.last().copied().unwrap_or(0);
    let functions: Vec<ConstExpr> = (first..=last)
        .map(|function| match module.referable.contains(&function) {
            true => ConstExpr::ref_func(function),
            false => ConstExpr::ref_null(HeapType::FUNC),
        })
        .collect();
    let offset = ConstExpr::i32_const(first as i32);
    section.add(&[&EXPRESSIONS, &table, &offset, &RefType::FUNCREF, &functions.as_slice()]);
}

/// Whatever a snapshot has to hold is exported, so that a host finds it by name.
fn exports(module: &Module<'_>, added: &Added, section: &mut Section) {
    let mut export = |name: &str, kind: ExportKind, index: u32| section.add(&[&name, &kind, &index]);
    export(STATE, ExportKind::Global, added.state);
    export(DEPTH, ExportKind::Global, added.depth);
    export(FRAMES, ExportKind::Memory, added.frames);
    export(REDROP, ExportKind::Func, added.index(Helper::Redrop));
    if let Some(table) = added.functions {
        export(FUNCTIONS, ExportKind::Table, table);
    }
    if let Some(start) = module.start {
        export(START, ExportKind::Func, start);
    }
    let own = added.data.values().chain(added.elements.values()).copied();
    let mutable = module.globals.iter().enumerate().filter(|(_, global)| global.mutable);
    for global in mutable.map(|(index, _)| index as u32).chain(own) {
        export(&format!("{GLOBAL}{global}"), ExportKind::Global, global);
    }
    for memory in 0..module.memories {
        export(&format!("{MEMORY}{memory}"), ExportKind::Memory, memory);
    }
    for table in 0..module.tables.len() as u32 {
        export(&format!("{TABLE}{table}"), ExportKind::Table, table);
    }
}
