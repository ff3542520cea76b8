//! A tile as bins, the way histograms read them: row by row, so that the few rows of a small node cost few cache lines.
//!
//! Columns of at most 256 bins lie in rows of bytes, in the order of layouts, and behind them the row's packed gradient;
//! other columns are columns of their own. Where rows go when a node is split is read from the tile's values instead,
//! which are a column each already.

use quelea_core::prefetch::prefetch;
use quelea_core::tile::Tile;

use super::bins::{Bins, Cuts};
use super::scale::{Packed, word_of};

/// The bytes that rows are made of: a row is a whole number of them, so that it is copied by a few wide moves.
pub(super) type Unit = [u8; 16];

/// How many rows ahead of the one that is copied memory is asked for; about as many as a core can wait for at once.
const AHEAD: usize = 24;

/// A tile's columns that may be split.
#[derive(Debug, Default)]
pub(super) struct Binned {
    /// How many rows there are.
    pub len: usize,
    /// Rows of bytes.
    rows: Vec<Unit>,
    /// Units of a row.
    units: usize,
    /// The byte of a row at which its packed gradient is.
    packed_at: usize,
    /// By feature where its bins are.
    places: Vec<Place>,
}

/// Where the bins of a feature are.
#[derive(Debug, Clone, Default)]
pub(super) enum Place {
    /// Nowhere: it cannot be split.
    #[default]
    Nowhere,
    /// At this byte of every row.
    Byte(usize),
    /// In a column.
    Column(Vec<u16>),
}

/// Rows of bytes, read by [`super::kernel`].
#[derive(Debug, Clone, Copy)]
pub(super) struct ByteRows<'a> {
    /// Row after row.
    pub bytes: &'a [u8],
    /// Bytes of a row.
    pub width: usize,
}

impl Binned {
    /// The bins of these features, ordered as layouts are.
    pub(super) fn new(features: &[usize], cuts: &[Cuts], tile: &Tile) -> Self {
        let narrow = features.iter().filter(|&&feature| cuts[feature].is_narrow()).count();
        let units = (narrow + size_of::<Packed>()).div_ceil(size_of::<Unit>());
        let mut rows = vec![Unit::default(); units * tile.rows];
        let mut places = vec![Place::Nowhere; cuts.len()];
        let mut at = 0;
        for &feature in features {
            places[feature] = match cuts[feature].bin(&tile.features[feature]) {
                Bins::Wide(bins) => Place::Column(bins),
                Bins::Narrow(bins) => {
                    let bytes = rows.as_flattened_mut().iter_mut().skip(at).step_by(units * size_of::<Unit>());
                    bytes.zip(bins).for_each(|(byte, bin)| *byte = bin);
                    at += 1;
                    Place::Byte(at - 1)
                }
            };
        }
        Self { len: tile.rows, rows, units, packed_at: narrow, places }
    }

    /// Writes the rows' packed gradients.
    pub(super) fn write(&mut self, packed: &[Packed]) {
        let rows = self.rows.as_flattened_mut().chunks_exact_mut(self.units * size_of::<Unit>());
        for (row, packed) in rows.zip(packed) {
            if let Some(place) = row.get_mut(self.packed_at..).and_then(|row| row.first_chunk_mut()) {
                *place = packed.to_ne_bytes();
            }
        }
    }

    /// Where the bins of `feature` are.
    pub(super) fn place(&self, feature: usize) -> &Place {
        &self.places[feature]
    }

    /// The rows from one to another, and the words that their packed gradients stand for.
    pub(super) fn between(&self, from: usize, to: usize, words: &mut Vec<i64>) -> ByteRows<'_> {
        let rows = &self.rows[from * self.units..to * self.units];
        words.clear();
        words.extend(rows.chunks_exact(self.units).map(|row| self.word(row)));
        self.byte_rows(rows)
    }

    /// These rows, copied into `copy` one behind the other, and their words: each is waited for once, and then read for
    /// all its columns.
    pub(super) fn gather<'a>(&self, these: &[u16], copy: &'a mut Vec<Unit>, words: &mut Vec<i64>) -> ByteRows<'a> {
        copy.resize(these.len() * self.units, Unit::default());
        words.resize(these.len(), 0);
        match self.units {
            1 => self.copy_rows::<1>(these, copy, words),
            2 => self.copy_rows::<2>(these, copy, words),
            units => {
                for ((&row, copy), word) in these.iter().zip(copy.chunks_exact_mut(units)).zip(words) {
                    let row = &self.rows[usize::from(row) * units..][..units];
                    copy.copy_from_slice(row);
                    *word = self.word(row);
                }
            }
        }
        self.byte_rows(copy)
    }

    /// [`Binned::gather`] for rows of N units, as they are for up to 28 columns: no call to copy each, and more of them
    /// are waited for at the same time.
    fn copy_rows<const N: usize>(&self, these: &[u16], copy: &mut [Unit], words: &mut [i64]) {
        let rows = self.rows.as_chunks::<N>().0;
        for (at, ((&row, copy), word)) in these.iter().zip(copy.as_chunks_mut::<N>().0).zip(words).enumerate() {
            if let Some(&ahead) = these.get(at + AHEAD) {
                prefetch(&rows[usize::from(ahead)]);
            }
            *copy = rows[usize::from(row)];
            *word = self.word(copy);
        }
    }

    #[inline(always)]
    fn word(&self, row: &[Unit]) -> i64 {
        let packed = row.as_flattened().get(self.packed_at..).and_then(|row| row.first_chunk());
        packed.map_or(0, |packed| word_of(Packed::from_ne_bytes(*packed)))
    }

    fn byte_rows<'a>(&self, rows: &'a [Unit]) -> ByteRows<'a> {
        ByteRows { bytes: rows.as_flattened(), width: self.units * size_of::<Unit>() }
    }

    /// The bin of a row in the column of `feature`.
    #[inline(always)]
    pub(super) fn bin(&self, feature: usize, row: usize) -> usize {
        match self.place(feature) {
            Place::Nowhere => 0,
            Place::Byte(at) => usize::from(self.rows.as_flattened()[row * self.units * size_of::<Unit>() + at]),
            Place::Column(bins) => usize::from(bins[row]),
        }
    }
}
