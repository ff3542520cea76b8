//! Randomness from counters: a draw is a function of what it is for, never of what was drawn before.

/// Spreads the bits of a number evenly, one to one: the finaliser of SplitMix64 (Steele, Lea, Flood 2014).
#[inline(always)]
pub fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What a draw is for; two purposes never share draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// Which part of the table a row belongs to.
    Split = 1,
    /// Rows from which a learner reads its bin edges.
    Sample = 2,
    /// Rows of one tree.
    RowSampling = 3,
    /// Columns of one tree.
    ColumnSampling = 4,
    /// What parameters begin with.
    Start = 5,
}

/// A stream of draws for one purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draws {
    key: u64,
}

impl Draws {
    /// The draws of `purpose` in `round` under the job's `seed`.
    pub fn new(seed: u64, purpose: Purpose, round: u64) -> Self {
        let key = mix(seed.wrapping_add(0x9e37_79b9_7f4a_7c15));
        let key = mix(key ^ (purpose as u64).wrapping_mul(0xd1b5_4a32_d192_ed03));
        Self { key: mix(key ^ round.wrapping_mul(0x8cb9_2ba7_2f3d_8dd7)) }
    }

    /// 64 random bits for the pair (`a`, `b`): a tile and a row, or a row and 0.
    #[inline(always)]
    pub fn bits(&self, a: u64, b: u64) -> u64 {
        mix(mix(self.key ^ a.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_add(b.wrapping_mul(0xd6e8_feb8_6659_fd93)))
    }

    /// 64 random bits for a name.
    pub fn bits_of_name(&self, name: &str) -> u64 {
        // FNV-1a over the bytes, then the mixer.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
        self.bits(hash, name.len() as u64)
    }

    /// A number in [0, 1) for the pair.
    #[inline(always)]
    pub fn uniform(&self, a: u64, b: u64) -> f64 {
        (self.bits(a, b) >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_even_and_apart() {
        let draws = Draws::new(7, Purpose::Split, 0);
        let n = 100_000;
        let mean = (0..n).map(|i| draws.uniform(i, 0)).sum::<f64>() / n as f64;
        assert!((mean - 0.5).abs() < 0.005, "{mean}");
        let low = (0..n).filter(|&i| draws.uniform(0, i) < 0.1).count();
        assert!((low as f64 / n as f64 - 0.1).abs() < 0.005, "{low}");
        assert_ne!(draws.bits(1, 2), draws.bits(2, 1));
        assert_ne!(draws.bits(1, 0), Draws::new(7, Purpose::Sample, 0).bits(1, 0));
        assert_ne!(draws.bits(1, 0), Draws::new(8, Purpose::Split, 0).bits(1, 0));
        assert_ne!(draws.bits_of_name("a"), draws.bits_of_name("b"));
    }
}
