//! What run, shards and workers say to each other. Workers call the run and the shards, the run calls the shards; every
//! call is answered once or more often, and may be made again.

use std::sync::Arc;

use quelea_core::block::Block;
use serde::{Deserialize, Serialize};

use crate::list::ListName;
use crate::traffic::{Bits, Traffic};
use crate::{Packet, Problem, Timing};

/// The version of these messages. Programs of different versions do not work together.
pub const VERSION: u32 = 5;

/// One life of a worker: a worker that joins again, or takes the place of a dead one, has another incarnation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Member {
    /// The run; a member of one that is over is nobody in the next at the same address.
    pub run: u64,
    /// The worker's place among the run's workers, from 0.
    pub worker: u32,
    /// No two members of a run have the same.
    pub incarnation: u32,
}

/// What a member has pushed for one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Contribution {
    /// Who.
    pub member: Member,
    /// The number of the order that asked for it.
    pub sequence: u32,
}

/// What makes a push the same push, however often it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushId {
    /// The run.
    pub run: u64,
    /// The run's epoch.
    pub epoch: u32,
    /// The part of the parameters that it is for.
    pub shard: u32,
    /// The clock that it is made in: that of its order.
    pub clock: u64,
    /// Who pushes, and for which order.
    pub contribution: Contribution,
}

/// What became of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pushed {
    /// It is staged, and counts once its clock is committed with it.
    Applied,
    /// It was staged or committed before.
    Duplicate,
    /// Its clock was committed without it.
    Dropped,
    /// Its epoch is over, or its member has been shut out.
    Fenced,
}

/// The candidates of one clock, or some of them, each under the number of its block.
pub type Candidates = Vec<(u32, Packet)>;

/// What workers ask of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ToRun {
    /// To become a member.
    Join {
        /// What people call the worker's process.
        name: String,
    },
    /// The next order; answered when there is one, or with [`FromRun::Wait`] after a while.
    Poll {
        /// Who asks.
        member: Member,
        /// The last order that it has.
        known: u32,
        /// The last order that it has carried out: its contribution is staged on every shard.
        done: u32,
        /// The last it has heard of which shards are there; see [`FromRun::Shards`].
        view: u32,
        /// Bytes that it has sent to shards and received from them so far.
        bytes: u64,
        /// By steps: the totals of the order that it has carried out.
        totals: Vec<i128>,
    },
    /// A tile.
    Tile {
        /// Who asks.
        member: Member,
        /// Its place among all tiles.
        tile: u32,
    },
    /// What was committed from clock `from` on; as many clocks as fit an answer.
    Log {
        /// Who asks.
        member: Member,
        /// The epoch that the member knows; of others, nothing is given.
        epoch: u32,
        /// The first clock that is missing.
        from: u64,
    },
    /// A worker cannot go on.
    Fail {
        /// Who.
        member: Member,
        /// Why.
        problem: Problem,
    },
    /// A worker goes.
    Leave {
        /// Who.
        member: Member,
    },
}

/// What the run answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum FromRun {
    /// The worker is a member now.
    Joined(Joined),
    /// An order.
    Order(Order),
    /// Not all shards are there, or all are there again: what others with the same parameters have is enough. Ask again.
    Shards {
        /// Grows with every such news.
        view: u32,
        /// Those whose answers do not count.
        lost: Vec<u32>,
    },
    /// No order yet; ask again.
    Wait,
    /// A tile's bytes.
    Tile {
        /// Its place among all tiles.
        tile: u32,
        /// The bytes. Shells send them beside the rest.
        #[serde(skip)]
        bytes: Packet,
    },
    /// Candidates, clock by clock.
    Log {
        /// The first clock.
        from: u64,
        /// Those of each clock.
        clocks: Vec<Candidates>,
    },
    /// The member was shut out; it may join anew.
    Fenced,
    /// The run has ended.
    Ended,
}

/// What a new member needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Joined {
    /// Who it is.
    pub member: Member,
    /// The run.
    pub run: u64,
    /// What is trained.
    pub plan: Packet,
    /// Where the shards listen.
    pub shards: Vec<String>,
    /// In how many parts they hold the parameters: shard number s holds part s modulo these.
    pub parts: u32,
    /// How long everybody waits in this run.
    pub timing: Timing,
    /// By steps: what is left out of what is sent.
    pub traffic: Traffic,
}

/// What a member is to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// From 1 on; a new order ends the one before, whether or not it was carried out.
    pub number: u32,
    /// The run's epoch.
    pub epoch: u32,
    /// The round to fold in. By steps: the commit that it is for, or, where members have clocks of their own, the member's.
    pub clock: u64,
    /// The tiles that the member owns, if they have changed.
    pub owned: Option<Vec<u32>>,
    /// The tiles to fold: all that it owns, or some.
    pub fold: Which,
    /// By steps: so many commits must be in what is pulled.
    pub least: u64,
    /// By steps: the last of the member's orders that counts. What was pushed for those after it is dropped.
    pub counts: u32,
    /// By steps: whether all that the member holds back is to be pushed, and exactly.
    pub flush: bool,
}

/// Which tiles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Which {
    /// All that the member owns.
    Owned,
    /// These, which it owns too.
    These(Vec<u32>),
    /// By steps: one slice of each of these, which it owns too; all of the same pass.
    Slices(Vec<Slice>),
}

/// One tile's part of a mini-batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Slice {
    /// Its tile's place among all tiles.
    pub tile: u32,
    /// How many slices of the tile come before it, in all passes.
    pub number: u64,
}

/// What came before a shard begins, by steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct After {
    /// Commits.
    pub commits: u64,
    /// How often rules were applied in them.
    pub applied: u64,
    /// What is pushed for earlier clocks comes too late.
    pub closed: u64,
}

/// How a commit's contributions go into the parameters of a learner by steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Apply {
    /// As one sum.
    Together,
    /// One after the other, as they are named.
    InTurn,
}

/// What is asked of a shard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ToShard {
    /// The run: to begin an epoch, with nothing staged, at clock 0. By steps: after the commits of a cut, whose rows follow with
    /// [`ToShard::Load`].
    Open {
        /// The run.
        run: u64,
        /// The epoch.
        epoch: u32,
        /// The part of the parameters that is the shard's.
        shard: u32,
        /// How many parts there are.
        shards: u32,
        /// Grows when a shard that was lost begins anew within the epoch.
        life: u32,
        /// What is trained.
        plan: Packet,
        /// How long everybody waits in this run.
        timing: Timing,
        /// By steps: what came before.
        after: After,
        /// By steps: the last contributions of members that are among these commits.
        window: Vec<Contribution>,
    },
    /// The run, by steps: to take rows of the cut that the epoch begins at, as far as they are this shard's.
    Load {
        /// The run.
        run: u64,
        /// The epoch.
        epoch: u32,
        /// Parts come one after the other, from 0 on.
        part: u64,
        /// The table.
        table: u32,
        /// Block 0 has the keys, block 1 their rows as [`ToShard::Save`] gives them.
        #[serde(skip)]
        blocks: Arc<Vec<(u32, Block)>>,
    },
    /// The run: to take what was committed in an earlier epoch.
    Replay {
        /// The run.
        run: u64,
        /// The epoch.
        epoch: u32,
        /// The first clock.
        from: u64,
        /// The candidates of each clock.
        clocks: Vec<Candidates>,
    },
    /// The run: to commit a clock with exactly these contributions, and to discard all others of this clock. By steps, in turn,
    /// others stay staged.
    Commit {
        /// The run.
        run: u64,
        /// The epoch.
        epoch: u32,
        /// The clock. By steps: how many commits come before it.
        clock: u64,
        /// What counts.
        contributions: Vec<Contribution>,
        /// By steps: how.
        apply: Apply,
        /// By steps: to keep a copy of the tables as they are then, for [`ToShard::Save`].
        copy: bool,
    },
    /// The run, by steps: to keep a copy of the tables as they are, for [`ToShard::Save`].
    Copy {
        /// The run.
        run: u64,
        /// The epoch.
        epoch: u32,
    },
    /// The run, by steps: all that is known of rows of a table, in the order of their keys, from the copy that was kept last.
    Save {
        /// The run.
        run: u64,
        /// The epoch.
        epoch: u32,
        /// The commits in the copy.
        commits: u64,
        /// The table.
        table: u32,
        /// Keys from this one on.
        from: u64,
    },
    /// The run, by steps: the copy is not needed any more.
    Forget {
        /// The run.
        run: u64,
        /// The epoch.
        epoch: u32,
        /// The commits in the copy.
        commits: u64,
    },
    /// The run: to take the candidates that the other shards found in a clock.
    Advance {
        /// The run.
        run: u64,
        /// The epoch.
        epoch: u32,
        /// The clock.
        clock: u64,
        /// Those of blocks that are not this shard's.
        others: Candidates,
    },
    /// The run: to refuse what this member and its earlier incarnations push.
    Fence {
        /// The run.
        run: u64,
        /// Who.
        member: Member,
        /// The last of its orders that still counts; what it has staged for later ones is discarded.
        done: u32,
    },
    /// The run: it is there; is the shard?
    Ping {
        /// The run.
        run: u64,
        /// The first clock that is not committed.
        clock: u64,
    },
    /// The run: it has ended.
    Close {
        /// The run.
        run: u64,
    },
    /// A worker: to stage its sums.
    Push {
        /// What makes it this push.
        id: PushId,
        /// By steps: the weight of the mini-batch.
        weight: i64,
        /// By steps: the list of its keys. If they are in the blocks too, the shard is to remember them; if not, it should know it.
        list: Option<ListName>,
        /// The sums of this shard's blocks, each under its number. Shells send them beside the rest.
        /// By steps: for table number t its keys as block 2t, if they are told, and its sums as block 2t + 1.
        #[serde(skip)]
        blocks: Arc<Vec<(u32, Block)>>,
    },
    /// A worker: the shard's candidates of a clock; answered when it is committed, or with [`FromShard::Wait`] after a while.
    Pull {
        /// The run.
        run: u64,
        /// The epoch.
        epoch: u32,
        /// The clock.
        clock: u64,
    },
    /// A worker, by steps: rows of tables; answered when enough is committed, or with [`FromShard::Wait`] after a while.
    Read {
        /// The run.
        run: u64,
        /// The epoch.
        epoch: u32,
        /// So many commits must be in it.
        least: u64,
        /// What of each number is wanted.
        bits: Bits,
        /// The list of its keys, if the shard should know it; then they are not in the blocks.
        list: Option<ListName>,
        /// The keys, block t for table number t. The shard remembers them for a while.
        #[serde(skip)]
        blocks: Arc<Vec<(u32, Block)>>,
    },
    /// The run, by steps: rows of a table in the order of their keys; answered with as many as fit.
    Collect {
        /// The run.
        run: u64,
        /// The epoch.
        epoch: u32,
        /// The table.
        table: u32,
        /// Keys from this one on.
        from: u64,
    },
}

/// What a shard answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum FromShard {
    /// It has begun the epoch.
    Opened {
        /// The epoch.
        epoch: u32,
    },
    /// It stands at this clock.
    At {
        /// The epoch.
        epoch: u32,
        /// The first clock that is not committed.
        clock: u64,
    },
    /// The clock is committed; these are its candidates.
    Committed {
        /// The epoch.
        epoch: u32,
        /// The clock.
        clock: u64,
        /// Those of this shard's blocks.
        candidates: Candidates,
    },
    /// What became of a push.
    Pushed {
        /// The push.
        id: PushId,
        /// What became of it.
        pushed: Pushed,
    },
    /// Rows of tables.
    Rows {
        /// The epoch.
        epoch: u32,
        /// So many commits are in them.
        clock: u64,
        /// Of a [`ToShard::Read`]: block t has the values of table t. Of a [`ToShard::Collect`]: block 0 has keys and block 1
        /// values; keys from the last one + 1 on are not in it, and no keys are the end. Of a [`ToShard::Save`]: the same, with
        /// what rules remember.
        #[serde(skip)]
        blocks: Arc<Vec<(u32, Block)>>,
    },
    /// Nothing to pull yet; ask again.
    Wait,
    /// The shard does not know, or not any more, the list that the call names: it must be made again with the keys.
    Unlisted,
    /// The clock was committed so long ago that the run must be asked; or its epoch is over. Of a [`ToShard::Save`]: there is no
    /// such copy.
    Gone,
    /// Done.
    Noted,
    /// The shard does not know this run or this epoch, or lacks a contribution: it has been started anew.
    Unknown,
    /// The shard cannot go on.
    Failed(Problem),
    /// A worker's call makes no sense. The shard goes on; the worker should not.
    Refused {
        /// What is wrong with it.
        what: String,
    },
}
