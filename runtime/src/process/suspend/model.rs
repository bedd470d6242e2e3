//! The parsed module: what the transform has to know of it, and the raw bytes of all that it copies as it stands.

use std::collections::BTreeSet;
use std::ops::Range;

use wasmparser::{
    CompositeInnerType, ElementItems, ExternalKind, FuncToValidate, FuncType, FunctionBody, GlobalType,
    Operator, Parser, Payload, TableType, TypeRef, ValidPayload, Validator, ValidatorResources, WasmFeatures,
};

use super::refusal::Refusal;

/// What a module may use: WebAssembly 2.0, several memories, memory of 64 bits, arithmetic of 128 bits.
pub(super) const ACCEPTED: WasmFeatures = WasmFeatures::WASM2
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::MEMORY64)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::WIDE_ARITHMETIC);

/// A module whose sections are valid. Its functions are validated one by one, when they are decoded.
pub(super) struct Module<'a> {
    pub(super) bytes: &'a [u8],
    /// The sections by id, without those of custom names.
    pub(super) sections: Vec<(u8, Range<usize>)>,
    /// What the custom section `name` holds.
    pub(super) names: Option<&'a [u8]>,
    pub(super) types: Vec<FuncType>,
    /// The type of each function, imports first.
    pub(super) functions: Vec<u32>,
    /// How many functions are imported.
    pub(super) imported: u32,
    pub(super) globals: Vec<GlobalType>,
    pub(super) tables: Vec<TableType>,
    pub(super) memories: u32,
    pub(super) exports: Vec<&'a str>,
    pub(super) start: Option<u32>,
    /// The functions to which references can exist: only they can be called indirectly, or be found in a table.
    pub(super) referable: BTreeSet<u32>,
    pub(super) bodies: Vec<Body<'a>>,
}

/// A function's code, before it is validated.
pub(super) struct Body<'a> {
    pub(super) validation: FuncToValidate<ValidatorResources>,
    pub(super) body: FunctionBody<'a>,
}

impl<'a> Module<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let mut module = Self {
            bytes,
            sections: Vec::new(),
            names: None,
            types: Vec::new(),
            functions: Vec::new(),
            imported: 0,
            globals: Vec::new(),
            tables: Vec::new(),
            memories: 0,
            exports: Vec::new(),
            start: None,
            referable: BTreeSet::new(),
            bodies: Vec::new(),
        };
        module.read(bytes).map_err(|error| Refusal::found(&error, None))?;
        Ok(module)
    }

    fn read(&mut self, bytes: &'a [u8]) -> wasmparser::Result<()> {
        let mut validator = Validator::new_with_features(ACCEPTED);
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload?;
            // First, so that what is read below is known to be valid.
            if let ValidPayload::Func(validation, body) = validator.payload(&payload)? {
                self.bodies.push(Body { validation, body });
                continue;
            }
            if let Some((id, range)) = payload.as_section()
                && id != 0
            {
                self.sections.push((id, position(range.start)..position(range.end)));
            }
            self.section(payload)?;
        }
        Ok(())
    }

    fn section(&mut self, payload: Payload<'a>) -> wasmparser::Result<()> {
        match payload {
            Payload::TypeSection(reader) => {
                for group in reader {
                    for ty in group?.into_types() {
                        if let CompositeInnerType::Func(ty) = ty.composite_type.inner {
                            self.types.push(ty);
                        }
                    }
                }
            }
            Payload::ImportSection(reader) => {
                for import in reader.into_imports() {
                    match import?.ty {
                        TypeRef::Func(ty) => self.functions.push(ty),
                        TypeRef::Table(ty) => self.tables.push(ty),
                        TypeRef::Memory(_) => self.memories += 1,
                        TypeRef::Global(ty) => self.globals.push(ty),
                        _ => {}
                    }
                }
                self.imported = self.functions.len() as u32;
            }
            Payload::FunctionSection(reader) => {
                for ty in reader {
                    self.functions.push(ty?);
                }
            }
            Payload::TableSection(reader) => {
                for table in reader {
                    self.tables.push(table?.ty);
                }
            }
            Payload::MemorySection(reader) => self.memories += reader.count(),
            Payload::GlobalSection(reader) => {
                for global in reader {
                    let global = global?;
                    self.globals.push(global.ty);
                    self.refer(global.init_expr.get_operators_reader())?;
                }
            }
            Payload::ExportSection(reader) => {
                for export in reader {
                    let export = export?;
                    self.exports.push(export.name);
                    if export.kind == ExternalKind::Func {
                        self.referable.insert(export.index);
                    }
                }
            }
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::ElementSection(reader) => {
                for element in reader {
                    match element?.items {
                        ElementItems::Functions(functions) => {
                            for function in functions {
                                self.referable.insert(function?);
                            }
                        }
                        ElementItems::Expressions(_, expressions) => {
                            for expression in expressions {
                                self.refer(expression?.get_operators_reader())?;
                            }
                        }
                    }
                }
            }
            Payload::CustomSection(section) if section.name() == "name" => self.names = Some(section.data()),
            _ => {}
        }
        Ok(())
    }

    fn refer(&mut self, reader: wasmparser::OperatorsReader<'a>) -> wasmparser::Result<()> {
        for operator in reader {
            if let Operator::RefFunc { function_index } = operator? {
                self.referable.insert(function_index);
            }
        }
        Ok(())
    }

    /// The type of a function. An index that is out of range has a type of its own: the validator will say it.
    pub(super) fn type_of(&self, function: u32) -> Option<&FuncType> {
        self.types.get(*self.functions.get(function as usize)? as usize)
    }
}

/// An offset of the parser, as a position in the bytes: they are in memory, so it fits.
pub(super) fn position(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}
