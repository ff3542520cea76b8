//! The columns of a design matrix in kernels.

use quelea_core::tile::{MISSING, UNSEEN};

/// How a number enters the design matrix.
#[derive(Debug, Clone, Copy)]
pub struct Number {
    /// Replaces a missing value.
    pub fill: f32,
    /// Subtracted first.
    pub center: f32,
    /// Then multiplied with.
    pub scale: f64,
}

impl Number {
    /// The design's column.
    #[inline(always)]
    pub fn value(self, raw: f32) -> f64 {
        let filled = if raw.is_nan() { self.fill } else { raw };
        (f64::from(filled) - f64::from(self.center)) * self.scale
    }
}

/// The row of a category's table: its code, and two past the last for missing and unseen ones.
#[inline(always)]
pub fn table_row(code: u32, values: u32) -> usize {
    match code {
        MISSING => values as usize,
        UNSEEN => values as usize + 1,
        code => code as usize,
    }
}
