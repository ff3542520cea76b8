//! What a worker holds back of its sums where less is to be sent: rows that are left out, and what rounding takes away
//! (error feedback: Seide et al. 2014, Stich et al. 2018). It is added to the next sums of the same key, so what is sent
//! and what is held back are the exact sum together.
//!
//! A push may be dropped, and with it the slices that it was made of; then everything is as it was before it.

use std::cmp::Reverse;

use crate::Problem;
use crate::tables::{Addition, Index, NOWHERE, together};
use crate::traffic::Traffic;

/// Keys and sums of one table.
pub(super) type Rows = (Vec<u64>, Vec<i64>);

/// What is held back of each table.
#[derive(Default)]
pub(super) struct Residuals {
    traffic: Traffic,
    tables: Vec<Held>,
    /// What is held back of the keys of the last push once it counts, and the number of its order.
    pending: Option<(u32, Vec<Rest>)>,
    /// The weight of the last mini-batch that had any.
    weight: i64,
}

/// What a push leaves of a table.
enum Rest {
    /// These rows, and what it did not touch.
    Of(Rows),
    Nothing,
}

/// The rows of a table that are held back.
struct Held {
    width: usize,
    index: Index,
    rows: Vec<i64>,
}

/// What is known of a mini-batch that is to be pushed.
pub(super) struct Pushing<'a> {
    /// The number of its order.
    pub order: u32,
    pub weight: i64,
    /// Whether all that is held back is to be sent.
    pub flush: bool,
    /// How large the values of each row are, table by table; empty where nobody asks.
    pub sizes: &'a [Vec<f32>],
}

impl Residuals {
    pub fn new(traffic: Traffic) -> Self {
        Self { traffic, ..Self::default() }
    }

    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// Begins an epoch: what is held back is of a past that is over.
    pub fn forget(&mut self) {
        *self = Self::new(std::mem::take(&mut self.traffic));
    }

    /// The last of the member's orders that counts is known.
    pub fn settle(&mut self, counts: u32) -> Result<(), Problem> {
        let Some((order, rests)) = self.pending.take() else { return Ok(()) };
        if order != counts {
            return Ok(());
        }
        for (table, rest) in rests.into_iter().enumerate() {
            match rest {
                Rest::Nothing => self.tables[table] = Held::new(self.tables[table].width)?,
                Rest::Of((keys, rows)) => self.tables[table].put(&keys, &rows)?,
            }
        }
        Ok(())
    }

    /// What is to be sent of these sums, and of what was held back before; and its weight. The rest is held back once it counts.
    pub fn send(&mut self, tables: Vec<Rows>, pushing: &Pushing<'_>) -> Result<(Vec<Rows>, i64), Problem> {
        for (keys, sums) in tables.iter().skip(self.tables.len()) {
            self.tables.push(Held::new(sums.len().checked_div(keys.len()).unwrap_or(0))?);
        }
        for (held, (keys, sums)) in self.tables.iter_mut().zip(&tables) {
            held.width = held.width.max(sums.len().checked_div(keys.len()).unwrap_or(0));
        }
        // A mini-batch without training rows has no weight; what is held back goes with the weight of the last one that had.
        if pushing.weight > 0 {
            self.weight = pushing.weight;
        } else if !pushing.flush {
            return Ok((tables, pushing.weight));
        }
        let (mut all, mut rests) = (Vec::new(), Vec::new());
        for (table, (keys, sums)) in tables.into_iter().enumerate() {
            if pushing.flush {
                all.push(self.tables[table].with(keys, sums)?);
                rests.push(Rest::Nothing);
            } else {
                let (sent, rest) = self.part(table, keys, sums, pushing)?;
                all.push(sent);
                rests.push(Rest::Of(rest));
            }
        }
        self.pending = Some((pushing.order, rests));
        Ok((all, self.weight))
    }

    /// What is sent of one table, and what is held back.
    fn part(&self, table: usize, keys: Vec<u64>, mut sums: Vec<i64>, pushing: &Pushing<'_>) -> Result<(Rows, Rows), Problem> {
        let held = &self.tables[table];
        let width = held.width.max(1);
        for (key, row) in keys.iter().zip(sums.chunks_exact_mut(width)) {
            if let Some(more) = held.get(*key) {
                row.iter_mut().zip(more).try_for_each(|(sum, more)| {
                    *sum = sum.checked_add(*more).ok_or_else(overflow)?;
                    Ok::<_, Problem>(())
                })?;
            }
        }
        let places = if self.traffic.picks_rows() { self.picked(table, &sums, &keys, pushing) } else { (0..keys.len()).collect() };
        let mut sent: Vec<i64> = places.iter().flat_map(|&place| &sums[place * width..][..width]).copied().collect();
        self.traffic.bits.round_sums(&mut sent);
        for (row, &place) in sent.chunks_exact(width).zip(&places) {
            sums[place * width..][..width].iter_mut().zip(row).for_each(|(rest, sent)| *rest -= sent);
        }
        Ok(((places.iter().map(|&place| keys[place]).collect(), sent), (keys, sums)))
    }

    /// The places of the rows that are sent: those that are large beside their values, and of these the largest.
    fn picked(&self, table: usize, sums: &[i64], keys: &[u64], pushing: &Pushing<'_>) -> Vec<usize> {
        let Traffic { top, significance, units, .. } = &self.traffic;
        let width = self.tables[table].width.max(1);
        let sizes: Vec<u64> =
            sums.chunks_exact(width).map(|row| row.iter().map(|sum| sum.unsigned_abs()).max().unwrap_or_default()).collect();
        let gradient = units.get(table).copied().unwrap_or(1.0) / pushing.weight as f64;
        let values = |place: usize| pushing.sizes.get(table).and_then(|sizes| sizes.get(place)).map_or(0.0, |size| f64::from(*size));
        let is_large = |place: &usize| sizes[*place] > 0 && sizes[*place] as f64 * gradient >= significance * values(*place);
        let mut places: Vec<usize> = (0..keys.len()).filter(is_large).collect();
        let most = (keys.len() as f64 * top).ceil() as usize;
        if most > 0 && places.len() > most {
            places.select_nth_unstable_by_key(most - 1, |place| (Reverse(sizes[*place]), *place));
            places.truncate(most);
            places.sort_unstable();
        }
        places
    }
}

impl Held {
    fn new(width: usize) -> Result<Self, Problem> {
        Ok(Self { width, index: Index::new()?, rows: Vec::new() })
    }

    fn get(&self, key: u64) -> Option<&[i64]> {
        let place = self.index.get(key);
        (place != NOWHERE).then(|| &self.rows[place as usize * self.width..][..self.width])
    }

    /// Holds these rows back, in place of what was held back under their keys.
    fn put(&mut self, keys: &[u64], rows: &[i64]) -> Result<(), Problem> {
        for (key, row) in keys.iter().zip(rows.chunks_exact(self.width.max(1))) {
            let place = self.index.get(*key);
            if place != NOWHERE {
                self.rows[place as usize * self.width..][..self.width].copy_from_slice(row);
            } else if row.iter().any(|sum| *sum != 0) {
                self.index.insert(*key, (self.rows.len() / self.width) as u32)?;
                self.rows.extend_from_slice(row);
            }
        }
        Ok(())
    }

    /// These sums with all that is held back.
    fn with(&self, keys: Vec<u64>, sums: Vec<i64>) -> Result<Rows, Problem> {
        let mut held = (self.index.sorted_keys(), Vec::new());
        held.0.retain(|key| self.get(*key).is_some_and(|row| row.iter().any(|sum| *sum != 0)));
        held.1.extend(held.0.iter().filter_map(|key| self.get(*key)).flatten());
        let all = together(vec![Addition::new(&keys, &sums), Addition::new(&held.0, &held.1)], self.width)?;
        Ok((all.keys.into_owned(), all.sums.into_owned()))
    }
}

fn overflow() -> Problem {
    quelea_core::Error::NotFinite { what: "the sum of mini-batches that were held back".into(), place: String::new() }.into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;
    use crate::Bits;

    type Table = BTreeMap<u64, [i64; 2]>;

    fn sums() -> impl Strategy<Value = Table> {
        let sum = || (-1_000_000i64..1_000_000, 0u32..30).prop_map(|(sum, shift)| sum << shift);
        btree_map(0u64..40, [sum(), sum()], 0..20)
    }

    fn traffic() -> impl Strategy<Value = Traffic> {
        let bits = prop_oneof![Just(Bits::All), Just(Bits::Sixteen), Just(Bits::Eight)];
        (bits, prop_oneof![Just(1.0), 0.01f64..1.0], prop_oneof![Just(0.0), 0.0f64..2.0]).prop_map(|(bits, top, significance)| Traffic {
            bits,
            top,
            significance,
            units: vec![1e-6],
        })
    }

    fn rows(table: &Table) -> Rows {
        (table.keys().copied().collect(), table.values().flatten().copied().collect())
    }

    fn add(to: &mut Table, (keys, sums): &Rows) {
        for (key, row) in keys.iter().zip(sums.chunks_exact(2)) {
            let all = to.entry(*key).or_default();
            all.iter_mut().zip(row).for_each(|(all, sum)| *all += sum);
        }
    }

    /// What is held back at the moment.
    fn held(residuals: &Residuals) -> Table {
        let mut all = Table::new();
        if let Some(held) = residuals.tables.first() {
            add(&mut all, &held.with(Vec::new(), Vec::new()).expect("small numbers"));
        }
        all
    }

    fn without_zeros(mut table: Table) -> Table {
        table.retain(|_, row| *row != [0, 0]);
        table
    }

    proptest! {
        #[test]
        fn what_counts_and_what_is_held_back_are_the_exact_sum(
            traffic in traffic(),
            pushes in vec((sums(), any::<bool>(), prop::bool::weighted(0.2), -0.2f32..0.2), 0..12),
        ) {
            let mut residuals = Residuals::new(traffic);
            let (mut exact, mut counted, mut counts) = (Table::new(), Table::new(), 0);
            for (order, (sums, does_count, flush, size)) in (1..).zip(pushes) {
                let sizes = [vec![size; sums.len()]];
                let pushing = Pushing { order, weight: 10, flush, sizes: &sizes };
                let (sent, weight) = residuals.send(vec![rows(&sums)], &pushing).expect("small numbers");
                prop_assert_eq!(weight, 10);
                prop_assert!(sent[0].0.is_sorted());
                if does_count {
                    counts = order;
                    add(&mut exact, &rows(&sums));
                    add(&mut counted, &sent[0]);
                }
                residuals.settle(counts).expect("small numbers");
                let mut all = counted.clone();
                add(&mut all, &rows(&held(&residuals)));
                prop_assert_eq!(without_zeros(all), without_zeros(exact.clone()));
                prop_assert!(!(flush && does_count) || held(&residuals).is_empty());
            }
        }

        #[test]
        fn no_more_rows_are_sent_than_asked_for_and_they_are_the_largest(sums in sums(), top in 0.01f64..1.0) {
            let mut residuals = Residuals::new(Traffic { top, ..Traffic::default() });
            let pushing = Pushing { order: 1, weight: 1, flush: false, sizes: &[] };
            let sent = residuals.send(vec![rows(&sums)], &pushing).expect("small numbers").0;
            let size = |key: &u64| sums[key].iter().map(|sum| sum.unsigned_abs()).max();
            prop_assert!(sent[0].0.len() <= (sums.len() as f64 * top).ceil() as usize);
            let least = sent[0].0.iter().map(size).min();
            prop_assert!(sums.keys().filter(|key| !sent[0].0.contains(key)).all(|key| least.is_none_or(|least| size(key) <= least) || size(key) == Some(0)));
        }
    }

    #[test]
    fn a_mini_batch_without_weight_holds_nothing_back_and_flushes_with_the_last_weight() {
        let mut residuals = Residuals::new(Traffic { significance: 1.0, units: vec![1.0], ..Traffic::default() });
        let send = |residuals: &mut Residuals, order, weight, flush, sum| {
            let pushing = Pushing { order, weight, flush, sizes: &[vec![1.0]] };
            let sent = residuals.send(vec![(vec![7], vec![sum])], &pushing).expect("small numbers");
            residuals.settle(order).expect("small numbers");
            sent
        };
        assert_eq!(send(&mut residuals, 1, 100, false, 5), (vec![(vec![], vec![])], 100));
        assert_eq!(send(&mut residuals, 2, 0, false, 0), (vec![(vec![7], vec![0])], 0));
        assert_eq!(send(&mut residuals, 3, 0, true, 0), (vec![(vec![7], vec![5])], 100));
        assert_eq!(send(&mut residuals, 4, 100, true, 0), (vec![(vec![7], vec![0])], 100));
    }
}
