//! Cuts encoded rows into tiles. A tile whose rows lie together in one part shares its numbers with it.

use std::sync::Arc;

use arrow::buffer::ScalarBuffer;
use quelea_core::schema::{Feature, FeatureKind, Hashed, Input};
use quelea_core::tile::{self, MISSING, Role, Tile, UNSEEN};
use rayon::prelude::*;

use super::Rows;
use super::features::{buckets, recode, time_part};
use super::part::Values;
use super::sparse::{self, TileRows};

/// Rows `from..to` of part `part`.
struct Segment {
    part: usize,
    from: usize,
    to: usize,
}

/// The tiles of `rows`. The weight of a row is multiplied with the factor of its class, if there are factors.
pub(crate) fn tiles(
    rows: &Rows,
    inputs: &[Input],
    features: &[Feature],
    class_factors: &[f32],
    role: Role,
    rows_per_tile: usize,
) -> Vec<Arc<Tile>> {
    // For each feature and each of its inputs, codes by part and by the part's own text.
    let codes: Vec<Vec<Vec<Vec<u32>>>> = features
        .par_iter()
        .map(|feature| match &feature.kind {
            FeatureKind::Category { values, .. } => vec![recode(feature.input, values, &rows.parts)],
            FeatureKind::Sparse { width, hashed, .. } => {
                hashed.iter().map(|of_column| buckets(of_column, &inputs[of_column.input].name, *width, &rows.parts)).collect()
            }
            FeatureKind::Number { .. } => Vec::new(),
        })
        .collect();
    segments(rows, rows_per_tile)
        .into_par_iter()
        .enumerate()
        .map(|(number, segments)| {
            let target = if rows.truth.is_empty() { Vec::new().into() } else { joined(&segments, |part| &rows.truth[part]) };
            Arc::new(Tile {
                number: number as u32,
                role,
                rows: segments.iter().map(|s| s.to - s.from).sum(),
                features: features.iter().zip(&codes).map(|(feature, codes)| values(rows, feature, codes, &segments)).collect(),
                weight: weights(rows, class_factors, &segments, &target),
                target,
            })
        })
        .collect()
}

fn segments(rows: &Rows, rows_per_tile: usize) -> Vec<Vec<Segment>> {
    let mut tiles = Vec::new();
    let (mut current, mut room) = (Vec::new(), rows_per_tile);
    for (part, of_part) in rows.parts.iter().enumerate() {
        let mut from = 0;
        while from < of_part.rows {
            let to = of_part.rows.min(from + room);
            room -= to - from;
            current.push(Segment { part, from, to });
            from = to;
            if room == 0 {
                tiles.push(std::mem::take(&mut current));
                room = rows_per_tile;
            }
        }
    }
    if !current.is_empty() {
        tiles.push(current);
    }
    tiles
}

fn values(rows: &Rows, feature: &Feature, codes: &[Vec<Vec<u32>>], segments: &[Segment]) -> tile::Values {
    let input = |part: usize| &rows.parts[part].inputs[feature.input];
    match &feature.kind {
        FeatureKind::Category { .. } => {
            let of_segment = |segment: &Segment| {
                let Values::Text(own, _) = input(segment.part) else { unreachable!("a category's values are texts") };
                let codes = &codes[0][segment.part];
                own[segment.from..segment.to].iter().map(move |&own| if own == MISSING { MISSING } else { codes[own as usize] })
            };
            tile::Values::Category(segments.iter().flat_map(of_segment).collect::<Vec<u32>>().into())
        }
        FeatureKind::Sparse { hashed, .. } if !hashed.is_empty() => hash(rows, hashed, codes, segments),
        FeatureKind::Sparse { width, .. } => {
            let of_segment = |segment: &Segment| match input(segment.part) {
                Values::Sparse(entries) => (entries, segment.from, segment.to),
                _ => unreachable!("a sparse feature's values are numbers by index"),
            };
            sparse::of_column(&segments.iter().map(of_segment).collect::<Vec<_>>(), *width)
        }
        FeatureKind::Number { part: None, .. } => tile::Values::Number(joined(segments, |part| match input(part) {
            Values::Number(values) => values,
            _ => unreachable!("a number's values are numbers"),
        })),
        FeatureKind::Number { part: Some(time), .. } => {
            let of_segment = |segment: &Segment| {
                let Values::Timestamp(values) = input(segment.part) else { unreachable!("a timestamp's values are timestamps") };
                values[segment.from..segment.to].iter().map(|&v| time_part(v, *time))
            };
            tile::Values::Number(segments.iter().flat_map(of_segment).collect::<Vec<f32>>().into())
        }
    }
}

/// The buckets of hashed columns; `buckets` has them by column, part and the part's own text.
fn hash(rows: &Rows, hashed: &[Hashed], buckets: &[Vec<Vec<u32>>], segments: &[Segment]) -> tile::Values {
    let mut tile = TileRows::new(false);
    for segment in segments {
        for row in segment.from..segment.to {
            for (of_column, buckets) in hashed.iter().zip(buckets) {
                let codes = match &rows.parts[segment.part].inputs[of_column.input] {
                    Values::Text(codes, _) => &codes[row..=row],
                    Values::Texts(entries, _) => &entries.indices[entries.row(row)],
                    _ => unreachable!("what is hashed is text"),
                };
                let buckets = codes.iter().filter_map(|&code| buckets[segment.part].get(code as usize).copied());
                buckets.filter(|&bucket| bucket != UNSEEN).for_each(|bucket| tile.push(bucket, 1.0));
            }
            tile.end_unordered();
        }
    }
    tile.finish()
}

/// The values of all segments; those of a single segment are not copied.
fn joined<'a>(segments: &[Segment], of_part: impl Fn(usize) -> &'a ScalarBuffer<f32>) -> ScalarBuffer<f32> {
    match segments {
        [only] => of_part(only.part).slice(only.from, only.to - only.from),
        _ => segments.iter().flat_map(|s| of_part(s.part)[s.from..s.to].iter().copied()).collect::<Vec<f32>>().into(),
    }
}

/// The weight of each row times the factor of its class; nothing when all are 1.
fn weights(rows: &Rows, class_factors: &[f32], segments: &[Segment], target: &[f32]) -> Option<ScalarBuffer<f32>> {
    let of_rows = rows.parts[segments[0].part]
        .weight
        .is_some()
        .then(|| joined(segments, |part| rows.parts[part].weight.as_ref().expect("every part has weights or none")));
    if class_factors.is_empty() {
        return of_rows;
    }
    let factors = target.iter().map(|&class| class_factors[class as usize]);
    Some(match of_rows {
        None => factors.collect::<Vec<f32>>().into(),
        Some(weights) => weights.iter().zip(factors).map(|(weight, factor)| weight * factor).collect::<Vec<f32>>().into(),
    })
}
