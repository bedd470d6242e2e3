//! What is refused before anything is emitted: names that are taken, and state that no snapshot could hold.
//!
//! What the functions themselves may not do (references that are live at a point, unknown instructions) is found where
//! they are decoded, in `body`.

use wasmparser::RefType;

use super::PREFIX;
use super::model::Module;
use super::refusal::{Holder, Refusal, Size};

/// The most that a module may weigh. Its transformed functions are bounded each, too.
const MOST_BYTES: usize = 256 << 20;

/// The most memories that engines and the validator allow.
const MOST_MEMORIES: u32 = 100;

pub(super) fn bytes(module: &[u8]) -> Result<(), Refusal> {
    if module.len() > MOST_BYTES {
        return Err(Refusal::TooLarge { what: Size::Module, function: None, limit: MOST_BYTES });
    }
    Ok(())
}

pub(super) fn module(module: &Module<'_>) -> Result<(), Refusal> {
    if let Some(name) = module.exports.iter().find(|name| name.starts_with(PREFIX)) {
        return Err(Refusal::ReservedName { name: (*name).to_owned() });
    }
    if module.memories >= MOST_MEMORIES {
        let limit = MOST_MEMORIES as usize;
        return Err(Refusal::TooLarge { what: Size::Memories, function: None, limit });
    }
    for (index, table) in module.tables.iter().enumerate() {
        if table.element_type != RefType::FUNCREF {
            return Err(Refusal::HostReference { holder: Holder::Table(index as u32) });
        }
    }
    for (index, global) in module.globals.iter().enumerate() {
        if global.mutable
            && let wasmparser::ValType::Ref(ty) = global.content_type
            && ty != RefType::FUNCREF
        {
            return Err(Refusal::HostReference { holder: Holder::Global(index as u32) });
        }
    }
    Ok(())
}
