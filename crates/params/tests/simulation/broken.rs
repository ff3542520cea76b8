//! Shards that break the contract, to show that the checker would notice: they stand between the network and a sound shard.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use quelea_core::block::Block;
use quelea_params::message::{Contribution, FromShard, PushId, Pushed, ToShard};

/// What is wrong with all shards of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    Nothing,
    /// A push that comes again is applied again.
    NoWindow,
    /// A commit takes all that is staged, rather than what it names.
    NoStaging,
    /// Rows are read before enough is committed.
    IgnoresLeast,
    /// What a run goes back to is not loaded.
    LoadsNothing,
}

/// Sequences of repeated pushes begin here.
const REPEATED: u32 = 1_000_000;

#[derive(Default)]
pub struct Tamper {
    seen: BTreeMap<(u32, u64, Contribution), u32>,
    staged: BTreeSet<(u32, u64, Contribution)>,
}

impl Tamper {
    /// What the shard gets to see of a message.
    pub fn request(&mut self, defect: Defect, message: ToShard) -> ToShard {
        match message {
            ToShard::Push { mut id, weight, list, blocks } if defect == Defect::NoWindow => {
                let times = self.seen.entry((id.epoch, id.clock, id.contribution)).or_default();
                id.contribution.sequence += *times * REPEATED;
                *times += 1;
                ToShard::Push { id, weight, list, blocks }
            }
            ToShard::Commit { run, epoch, clock, contributions, apply, copy } if defect != Defect::Nothing => {
                let named = |c: &Contribution| contributions.contains(&Contribution { sequence: c.sequence % REPEATED, ..*c });
                let staged = self.staged.iter().filter(|(e, c, _)| (*e, *c) == (epoch, clock)).map(|(_, _, contribution)| *contribution);
                let all = contributions.iter().copied().filter(|c| !self.staged.contains(&(epoch, clock, *c)));
                let counted = staged.filter(|c| defect == Defect::NoStaging || named(c));
                ToShard::Commit { run, epoch, clock, contributions: all.chain(counted).collect(), apply, copy }
            }
            ToShard::Load { run, epoch, part, table, .. } if defect == Defect::LoadsNothing => {
                let nothing = vec![(0, Block::Keys(Vec::new())), (1, Block::Values(Vec::new()))];
                ToShard::Load { run, epoch, part, table, blocks: Arc::new(nothing) }
            }
            ToShard::Read { run, epoch, bits, list, blocks, .. } if defect == Defect::IgnoresLeast => {
                ToShard::Read { run, epoch, least: 0, bits, list, blocks }
            }
            other => other,
        }
    }

    /// What the network gets to see of an answer.
    pub fn answer(&mut self, answer: FromShard) -> FromShard {
        match answer {
            FromShard::Pushed { id, pushed } => {
                if pushed == Pushed::Applied {
                    self.staged.insert((id.epoch, id.clock, id.contribution));
                }
                let sequence = id.contribution.sequence % REPEATED;
                FromShard::Pushed { id: PushId { contribution: Contribution { sequence, ..id.contribution }, ..id }, pushed }
            }
            other => other,
        }
    }
}
