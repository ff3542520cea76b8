//! Shards are told nonsense by a worker: they refuse it, and go on as if nothing had been said.

mod undriven;

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use quelea_core::block::Block;
use quelea_core::steps::{Parameters, Rule, Start};
use quelea_params::message::{After, Apply, Contribution, FromShard, Member, PushId, Pushed, ToShard};
use quelea_params::shard::Shard;
use quelea_params::tables::shard_of;
use quelea_params::{Bits, Caller, Made, Packet, Timing};
use undriven::Undriven;

const SECOND: Duration = Duration::from_secs(1);
const TIMING: Timing = Timing { keepalive: SECOND, lease: Duration::from_secs(5), request_timeout: SECOND, retries: 3 };
type Blocks = Vec<(u32, Block)>;

struct Teller(Shard, u64);

impl Teller {
    fn ask(&mut self, ask: ToShard) -> Option<FromShard> {
        self.1 += 1;
        let mut answers = Vec::new();
        self.0.handle(SECOND, Caller { peer: 1, call: self.1 }, ask, &mut answers);
        answers.pop().map(|(_, answer)| answer)
    }
}

fn shard() -> Teller {
    let table = |name: &'static str, width, rule| Parameters { name: name.into(), width, start: Start::Zero, rule, unit: 1.0 };
    let tables = vec![table("a", 2, Rule::Sum), table("b", 1, Rule::Adagrad { rate: 0.1, l2: 0.0 })];
    let mut shard = Teller(Shard::new(Box::new(move |_| Ok(Made::Steps(Box::new(Undriven(tables.clone()))))), TIMING), 0);
    let open = ToShard::Open {
        run: 1,
        epoch: 1,
        shard: 0,
        shards: 2,
        life: 0,
        plan: Packet::default(),
        timing: TIMING,
        after: After::default(),
        window: Vec::new(),
    };
    assert_eq!(shard.ask(open), Some(FromShard::Opened { epoch: 1 }));
    shard
}

fn contribution(sequence: u32) -> Contribution {
    Contribution { member: Member { run: 1, worker: 0, incarnation: 0 }, sequence }
}

fn push(sequence: u32, weight: i64, blocks: Blocks) -> ToShard {
    let id = PushId { run: 1, epoch: 1, shard: 0, clock: 0, contribution: contribution(sequence) };
    ToShard::Push { id, weight, list: None, blocks: Arc::new(blocks) }
}

/// What is right by chance now and then.
fn block() -> impl Strategy<Value = Block> {
    prop_oneof![
        prop::collection::vec(0u64..6, 0..3).prop_map(Block::Keys),
        prop::collection::vec(any::<i64>(), 0..5).prop_map(Block::Integers),
        prop::collection::vec(any::<i128>(), 0..2).prop_map(Block::Fixed),
        prop::collection::vec(any::<f32>(), 0..2).prop_map(Block::Values),
    ]
}

proptest! {
    #[test]
    fn nonsense_is_refused_and_changes_nothing(
        weight in prop_oneof![Just(1i64), any::<i64>()],
        pushed in prop::collection::vec((0u32..5, block()), 0..6),
        read in prop::collection::vec((0u32..3, block()), 0..4),
        table in 0u32..4,
    ) {
        let mut shard = shard();
        let pushed = shard.ask(push(1, weight, pushed));
        let is_taken = matches!(pushed, Some(FromShard::Pushed { pushed: Pushed::Applied, .. }));
        let is_refused = matches!(pushed, Some(FromShard::Refused { .. }));
        prop_assert!(is_taken || is_refused);
        let read = shard.ask(ToShard::Read { run: 1, epoch: 1, least: 0, bits: Bits::All, list: None, blocks: Arc::new(read) });
        let is_answered = matches!(read, Some(FromShard::Rows { .. } | FromShard::Refused { .. }));
        prop_assert!(is_answered);
        let collected = shard.ask(ToShard::Collect { run: 1, epoch: 1, table, from: u64::MAX });
        let is_answered = matches!(collected, Some(FromShard::Rows { .. } | FromShard::Failed(_)));
        prop_assert!(is_answered);
        let key = (0..).find(|&key| shard_of(key, 2) == 0).expect("every shard has keys");
        let sound = vec![
            (0, Block::Keys(vec![key])),
            (1, Block::Integers(vec![3, 4])),
            (2, Block::Keys(Vec::new())),
            (3, Block::Integers(Vec::new())),
        ];
        shard.ask(push(2, 5, sound));
        let commit = ToShard::Commit { run: 1, epoch: 1, clock: 0, contributions: vec![contribution(2)], apply: Apply::InTurn, copy: false };
        let is_committed = matches!(shard.ask(commit), Some(FromShard::Committed { clock: 0, .. }));
        prop_assert!(is_committed);
        let keys = Arc::new(vec![(0, Block::Keys(vec![key])), (1, Block::Keys(Vec::new()))]);
        let read = shard.ask(ToShard::Read { run: 1, epoch: 1, least: 1, bits: Bits::All, list: None, blocks: keys });
        let rows = Arc::new(vec![(0, Block::Values(vec![3.0, 4.0])), (1, Block::Values(Vec::new()))]);
        prop_assert_eq!(read, Some(FromShard::Rows { epoch: 1, clock: 1, blocks: rows }));
    }
}
