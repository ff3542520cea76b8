//! Numbers in fewer bytes than they have in memory, and back, exactly. Whoever wants short messages rounds numbers before
//! they come here; here nothing is lost, and what would not become shorter stays as it lies in memory.
//!
//! Integers go in groups of 64, each behind two bytes: a width, and a shift. The numbers of a group are multiples of
//! 2^shift and take `width` bytes each; or each has, in its lowest four bits, a shift of its own on top of that (so that
//! numbers of few digits and different sizes are short). Keys go as the differences between neighbours, seven bits to the
//! byte (LEB128). Values of few digits go as floats of 16 bits (5 of them exponent) or 8 (4), above an exponent of all.

use std::borrow::Cow;

use quelea_core::block::Block;

use crate::message::{Shape, bytes_of};

/// Integers of a group.
const GROUP: usize = 64;
/// Bytes before a group.
const BEFORE: usize = 2;
/// Set in the width of a group whose numbers have shifts of their own, of so many bits.
const OWN_SHIFTS: u8 = 0x80;
const SHIFT_BITS: u32 = 4;
const MOST_OWN_SHIFT: u32 = (1 << SHIFT_BITS) - 1;
/// Groups that are looked at to see whether packing a block is worth it.
const SAMPLED: usize = 64;

/// How a block is sent: its shape, and what lies beside the head.
pub(crate) fn sent(block: &Block) -> (Shape, Cow<'_, [u8]>) {
    let plain = || (Shape::of(block), Cow::Borrowed(bytes_of(block)));
    match block {
        Block::Integers(numbers) => packed_integers(numbers).map_or_else(plain, |packed| {
            let (len, bytes) = (numbers.len() as u64, packed.len() as u64);
            (Shape::PackedIntegers { len, bytes }, packed.into())
        }),
        Block::Keys(keys) => packed_keys(keys).map_or_else(plain, |packed| {
            let (len, bytes) = (keys.len() as u64, packed.len() as u64);
            (Shape::PackedKeys { len, bytes }, packed.into())
        }),
        Block::Values(values) => Floats::of(values).map_or_else(plain, |floats| {
            let Floats { half, below } = floats;
            (Shape::ShortValues { len: values.len() as u64, half, below }, floats.pack(values).into())
        }),
        Block::Fixed(_) | Block::Bag(_) | Block::Rows(_) => plain(),
    }
}

/// How the numbers of a group are written.
#[derive(Clone, Copy)]
struct Layout {
    width: usize,
    shift: u32,
    has_own_shifts: bool,
}

impl Layout {
    /// The shortest for these numbers.
    fn of(group: &[i64]) -> Self {
        let (mut all, mut magnitudes) = (0, 0);
        for &number in group {
            all |= number;
            magnitudes |= number ^ (number >> 63);
        }
        let shift = if all == 0 { 0 } else { all.trailing_zeros() };
        // One more bit for the sign.
        let width = ((65 - magnitudes.leading_zeros()).saturating_sub(shift) as usize).div_ceil(8).max(1);
        let common = Self { width, shift, has_own_shifts: false };
        Self::with_own_shifts(group, width).unwrap_or(common)
    }

    /// With a shift for each number, if that makes it shorter than `width` bytes.
    fn with_own_shifts(group: &[i64], width: usize) -> Option<Self> {
        let digits = |number: i64| (64 - number.unsigned_abs().leading_zeros()).saturating_sub(number.trailing_zeros());
        let mut most = 0;
        for &number in group {
            most = most.max(digits(number));
            if (most + 1 + SHIFT_BITS).div_ceil(8) as usize >= width {
                return None;
            }
        }
        let least = (most + 1 + SHIFT_BITS).div_ceil(8) as usize;
        (least..width).find_map(|width| {
            let room = mantissa_bits(width);
            let lowest = |number: &&i64| (64 - number.unsigned_abs().leading_zeros()).saturating_sub(room);
            let not_zero = || group.iter().filter(|number| **number != 0);
            let shift = not_zero().map(|number| number.trailing_zeros()).min()?;
            let most = not_zero().map(|number| lowest(&number)).max()?;
            (most <= shift + MOST_OWN_SHIFT).then_some(Self { width, shift: shift.min(most), has_own_shifts: true })
        })
    }

    fn bytes(self, numbers: usize) -> usize {
        BEFORE + numbers * self.width
    }

    fn write(self, group: &[i64], to: &mut Vec<u8>) {
        let flag = if self.has_own_shifts { OWN_SHIFTS } else { 0 };
        to.extend([self.width as u8 | flag, self.shift as u8]);
        let at = to.len();
        to.resize(at + group.len() * self.width, 0);
        let to = &mut to[at..];
        match self.width {
            1 => self.write_as::<1>(group, to),
            2 => self.write_as::<2>(group, to),
            3 => self.write_as::<3>(group, to),
            4 => self.write_as::<4>(group, to),
            5 => self.write_as::<5>(group, to),
            6 => self.write_as::<6>(group, to),
            7 => self.write_as::<7>(group, to),
            _ => self.write_as::<8>(group, to),
        }
    }

    #[inline(always)]
    fn write_as<const WIDTH: usize>(self, group: &[i64], to: &mut [u8]) {
        let room = mantissa_bits(WIDTH);
        for (&number, to) in group.iter().zip(to.chunks_exact_mut(WIDTH)) {
            let code = if self.has_own_shifts {
                let own = (64 - number.unsigned_abs().leading_zeros()).saturating_sub(room).saturating_sub(self.shift);
                (number >> (self.shift + own)) << SHIFT_BITS | i64::from(own)
            } else {
                number >> self.shift
            };
            to.copy_from_slice(&code.to_le_bytes()[..WIDTH]);
        }
    }

    fn read(self, from: &[u8], to: &mut Vec<i64>) {
        match self.width {
            1 => self.read_as::<1>(from, to),
            2 => self.read_as::<2>(from, to),
            3 => self.read_as::<3>(from, to),
            4 => self.read_as::<4>(from, to),
            5 => self.read_as::<5>(from, to),
            6 => self.read_as::<6>(from, to),
            7 => self.read_as::<7>(from, to),
            _ => self.read_as::<8>(from, to),
        }
    }

    #[inline(always)]
    fn read_as<const WIDTH: usize>(self, from: &[u8], to: &mut Vec<i64>) {
        let code = |bytes: &[u8]| {
            let mut code = [0; 8];
            code[8 - WIDTH..].copy_from_slice(bytes);
            i64::from_le_bytes(code) >> (64 - 8 * WIDTH)
        };
        let chunks = from.chunks_exact(WIDTH).map(code);
        if self.has_own_shifts {
            let own = |code: i64| (code & i64::from(MOST_OWN_SHIFT)) as u32;
            to.extend(chunks.map(|code| (code >> SHIFT_BITS).wrapping_shl(self.shift + own(code))));
        } else {
            to.extend(chunks.map(|code| code << self.shift));
        }
    }
}

/// Binary digits of a number that has a shift of its own.
fn mantissa_bits(width: usize) -> u32 {
    8 * width as u32 - SHIFT_BITS - 1
}

/// None where it would hardly be shorter.
fn packed_integers(numbers: &[i64]) -> Option<Vec<u8>> {
    let groups = numbers.chunks(GROUP);
    let step = groups.len().div_ceil(SAMPLED).max(1);
    let sampled = || numbers.chunks(GROUP).step_by(step);
    let (bytes, of): (usize, usize) =
        sampled().map(|group| (Layout::of(group).bytes(group.len()), size_of_val(group))).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    // What it costs must be worth it.
    if bytes * 16 > of * 15 {
        return None;
    }
    let mut packed = Vec::with_capacity(numbers.len() * bytes / (of / size_of::<i64>()).max(1) + GROUP);
    for group in groups {
        Layout::of(group).write(group, &mut packed);
    }
    (packed.len() < size_of_val(numbers)).then_some(packed)
}

/// Integers as they were packed; none if the bytes are not those of so many.
pub(crate) fn integers(mut bytes: &[u8], len: u64) -> Option<Vec<i64>> {
    let len = usize::try_from(len).ok().filter(|len| *len <= bytes.len())?;
    let mut numbers = Vec::with_capacity(len);
    while numbers.len() < len {
        let (&[width, shift], rest) = bytes.split_first_chunk::<BEFORE>()?;
        let layout = Layout { width: (width & !OWN_SHIFTS).into(), shift: shift.into(), has_own_shifts: width & OWN_SHIFTS != 0 };
        if !(1..=8).contains(&layout.width) || layout.shift > 63 {
            return None;
        }
        let (group, rest) = rest.split_at_checked(layout.width * GROUP.min(len - numbers.len()))?;
        layout.read(group, &mut numbers);
        bytes = rest;
    }
    bytes.is_empty().then_some(numbers)
}

/// None where it would not be shorter.
fn packed_keys(keys: &[u64]) -> Option<Vec<u8>> {
    let most = size_of_val(keys);
    let mut packed = Vec::with_capacity(most / 4);
    let mut before = 0u64;
    for &key in keys {
        let mut gap = key.wrapping_sub(before);
        before = key;
        while gap >= 0x80 {
            packed.push(gap as u8 | 0x80);
            gap >>= 7;
        }
        packed.push(gap as u8);
        if packed.len() >= most {
            return None;
        }
    }
    (!keys.is_empty()).then_some(packed)
}

/// Keys as they were packed; none if the bytes are not those of so many.
pub(crate) fn keys(bytes: &[u8], len: u64) -> Option<Vec<u64>> {
    let len = usize::try_from(len).ok().filter(|len| *len <= bytes.len())?;
    let mut keys = Vec::with_capacity(len);
    let (mut before, mut gap, mut shift) = (0u64, 0u64, 0);
    for &byte in bytes {
        if shift > 63 || (shift == 63 && byte > 1) || keys.len() == len {
            return None;
        }
        gap |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            before = before.wrapping_add(gap);
            keys.push(before);
            (gap, shift) = (0, 0);
        }
    }
    (keys.len() == len && shift == 0).then_some(keys)
}

/// How values are written as short floats: a sign, an exponent above `below` or 0 for zeros, and the first digits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Floats {
    /// Whether they have 16 bits, and not 8.
    pub half: bool,
    /// The exponent below all, as 32-bit floats have it.
    pub below: u8,
}

/// Digits of a 32-bit float behind the first.
const DIGITS: u32 = 23;

impl Floats {
    fn digits(self) -> u32 {
        if self.half { 10 } else { 3 }
    }

    fn most_exponent(self) -> u32 {
        if self.half { 31 } else { 15 }
    }

    /// Bytes of one.
    pub(crate) fn width(self) -> u64 {
        if self.half { 2 } else { 1 }
    }

    /// The shortest that holds these values exactly, if one does.
    fn of(values: &[f32]) -> Option<Self> {
        let (mut digits, mut least, mut most) = (0, u32::MAX, 0);
        for value in values {
            let bits = value.to_bits();
            let exponent = bits >> DIGITS & 0xff;
            if bits << 1 != 0 {
                digits |= bits;
                (least, most) = (least.min(exponent), most.max(exponent));
            }
            if digits.trailing_zeros() < 13 {
                return None;
            }
        }
        let below = least.min(most).saturating_sub(1) as u8;
        [false, true].map(|half| Self { half, below }).into_iter().find(|floats| {
            let is_short = digits << (32 - (DIGITS - floats.digits())) == 0;
            let is_within = (1..255).contains(&least) && most < 255 && most - u32::from(below) <= floats.most_exponent();
            is_short && (is_within || most == 0 && least == u32::MAX) && !values.is_empty()
        })
    }

    fn pack(self, values: &[f32]) -> Vec<u8> {
        let code = |value: &f32| {
            let bits = value.to_bits();
            let number = (bits & 0x7fff_ffff) >> (DIGITS - self.digits());
            let above = if number == 0 { 0 } else { number - (u32::from(self.below) << self.digits()) };
            (bits >> 31) << (self.digits() + if self.half { 5 } else { 4 }) | above
        };
        if self.half {
            values.iter().flat_map(|value| (code(value) as u16).to_le_bytes()).collect()
        } else {
            values.iter().map(|value| code(value) as u8).collect()
        }
    }

    /// Values as they were packed.
    pub(crate) fn unpack(self, bytes: &[u8]) -> Vec<f32> {
        let value = |code: u32| {
            let bits = self.digits() + if self.half { 5 } else { 4 };
            let (sign, above) = (code >> bits << 31, code & ((1 << bits) - 1));
            let number = if above >> self.digits() == 0 { 0 } else { above + (u32::from(self.below) << self.digits()) };
            f32::from_bits(sign | number << (DIGITS - self.digits()))
        };
        if self.half {
            bytes.chunks_exact(2).map(|code| value(u32::from(code[0]) | u32::from(code[1]) << 8)).collect()
        } else {
            let all: [f32; 256] = std::array::from_fn(|code| value(code as u32));
            bytes.iter().map(|code| all[usize::from(*code)]).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Numbers of few digits, as whoever rounds makes them, and others.
    fn number() -> impl Strategy<Value = i64> {
        prop_oneof![
            any::<i64>(),
            Just(0),
            (any::<i64>(), 0u32..64).prop_map(|(number, shift)| number >> shift),
            (-2_048i64..2_048, 0u32..52).prop_map(|(number, shift)| number << shift),
            (-8i64..8, 20u32..36).prop_map(|(number, shift)| number << shift),
        ]
    }

    fn short(digits: u32, range: std::ops::Range<u32>) -> impl Strategy<Value = f32> {
        let bits = (any::<bool>(), range, 0u32..1 << digits);
        let of = move |(sign, exponent, number): (bool, u32, u32)| {
            f32::from_bits(u32::from(sign) << 31 | exponent << 23 | number << (23 - digits))
        };
        prop_oneof![4 => bits.prop_map(of), 1 => prop_oneof![Just(0.0f32), Just(-0.0)]]
    }

    fn back(block: &Block) -> (Block, u64) {
        let (shape, bytes) = sent(block);
        assert_eq!(shape.bytes(), Some(bytes.len() as u64));
        let came = match shape {
            Shape::PackedIntegers { len, .. } => Block::Integers(integers(&bytes, len).expect("what was packed")),
            Shape::PackedKeys { len, .. } => Block::Keys(keys(&bytes, len).expect("what was packed")),
            Shape::ShortValues { half, below, .. } => Block::Values(Floats { half, below }.unpack(&bytes)),
            _ => block.clone(),
        };
        (came, bytes.len() as u64)
    }

    proptest! {
        #[test]
        fn integers_come_as_they_went(numbers in prop_oneof![vec(number(), 0..300), vec((-8i64..8, 20u32..36).prop_map(|(n, s)| n << s), 0..300)]) {
            let block = Block::Integers(numbers);
            prop_assert_eq!(back(&block).0, block);
        }

        #[test]
        fn keys_come_as_they_went(keys in prop_oneof![vec(any::<u64>(), 0..300), prop::collection::btree_set(0u64..20_000, 0..300).prop_map(|keys| keys.into_iter().collect())]) {
            let block = Block::Keys(keys);
            prop_assert_eq!(back(&block).0, block);
        }

        #[test]
        fn values_come_as_they_went_to_the_last_bit(values in prop_oneof![vec(short(3, 100..115), 0..100), vec(short(10, 90..121), 0..100), vec(any::<f32>(), 0..9)]) {
            let Block::Values(came) = back(&Block::Values(values.clone())).0 else { panic!("values") };
            let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&came), bits(&values));
        }

        #[test]
        fn noise_is_nothing_or_as_many_numbers_as_it_says(noise in vec(any::<u8>(), 0..300), len in 0u64..400) {
            prop_assert!(integers(&noise, len).is_none_or(|numbers| numbers.len() as u64 == len));
            prop_assert!(keys(&noise, len).is_none_or(|keys| keys.len() as u64 == len));
        }
    }

    #[test]
    fn numbers_take_the_bytes_that_they_need() {
        let bytes = |block: Block| back(&block).1;
        assert_eq!(bytes(Block::Integers((0..640).map(|number| number % 100).collect())), 640 + 20);
        assert_eq!(bytes(Block::Integers((0..640).map(|number| (number % 100 - 50) << 40).collect())), 640 + 20);
        // Three digits, and sizes 2^15 apart; eleven digits.
        assert_eq!(bytes(Block::Integers((0..640).map(|number| (number % 8 - 4) << (number % 13 + 30)).collect())), 640 + 20);
        assert_eq!(bytes(Block::Integers((0..640).map(|number| (number % 2_048) << (number % 15)).collect())), 1_280 + 20);
        assert_eq!(bytes(Block::Integers(vec![i64::MAX; 640])), 8 * 640);
        assert_eq!(bytes(Block::Keys((0..640).map(|number| number * 100).collect())), 640);
        assert_eq!(bytes(Block::Keys((0..640).map(|number: u64| number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect())), 8 * 640);
        assert_eq!(bytes(Block::Values(vec![0.0, 1.5, -0.125, 30.0])), 4);
        assert_eq!(bytes(Block::Values(vec![0.0, 1.001_953_1, -0.125, 3e4])), 8);
        assert_eq!(bytes(Block::Values(vec![0.1; 4])), 16);
    }
}
