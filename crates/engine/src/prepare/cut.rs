//! Cuts encoded rows into tiles. A tile whose rows lie together in one part shares its numbers with it.

use std::sync::Arc;

use arrow::buffer::ScalarBuffer;
use quelea_core::schema::{Feature, FeatureKind, Hashed, Input};
use quelea_core::tile::{self, MISSING, Role, Tile, UNSEEN};
use rayon::prelude::*;

use super::Rows;
use super::categories::recode;
use super::features::{buckets, time_part};
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
            FeatureKind::Category { values, aliases, .. } => vec![recode(feature.input, values, aliases, &rows.parts)],
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, AsArray, Float32Builder, Int64Builder, ListBuilder, MapBuilder, StringArray, StringBuilder, StringDictionaryBuilder,
    };
    use quelea_core::hash::bucket;
    use quelea_core::schema::{InputKind, Target};

    use super::super::part::Part;
    use super::super::sparse::Entries;
    use super::*;

    const ROWS: usize = 50;
    const TEXTS: [&str; 4] = ["a", "b", "c", "unseen"];

    /// Row `row` of a column: up to three entries, the largest first.
    fn row(row: usize) -> Vec<(u32, f32)> {
        (0..row % 4).rev().map(|entry| ((row * 7 + entry * 11) as u32 % 40, entry as f32 + 0.5)).collect()
    }

    /// What the lists of a row of texts hold, as indices of [`TEXTS`].
    fn texts(row: usize) -> Vec<u32> {
        (0..row % 3).map(|text| ((row + text) % TEXTS.len()) as u32).collect()
    }

    /// The rows `from..to`: a sparse column, a column of texts, one of lists of texts.
    fn part(from: usize, to: usize) -> Part {
        let mut maps = MapBuilder::new(None, Int64Builder::new(), Float32Builder::new());
        let mut lists = ListBuilder::new(StringBuilder::new());
        for at in from..to {
            for (index, value) in row(at) {
                maps.keys().append_value(index.into());
                maps.values().append_value(value);
            }
            maps.append(true).unwrap();
            lists.append_value(texts(at).into_iter().map(|text| Some(TEXTS[text as usize])));
        }
        let mut sparse = Entries::default();
        sparse.extend(&(Arc::new(maps.finish()) as ArrayRef)).unwrap();
        let (mut words, mut own) = (Entries::default(), StringDictionaryBuilder::new());
        words.extend_texts(&(Arc::new(lists.finish()) as ArrayRef), &[], &mut own).unwrap();
        let own = own.finish().values().as_string::<i32>().clone();
        let dictionary = StringArray::from(TEXTS.to_vec());
        let codes = (from..to).map(|at| if at % 5 == 0 { MISSING } else { (at % TEXTS.len()) as u32 }).collect();
        let inputs = vec![Values::Sparse(sparse.finish()), Values::Text(codes, dictionary), Values::Texts(words.finish(), own)];
        Part { inputs, target: None, weight: None, rows: to - from, rounding: Vec::new(), zones: Vec::new(), bad: None }
    }

    fn features() -> (Vec<Input>, Vec<Feature>) {
        let kinds = [("x", InputKind::Sparse), ("site", InputKind::Text), ("words", InputKind::Texts)];
        let inputs = kinds.map(|(name, kind)| Input { name: name.into(), kind }).to_vec();
        let known: Vec<String> = TEXTS[..3].iter().map(|text| text.to_string()).collect();
        let hashed = [1, 2].map(|input| Hashed { input, values: known.clone() }).to_vec();
        let sparse = |width, hashed| FeatureKind::Sparse { width, largest: 2.5, entries: 0, hashed };
        let features = vec![
            Feature { name: "x".into(), input: 0, kind: sparse(30, Vec::new()) },
            Feature { name: "hashed".into(), input: 1, kind: sparse(16, hashed) },
        ];
        (inputs, features)
    }

    fn entries(values: &tile::Values, row: usize) -> Vec<(u32, f32)> {
        let tile::Values::Sparse { offsets, indices, values } = values else { panic!("not sparse") };
        let of_row = offsets[row] as usize..offsets[row + 1] as usize;
        of_row.map(|at| (indices[at], values.as_ref().map_or(1.0, |values| values[at]))).collect()
    }

    #[test]
    fn tiles_hold_the_entries_of_their_rows_however_they_were_read() {
        let (inputs, features) = features();
        for cuts in [vec![0, ROWS], vec![0, 13, 13, 20, ROWS]] {
            let parts = cuts.windows(2).map(|cut| part(cut[0], cut[1])).collect();
            let rows = Rows::new(parts, &Target::None);
            let tiles = tiles(&rows, &inputs, &features, &[], Role::Train, 8);
            assert_eq!(tiles.iter().map(|tile| tile.rows).sum::<usize>(), ROWS);
            for at in 0..ROWS {
                let tile = &tiles[at / 8];
                let mut expected = row(at);
                expected.retain(|&(index, _)| index < 30);
                expected.sort_by_key(|&(index, _)| index);
                assert_eq!(entries(&tile.features[0], at % 8), expected, "row {at}");
                let site = (at % 5 != 0).then_some(("site", at % 4));
                let words = texts(at).into_iter().map(|text| ("words", text as usize));
                let all = site.into_iter().chain(words).filter(|&(_, text)| text < 3);
                let mut expected: Vec<(u32, f32)> = all.map(|(column, text)| (bucket(column, TEXTS[text], 16), 1.0)).collect();
                expected.sort_by_key(|&(index, _)| index);
                assert_eq!(entries(&tile.features[1], at % 8), expected, "row {at}");
            }
        }
    }
}
