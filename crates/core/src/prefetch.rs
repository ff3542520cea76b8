//! Memory that will soon be read. Tables and histograms do not fit the processor's caches; one that is asked for many places
//! before it needs the first waits for all of them at the same time.
#![expect(unsafe_code, reason = "there is no safe form of it, and reads that wait for their memory take twice as long")]

/// Asks for the memory at a place, and does not wait for it.
#[inline(always)]
pub fn prefetch<T>(soon: &T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: it changes nothing but what the caches hold, and the address is that of a reference.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(soon).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = soon;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_as_it_was() {
        let numbers: Vec<u64> = (0..10_000).collect();
        numbers.iter().rev().step_by(7).for_each(prefetch);
        prefetch(&());
        assert!(numbers.iter().copied().eq(0..10_000));
    }
}
