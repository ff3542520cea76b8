//! Bounds that spare distances (Hamerly 2010): per row, how far its centre is at the most and any other at the
//! least. They are widened by what rounding may do, so that the assignments are those of measuring everything.

use super::space::Centers;

/// A row that belongs to no centre yet.
pub const NONE: u32 = u32::MAX;

/// What a tile's rows are known to be: their centres and two bounds on distances.
#[derive(Debug, Clone)]
pub struct Assigned {
    /// The nearest centre.
    pub labels: Vec<u32>,
    /// No less than the distance to it.
    pub upper: Vec<f32>,
    /// No more than the distance to any other.
    pub lower: Vec<f32>,
}

impl Assigned {
    /// Rows of which nothing is known.
    pub fn nothing(rows: usize) -> Self {
        Self { labels: vec![NONE; rows], upper: vec![f32::INFINITY; rows], lower: vec![0.0; rows] }
    }
}

/// What the bounds need to know of a pass: how far the centres have moved, and how far apart they are.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// How far each centre has moved, at the most.
    moved: Vec<f32>,
    /// The largest of them but for each centre itself.
    others_moved: Vec<f32>,
    /// Half the distance of each centre to the nearest other, at the least.
    halves: Vec<f32>,
    /// By how much a measured distance may be off, as a factor.
    slack: f32,
    /// The same as a factor on the upper bound before it is compared: both distances may be off, and each squared.
    guard: f32,
    /// What is lost besides, as a distance: a square too small for 32 bits, or what cancels in a category's part.
    tiny: f32,
}

/// Rounds a bound of a few operations up or down.
const UP: f32 = 1.0 + 4.0 * f32::EPSILON;
const DOWN: f32 = 1.0 - 4.0 * f32::EPSILON;

impl Bounds {
    /// For a pass from `before`, if there was one, to `now`; a squared distance has a term per dense column and category.
    pub fn new(before: Option<&Centers>, now: &Centers, dense: usize, categories: usize) -> Self {
        let count = now.points.len();
        let moved: Vec<f32> = match before {
            None => vec![0.0; count],
            Some(before) => before.points.iter().zip(&now.points).map(|(a, b)| at_most(distance(a, b))).collect(),
        };
        let (mut largest, mut next) = ((0, 0.0f32), 0.0f32);
        for (center, &moved) in moved.iter().enumerate() {
            if moved > largest.1 {
                next = largest.1;
                largest = (center, moved);
            } else {
                next = next.max(moved);
            }
        }
        let others_moved = (0..count).map(|center| if center == largest.0 { next } else { largest.1 }).collect();
        // A sum of n squares of differences, each rounded, is off by a factor of 1 ± (n + 3)·2⁻²⁴ at the most; its root by half.
        let slack = (dense + categories + 8) as f32 * f32::EPSILON;
        // A category's part is a difference of doubles of size 1, so it is off by 4·10⁻¹⁶ at the most.
        let tiny = if categories == 0 { 1e-18 } else { 1e-7 * (categories as f32).sqrt() };
        Self { moved, others_moved, halves: halves(now), slack, guard: 1.0 + 2.0 * slack, tiny }
    }

    /// Moves a row's bounds along with the centres, and says whether its centre is still the nearest for sure.
    #[inline(always)]
    pub fn follow(&self, label: u32, upper: &mut f32, lower: &mut f32) -> bool {
        let label = label as usize;
        *upper = (*upper + self.moved[label]) * UP;
        *lower = ((*lower - self.others_moved[label]) * DOWN).max(0.0);
        self.holds(label, *upper, *lower)
    }

    /// Whether the centre of a row with these bounds is the nearest for sure.
    #[inline(always)]
    pub fn holds(&self, label: usize, upper: f32, lower: f32) -> bool {
        upper * self.guard + self.tiny < lower.max(self.halves[label])
    }

    /// No less than the distance whose square was measured.
    #[inline(always)]
    pub fn above(&self, square: f32) -> f32 {
        square.sqrt() * (1.0 + self.slack) + self.tiny
    }

    /// No more than the distance whose square was measured.
    #[inline(always)]
    pub fn below(&self, square: f32) -> f32 {
        (square.sqrt() * (1.0 - self.slack) - self.tiny).max(0.0)
    }
}

/// Half the distance of each centre to the nearest other.
fn halves(centers: &Centers) -> Vec<f32> {
    let points = &centers.points;
    let mut nearest = vec![f64::INFINITY; points.len()];
    for a in 0..points.len() {
        for b in 0..a {
            let distance = distance(&points[a], &points[b]);
            nearest[a] = nearest[a].min(distance);
            nearest[b] = nearest[b].min(distance);
        }
    }
    nearest.into_iter().map(|distance| (0.5 * distance) as f32 * (1.0 - 1e-6)).collect()
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    let mut lanes = [0.0; 8];
    for (a, b) in a.chunks(8).zip(b.chunks(8)) {
        for ((lane, &a), &b) in lanes.iter_mut().zip(a).zip(b) {
            let difference = f64::from(a) - f64::from(b);
            *lane += difference * difference;
        }
    }
    lanes.iter().sum::<f64>().sqrt()
}

/// As 32 bits, rounded up.
fn at_most(distance: f64) -> f32 {
    distance as f32 * UP + f32::MIN_POSITIVE
}
