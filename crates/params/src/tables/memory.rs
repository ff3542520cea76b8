//! Memory for large tables, straight from the system: zeros, on pages that are large where the system has such, so
//! that the processor has fewer of them to find.

use bytemuck::Pod;
use memmap2::MmapMut;

use crate::Problem;

/// Bytes of a large page.
pub const LARGE: usize = 1 << 21;

/// Numbers that begin as zeros.
#[derive(Debug)]
pub struct Memory {
    map: MmapMut,
}

impl Memory {
    /// So many bytes, at least 1.
    pub fn new(bytes: usize) -> Result<Self, Problem> {
        let map = MmapMut::map_anon(bytes).map_err(|_| Problem::Memory { bytes: bytes as u64 })?;
        #[cfg(target_os = "linux")]
        if bytes >= LARGE {
            // Where this is refused, pages are small.
            let _ = map.advise(memmap2::Advice::HugePage);
        }
        Ok(Self { map })
    }

    /// A copy.
    pub fn copy(&self) -> Result<Self, Problem> {
        let mut copy = Self::new(self.map.len())?;
        copy.map.copy_from_slice(&self.map);
        Ok(copy)
    }

    /// All of it as numbers of one kind, whose size must divide it.
    #[inline(always)]
    pub fn of<T: Pod>(&self) -> &[T] {
        bytemuck::cast_slice(&self.map)
    }

    /// All of it as numbers of one kind, whose size must divide it.
    #[inline(always)]
    pub fn of_mut<T: Pod>(&mut self) -> &mut [T] {
        bytemuck::cast_slice_mut(&mut self.map)
    }
}
