//! Sections: the original's items as they stand, and after them what is added.

use wasm_encoder::{Encode, RawSection};
use wasmparser::BinaryReader;

use super::super::model::{Module, position};
use super::super::refusal::Refusal;

pub(super) struct Section {
    id: u8,
    count: u32,
    items: Vec<u8>,
}

impl Section {
    pub(super) fn empty(id: u8) -> Self {
        Self { id, count: 0, items: Vec::new() }
    }

    /// The original's section, or an empty one.
    pub(super) fn of(module: &Module<'_>, id: u8) -> Result<Self, Refusal> {
        let mut section = Self::empty(id);
        if let Some((_, range)) = module.sections.iter().find(|(other, _)| *other == id) {
            let bytes = &module.bytes[range.clone()];
            let mut reader = BinaryReader::new(bytes, range.start as u64);
            section.count = reader.read_var_u32().map_err(|error| Refusal::found(&error, None))?;
            section.items.extend_from_slice(&bytes[position(reader.original_position()) - range.start..]);
        }
        Ok(section)
    }

    /// Adds an item of these parts.
    pub(super) fn add(&mut self, parts: &[&dyn Encode]) {
        self.count += 1;
        for part in parts {
            part.encode(&mut self.items);
        }
    }

    /// Adds the bytes of a function.
    pub(super) fn add_function(&mut self, body: &[u8]) {
        self.add(&[&body]);
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn append_to(&self, module: &mut wasm_encoder::Module) {
        if self.count > 0 {
            let mut data = Vec::with_capacity(self.items.len() + 5);
            self.count.encode(&mut data);
            data.extend_from_slice(&self.items);
            module.section(&RawSection { id: self.id, data: &data });
        }
    }
}
