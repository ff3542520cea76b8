//! Tables of parameters as a shard, a worker and a hostile caller would use them.

mod papers;

use std::collections::BTreeMap;
use std::sync::Arc;

use papers::Paper;
use proptest::prelude::*;
use quelea_core::counter::mix;
use quelea_core::steps::{Parameters, Rule, Start};
use quelea_params::tables::{Addition, Chunk, Keeps, Tables, shard_of, together};

fn table(width: usize, start: Start, rule: Rule, unit: f64) -> Parameters {
    Parameters { name: "weights".into(), width, start, rule, unit }
}

fn rules() -> impl Strategy<Value = Rule> {
    let l2 = || prop_oneof![Just(0.0), 0.0..0.1f64];
    let beta = || 0.0..0.999f64;
    prop_oneof![
        Just(Rule::Sum),
        Just(Rule::Average),
        (0.001..0.5f64, 0.0..2.0f64, prop_oneof![Just(0.0), 0.1..0.95f64], l2()).prop_map(|(rate, decay, momentum, l2)| Rule::Sgd {
            rate,
            decay,
            momentum,
            l2
        }),
        (0.001..0.5f64, l2()).prop_map(|(rate, l2)| Rule::Adagrad { rate, l2 }),
        (0.001..0.5f64, beta(), beta(), l2()).prop_map(|(rate, beta1, beta2, l2)| Rule::Adam { rate, beta1, beta2, l2 }),
        (0.01..1.0f64, 0.1..2.0f64, 0.0..0.5f64, l2()).prop_map(|(alpha, beta, l1, l2)| Rule::Ftrl { alpha, beta, l1, l2 }),
    ]
}

fn starts() -> impl Strategy<Value = Start> {
    prop_oneof![
        Just(Start::Zero),
        (any::<u64>(), 0.01..1.0f32).prop_map(|(seed, deviation)| Start::Normal { seed, deviation }),
        Just(Start::Rows(Arc::new((0..200 * 3).map(|at| at as f32 / 100.0).collect()))),
    ]
}

/// What is pushed in one commit: keys below 200 with sums in rows of 3, and a weight.
type Push = (BTreeMap<u64, [i64; 3]>, i64);

fn pushes() -> impl Strategy<Value = Vec<Push>> {
    let sums = prop::collection::btree_map(0..200u64, prop::array::uniform3(-3_000_000..3_000_000i64), 0..40);
    prop::collection::vec((sums, 1..50i64), 1..30)
}

fn flat(rows: &BTreeMap<u64, [i64; 3]>) -> (Vec<u64>, Vec<i64>) {
    (rows.keys().copied().collect(), rows.values().flatten().copied().collect())
}

/// Applies the part of a push that `keeps` names.
fn apply(tables: &mut Tables, keeps: Keeps, (rows, weight): &Push, step: u64) {
    let (keys, sums) = flat(&rows.iter().filter(|(key, _)| keeps.has(**key)).map(|(key, sums)| (*key, *sums)).collect());
    tables.apply(0, &keys, &sums, *weight, step).unwrap();
}

/// All rows of a table, with what is known of them, in pages of 7.
fn saved(tables: &Tables) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut from = 0;
    loop {
        let chunk = tables.save(0, from, 7).unwrap();
        let Some(last) = chunk.keys.last() else { return chunks };
        from = last + 1;
        chunks.push(chunk);
    }
}

fn bits(chunks: &[Chunk]) -> Vec<(u64, Vec<u32>)> {
    let rows = chunks.iter().flat_map(|chunk| {
        let length = chunk.rows.len() / chunk.keys.len();
        chunk.keys.iter().copied().zip(chunk.rows.chunks(length).map(|row| row.iter().map(|value| value.to_bits()).collect()))
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort();
    rows
}

proptest! {
    #[test]
    fn rules_are_those_of_the_papers(rule in rules(), start in starts(), pushes in pushes()) {
        let unit = 1e-6;
        let counts = rule == Rule::Average;
        let start = if counts && matches!(start, Start::Normal { .. }) { Start::Zero } else { start };
        let counted = |sums: [i64; 3]| if counts { [sums[0], sums[1], sums[2].abs()] } else { sums };
        let mut tables = Tables::new(&[table(3, start, rule, unit)], Keeps::ALL).unwrap();
        let mut papers: BTreeMap<u64, Paper> = BTreeMap::new();
        for (step, push) in (0..).zip(&pushes) {
            let (rows, weight): &Push = &(push.0.iter().map(|(key, sums)| (*key, counted(*sums))).collect(), push.1);
            for (key, sums) in rows {
                let mut begin = Vec::new();
                if !papers.contains_key(key) {
                    tables.read(0, &[*key], &mut begin).unwrap();
                }
                let paper = papers.entry(*key).or_insert_with(|| Paper::new(&begin));
                paper.step(rule, sums.map(|sum| sum as f64 * unit), *weight as f64, step);
            }
            let (keys, sums) = flat(rows);
            tables.apply(0, &keys, &sums, *weight, step).unwrap();
        }
        for (key, paper) in &papers {
            let mut row = Vec::new();
            tables.read(0, &[*key], &mut row).unwrap();
            for (ours, theirs) in row.iter().zip(paper.values()) {
                prop_assert!((f64::from(*ours) - theirs).abs() <= 2e-5 * theirs.abs().max(1.0), "key {key}: {ours}, not {theirs}");
            }
        }
    }

    #[test]
    fn any_number_of_shards_has_the_same_bytes(
        rule in rules(), start in starts(), pushes in pushes(), before in 1..5u32, after in 1..5u32, cut in 0..30usize,
    ) {
        let parameters = [table(3, start, rule, 1e-6)];
        let shards = |shards: u32| (0..shards).map(move |shard| Keeps { shard, shards });
        let fresh = |keeps| Tables::new(&parameters, keeps).unwrap();
        let (first, second) = pushes.split_at(cut.min(pushes.len()));

        let mut whole = fresh(Keeps::ALL);
        (0..).zip(&pushes).for_each(|(step, push)| apply(&mut whole, Keeps::ALL, push, step));

        let mut chunks = Vec::new();
        for keeps in shards(before) {
            let mut part = fresh(keeps);
            (0..).zip(first).for_each(|(step, push)| apply(&mut part, keeps, push, step));
            chunks.extend(saved(&part));
        }
        let mut restored = Vec::new();
        for keeps in shards(after) {
            let mut part = fresh(keeps);
            chunks.iter().for_each(|chunk| part.load(chunk).unwrap());
            (first.len() as u64..).zip(second).for_each(|(step, push)| apply(&mut part, keeps, push, step));
            restored.extend(saved(&part));
        }
        prop_assert_eq!(bits(&restored), bits(&saved(&whole)));
    }

    #[test]
    fn additions_are_added_up_key_by_key(lists in prop::collection::vec(prop::collection::btree_map(0..30u64, prop::array::uniform3(any::<i32>()), 0..20), 0..7)) {
        let mut all: BTreeMap<u64, [i64; 3]> = BTreeMap::new();
        let mut flats = Vec::new();
        for list in &lists {
            let list: BTreeMap<_, _> = list.iter().map(|(key, sums)| (*key, sums.map(i64::from))).collect();
            for (key, sums) in &list {
                let row = all.entry(*key).or_default();
                (0..3).for_each(|at| row[at] += sums[at]);
            }
            flats.push(flat(&list));
        }
        let sum = together(flats.iter().map(|(keys, sums)| Addition::new(keys, sums)).collect(), 3).unwrap();
        prop_assert_eq!((sum.keys.to_vec(), sum.sums.to_vec()), flat(&all));
    }

    #[test]
    fn nothing_that_is_asked_breaks_a_table(
        keys in prop::collection::vec(prop_oneof![0..5u64, any::<u64>()], 0..6), numbers in prop::collection::vec(any::<i64>(), 0..14),
        weight in prop_oneof![-1..2i64, any::<i64>()], step in any::<u64>(), rule in rules(), start in starts(), table_number in 0..3usize,
    ) {
        let parameters = [table(3, start.clone(), rule, 1e-6), table(2, Start::Zero, rule, 1.0)];
        let mut tables = Tables::new(&parameters, Keeps { shard: 1, shards: 2 }).unwrap();
        let before = (saved(&tables), tables.save(1, 0, 9).unwrap());
        let fits = tables.check(table_number, &keys, &numbers, weight);
        let applied = tables.apply(table_number, &keys, &numbers, weight, step);
        if fits.is_err() {
            prop_assert_eq!(applied, fits);
            prop_assert_eq!(&before, &(saved(&tables), tables.save(1, 0, 9).unwrap()));
        }
        let rows = numbers.iter().map(|number| *number as f32).collect();
        let _ = tables.load(&Chunk { table: table_number as u32, keys: keys.clone(), rows });
        let mut into = Vec::new();
        if tables.read(table_number, &keys, &mut into).is_ok() {
            prop_assert_eq!(into.len(), keys.len() * parameters[table_number].width);
        }
        let additions = vec![Addition::new(&keys, &numbers), Addition::new(&keys, &numbers)];
        if let Ok(sum) = together(additions, 2) {
            prop_assert_eq!(sum.keys.as_ref(), keys.as_slice());
        }
    }
}

/// A large table under small keys and random ones, through every growth of its index: sums are exact to 24 bits, pages have every
/// row once.
#[test]
fn integer_sums_are_exact_and_pages_complete() {
    const KEYS: u64 = 300_000;
    let mut tables = Tables::new(&[table(2, Start::Zero, Rule::Sum, 1.0)], Keeps::ALL).unwrap();
    let key = |number: u64| match number % 3 {
        0 => number * 55,
        1 => (1 << 24) + number,
        _ => mix(number),
    };
    let largest = (1 << 24) - 10;
    for round in 0..3u64 {
        for first in (0..KEYS).step_by(1_000) {
            let mut rows: Vec<(u64, u64)> = (first..first + 1_000).map(|number| (key(number), number)).collect();
            rows.sort_unstable();
            let sums: Vec<i64> =
                rows.iter().flat_map(|(_, number)| [*number as i64 * 7 - 5, [largest, 9, -largest][round as usize]]).collect();
            let keys: Vec<u64> = rows.into_iter().map(|(key, _)| key).collect();
            tables.apply(0, &keys, &sums, 0, round).unwrap();
        }
    }
    let expected: BTreeMap<u64, [f32; 2]> = (0..KEYS).map(|number| (key(number), [(number as i64 * 7 - 5) as f32 * 3.0, 9.0])).collect();
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    let mut from = Some(0);
    while let Some(at) = from {
        let page = tables.collect(0, at, 7_777).unwrap();
        from = page.0.last().and_then(|last| last.checked_add(1));
        keys.extend(page.0);
        values.extend(page.1);
    }
    assert!(keys.iter().eq(expected.keys()));
    assert!(values.iter().eq(expected.values().flatten()));
}

#[test]
fn reading_makes_no_rows() {
    let start = Start::Normal { seed: 4, deviation: 0.5 };
    let mut tables = Tables::new(&[table(2, start, Rule::Adagrad { rate: 0.1, l2: 0.0 }, 1.0)], Keeps::ALL).unwrap();
    let mut before = Vec::new();
    tables.read(0, &[9, 3, u64::MAX], &mut before).unwrap();
    assert!(tables.collect(0, 0, 10).unwrap().0.is_empty());
    tables.apply(0, &[3, 9, u64::MAX], &[0; 6], 1, 0).unwrap();
    assert_eq!(tables.collect(0, 0, 10).unwrap(), (vec![3, 9, u64::MAX], [&before[2..4], &before[..2], &before[4..]].concat()));
    assert_eq!(tables.collect(0, 4, 1).unwrap().0, [9]);
}

#[test]
fn random_starts_are_normally_distributed() {
    let keys: Vec<u64> = (0..100_000).collect();
    let tables = Tables::new(&[table(4, Start::Normal { seed: 1, deviation: 2.0 }, Rule::Sum, 1.0)], Keeps::ALL).unwrap();
    let mut values = Vec::new();
    tables.read(0, &keys, &mut values).unwrap();
    let share = |limit: f32| values.iter().filter(|value| **value < limit).count() as f64 / values.len() as f64;
    // From a table of the normal distribution.
    for (z, p) in
        [(-3.0, 0.001_350), (-2.0, 0.022_750), (-1.0, 0.158_655), (0.0, 0.5), (0.5, 0.691_462), (1.96, 0.975_002), (2.5, 0.993_790)]
    {
        assert!((share(z * 2.0) - p).abs() < 4.0 * (p * (1.0 - p) / values.len() as f64).sqrt(), "{z}: {} {p}", share(z * 2.0));
    }
    let neighbours: f64 = values.windows(2).map(|pair| f64::from(pair[0]) * f64::from(pair[1])).sum::<f64>() / values.len() as f64;
    assert!(neighbours.abs() < 0.04, "{neighbours}");
}

#[test]
fn keys_are_spread_evenly() {
    for shards in [2u32, 3, 7, 64] {
        // Keys in a row, and keys whose low bits are all the same.
        for stride in [1u64, 1 << 20] {
            let mut counts = vec![0u32; shards as usize];
            (0..64_000).for_each(|key| counts[shard_of(key * stride, shards) as usize] += 1);
            let even = 64_000.0 / f64::from(shards);
            assert!(counts.iter().all(|count| (f64::from(*count) - even).abs() < 5.0 * even.sqrt()), "{shards}: {counts:?}");
        }
    }
}

#[test]
fn a_row_that_diverges_is_named() {
    let mut tables =
        Tables::new(&[table(1, Start::Zero, Rule::Sgd { rate: 1.0, decay: 0.0, momentum: 0.0, l2: 0.0 }, 1e30)], Keeps::ALL).unwrap();
    let problem = tables.apply(0, &[4, 17], &[1, 1 << 40], 1, 0).unwrap_err();
    assert!(problem.to_string().contains("a row of weights is not a finite number under key 17"), "{problem}");
}

#[test]
fn sums_that_leave_64_bits_are_refused() {
    let (keys, sums) = ([1, 2], [i64::MAX, 5]);
    let additions = vec![Addition::new(&keys, &sums), Addition::new(&keys[..1], &[1])];
    assert!(together(additions, 1).unwrap_err().to_string().contains("not a finite number"));
}
