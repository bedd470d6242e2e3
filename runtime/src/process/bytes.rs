//! Bytes that are written once and read with suspicion: the primitives of snapshots and checkpoints.
//!
//! All numbers are little-endian. No length is believed before it is compared with what is there.

use super::snapshot::SnapshotError;

/// Writes, up to a limit.
pub(super) struct Writer {
    bytes: Vec<u8>,
    most: usize,
}

impl Writer {
    pub(super) fn new(most: usize) -> Self {
        Self { bytes: Vec::new(), most }
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        if bytes.len() > self.most - self.bytes.len() {
            return Err(SnapshotError::TooLarge { most: self.most });
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    pub(super) fn number(&mut self, number: usize) -> Result<(), SnapshotError> {
        self.put(&(number as u64).to_le_bytes())
    }

    /// A length, and so many bytes.
    pub(super) fn block(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.number(bytes.len())?;
        self.put(bytes)
    }

    pub(super) fn text(&mut self, text: &str) -> Result<(), SnapshotError> {
        self.block(text.as_bytes())
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads what may be anything.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    pub(super) offset: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    pub(super) fn corrupt(&self, what: &'static str) -> SnapshotError {
        SnapshotError::Corrupt { offset: self.offset, what }
    }

    pub(super) fn take(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], SnapshotError> {
        let end = self.offset.checked_add(count).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or_else(|| self.corrupt(what))?;
        let taken = &self.bytes[self.offset..end];
        self.offset = end;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], SnapshotError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, what)?);
        Ok(array)
    }

    pub(super) fn u32(&mut self, what: &'static str) -> Result<u32, SnapshotError> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    pub(super) fn u64(&mut self, what: &'static str) -> Result<u64, SnapshotError> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    pub(super) fn number(&mut self, what: &'static str) -> Result<usize, SnapshotError> {
        usize::try_from(self.u64(what)?).map_err(|_| self.corrupt(what))
    }

    pub(super) fn block(&mut self, what: &'static str) -> Result<&'a [u8], SnapshotError> {
        let count = self.number(what)?;
        self.take(count, what)
    }

    pub(super) fn text(&mut self, what: &'static str) -> Result<String, SnapshotError> {
        let bytes = self.block(what)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| self.corrupt(what))
    }

    pub(super) fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, SnapshotError>,
    ) -> Result<Vec<T>, SnapshotError> {
        let count = self.number("a count")?;
        // Every item takes at least four bytes: a count that lies ends here, and nothing is reserved for it.
        if count > (self.bytes.len() - self.offset) / 4 {
            return Err(self.corrupt("a count"));
        }
        (0..count).map(|_| item(self)).collect()
    }

    /// Refuses whatever follows.
    pub(super) fn end(&self) -> Result<(), SnapshotError> {
        if self.offset == self.bytes.len() { Ok(()) } else { Err(self.corrupt("the end")) }
    }
}
