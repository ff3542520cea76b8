//! The lists of keys that a shard remembers, so that workers need not send them again. It is told them and nothing else:
//! what it has forgotten, it is told again.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::list::ListName;

/// The keys of each table.
pub(super) type Keys = Arc<Vec<Vec<u64>>>;

/// Lists of keys up to a number of bytes; those that were not used for the longest time go first.
pub(super) struct Lists {
    most_bytes: usize,
    bytes: usize,
    /// Each with the time of its last use.
    known: BTreeMap<ListName, (u64, Keys)>,
    by_use: BTreeMap<u64, ListName>,
    uses: u64,
}

impl Lists {
    pub fn new(most_bytes: usize) -> Self {
        Self { most_bytes, bytes: 0, known: BTreeMap::new(), by_use: BTreeMap::new(), uses: 0 }
    }

    /// The keys of a list.
    pub fn get(&mut self, name: ListName) -> Option<Keys> {
        let (used, keys) = self.known.get_mut(&name)?;
        self.by_use.remove(used);
        self.uses += 1;
        *used = self.uses;
        self.by_use.insert(self.uses, name);
        Some(keys.clone())
    }

    /// Remembers a list, and forgets others for it.
    pub fn keep(&mut self, keys: &Keys) {
        let name = ListName::of(keys);
        if self.get(name).is_some() || bytes_of(keys) > self.most_bytes {
            return;
        }
        self.uses += 1;
        self.bytes += bytes_of(keys);
        self.known.insert(name, (self.uses, keys.clone()));
        self.by_use.insert(self.uses, name);
        while self.bytes > self.most_bytes
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.bytes -= self.known.remove(&oldest).map_or(0, |(_, keys)| bytes_of(&keys));
        }
    }
}

/// What a list takes: its keys, and about as much again as a short one has around it.
fn bytes_of(keys: &Keys) -> usize {
    256 + keys.iter().map(|keys| size_of_val(keys.as_slice())).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_the_longest_time_is_forgotten() {
        let list = |first: u64| Arc::new(vec![(first..first + 100).collect(), vec![first]]);
        let name = |first: u64| ListName::of(&list(first));
        let mut lists = Lists::new(3 * bytes_of(&list(0)));
        (0..3).for_each(|first| lists.keep(&list(first)));
        assert_eq!(lists.get(name(0)), Some(list(0)));
        lists.keep(&list(2));
        lists.keep(&list(3));
        assert_eq!([0, 1, 2, 3].map(|first| lists.get(name(first)).is_some()), [true, false, true, true]);
        lists.keep(&Arc::new(vec![vec![7; 10_000]]));
        assert_eq!([0, 1, 2, 3].map(|first| lists.get(name(first)).is_some()), [true, false, true, true]);
        for first in 10..1_000 {
            lists.keep(&list(first));
            assert!(lists.bytes <= lists.most_bytes && lists.known.len() == 3 && lists.by_use.len() == 3);
        }
    }

    #[test]
    fn where_a_list_ends_and_the_next_begins_is_part_of_its_name() {
        assert_ne!(ListName::of(&[vec![1, 2], vec![3]]), ListName::of(&[vec![1], vec![2, 3]]));
        assert_ne!(ListName::of(&[vec![], vec![1]]), ListName::of(&[vec![1], vec![]]));
    }
}
