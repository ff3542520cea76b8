//! Frames that come as they went, and frames that lie.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use quelea_core::block::PickedRow;
use quelea_params::message::{Contribution, FromRun, FromShard, Member, PushId, ToRun, ToShard};
use quelea_params::{Bits, Packet};
use tokio::io::BufWriter;

use super::*;

const PATIENCE: Duration = Duration::from_secs(60);

fn now<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

/// The bytes of a frame, over a stream that keeps what is written until it is flushed, as TLS may.
fn written<M: Message>(call: u64, message: &M) -> Vec<u8> {
    let mut stream = BufWriter::with_capacity(1 << 20, Vec::new());
    let len = now(write(&mut stream, call, message, PATIENCE)).expect("memory takes everything");
    let bytes = stream.into_inner();
    assert_eq!(len, bytes.len() as u64);
    bytes
}

fn parsed<M: Message>(mut bytes: &[u8]) -> Result<(u64, M, u64), WireError> {
    now(read(&mut bytes, "a test"))
}

fn push(blocks: Vec<Block>) -> ToShard {
    let contribution = Contribution { member: Member { run: 1, worker: 3, incarnation: 7 }, sequence: 9 };
    let id = PushId { run: u64::MAX, epoch: 1, shard: 2, clock: 1 << 40, contribution };
    ToShard::Push { id, weight: 3, list: None, blocks: Arc::new((0..).map(|number: u32| number * 3).zip(blocks).collect()) }
}

fn header(head: u32, beside: u64) -> Vec<u8> {
    [&1u64.to_le_bytes()[..], &head.to_le_bytes(), &beside.to_le_bytes()].concat()
}

/// A frame around this head and what lies beside it.
fn around(head: &[u8], beside: &[u8]) -> Vec<u8> {
    [header(head.len() as u32, beside.len() as u64), head.to_vec(), beside.to_vec()].concat()
}

fn block() -> impl Strategy<Value = Block> {
    let row = (any::<u32>(), any::<u32>(), vec(-1e30f32..1e30, 0..4));
    prop_oneof![
        vec(any::<i64>(), 0..40).prop_map(Block::Integers),
        vec(-9i64..9, 0..200).prop_map(|numbers| Block::Integers(numbers.into_iter().map(|number| number << 20).collect())),
        vec(0u64..90_000, 0..200).prop_map(Block::Keys),
        vec(-8i8..8, 0..40).prop_map(|numbers| Block::Values(numbers.into_iter().map(f32::from).collect())),
        vec(any::<i128>(), 0..40).prop_map(Block::Fixed),
        vec(any::<u64>(), 0..40).prop_map(Block::Keys),
        vec(-1e30f32..1e30, 0..40).prop_map(Block::Values),
        vec(-1e30f32..1e30, 0..40).prop_map(Block::Bag),
        vec(row.prop_map(|(tile, row, values)| PickedRow { tile, row, values }), 0..6).prop_map(Block::Rows),
    ]
}

fn message() -> impl Strategy<Value = ToShard> {
    let packet = || vec(any::<u8>(), 0..50).prop_map(Packet::from);
    let candidates = vec((any::<u32>(), packet()), 0..4);
    prop_oneof![
        4 => vec(block(), 0..6).prop_map(push),
        2 => vec(block(), 0..6).prop_map(|blocks| ToShard::Read { run: 1, epoch: 2, least: 3, bits: Bits::Eight, list: None, blocks: Arc::new((0..).zip(blocks).collect()) }),
        1 => (any::<u64>(), packet()).prop_map(|(run, plan)| ToShard::Open { run, epoch: 1, shard: 0, shards: 2, life: 3, plan, timing: timing(), after: quelea_params::message::After { commits: 7, applied: 8, closed: 9 }, window: Vec::new() }),
        1 => (any::<u64>(), vec(candidates, 0..4)).prop_map(|(from, clocks)| ToShard::Replay { run: 1, epoch: 2, from, clocks }),
        1 => any::<u64>().prop_map(|clock| ToShard::Ping { run: 5, clock }),
    ]
}

proptest! {
    #[test]
    fn a_message_comes_as_it_went(call: u64, message in message()) {
        let bytes = written(call, &message);
        let came: (u64, ToShard, u64) = parsed(&bytes).expect("a whole frame");
        prop_assert_eq!(came, (call, message, bytes.len() as u64));
    }

    #[test]
    fn a_part_of_a_frame_is_an_error(message in message(), cut in 0.0..1.0) {
        let bytes = written(1, &message);
        let part = &bytes[..(bytes.len() as f64 * cut) as usize];
        prop_assert!(parsed::<ToShard>(part).is_err());
    }

    /// A bit of a number makes another number; whatever else is changed must not do any harm. Packed zeros are zeros whatever
    /// their shift.
    #[test]
    fn a_changed_frame_is_another_message_or_an_error(message in message(), at: prop::sample::Index, bit in 0..8) {
        let mut bytes = written(1, &message);
        let at = at.index(bytes.len());
        bytes[at] ^= 1u8 << bit;
        if let Ok((_, came, len)) = parsed::<ToShard>(&bytes) {
            prop_assert!(len == bytes.len() as u64);
            prop_assert!(at < 8 || came != message || message.blocks().iter().any(|(_, block)| matches!(sent(block).1, Cow::Owned(_))));
        }
    }

    #[test]
    fn noise_is_an_error(noise in vec(any::<u8>(), 0..200), head in 0u32..100, beside in 0u64..100) {
        let _ = parsed::<ToShard>(&noise);
        let _ = parsed::<ToRun>(&[header(head, beside), noise.clone()].concat());
        let _ = parsed::<FromShard>(&[header(noise.len() as u32, 0), noise].concat());
    }
}

#[test]
fn large_blocks_come_in_small_pieces() {
    let message = push(vec![
        Block::Integers((0..3 << 20).collect()),
        Block::Integers(Vec::new()),
        Block::Fixed((0..300_000).map(|number| number << 70).collect()),
        Block::Bag((0..2 << 20).map(|number| number as f32).collect()),
    ]);
    let came = now(async {
        let (mut to, mut from) = tokio::io::duplex(1_000);
        let (sent, came) = tokio::join!(write(&mut to, 4, &message, PATIENCE), read::<ToShard>(&mut from, "a test"));
        assert_eq!(sent.expect("the receiver reads"), came.as_ref().expect("a whole frame").2);
        came.expect("a whole frame").1
    });
    assert!(came == message);
}

#[test]
fn nobody_waits_for_a_receiver_that_takes_nothing() {
    let sent = now(async {
        let (mut to, _from) = tokio::io::duplex(1_000);
        write(&mut to, 4, &push(vec![Block::Integers(vec![1; 10_000])]), Duration::from_millis(20)).await
    });
    assert!(sent.is_err_and(|error| error.is_passing()));
}

#[test]
fn lengths_must_agree() {
    let said = |bytes: &[u8]| parsed::<ToShard>(bytes).expect_err("a malformed frame").to_string();
    let whole = written(1, &push(vec![Block::Integers(vec![1, 2, 3])]));
    let mut short = whole.clone();
    short[12..20].copy_from_slice(&16u64.to_le_bytes());
    assert!(said(&short).contains("contradict"), "{}", said(&short));
    // More numbers than bytes to hold them.
    for shape in [Shape::PackedIntegers { len: 9, bytes: 8 }, Shape::PackedKeys { len: 9, bytes: 8 }] {
        let head = postcard::to_allocvec(&(push(Vec::new()), vec![(0u32, shape)])).expect("a head");
        assert!(said(&around(&head, &[0; 8])).contains("contradict"));
    }
    // Two blocks that are long enough to add up to the right sum beyond the largest number.
    let shapes = vec![(0u32, Shape::Integers(u64::MAX / 8 + 1)), (1, Shape::Integers(3))];
    let head = postcard::to_allocvec(&(push(Vec::new()), shapes)).expect("a head");
    assert!(said(&around(&head, &[0; 24])).contains("contradict"));
    assert!(said(&header(MOST_HEAD + 1, 0)).contains("too long"));
    assert!(said(&header(0, MOST_BESIDE + 1)).contains("too long"));
}

#[test]
fn a_head_holds_one_message_and_its_blocks() {
    let ping = ToShard::Ping { run: 1, clock: 2 };
    let mut head = postcard::to_allocvec(&(&ping, Vec::<(u32, Shape)>::new())).expect("a head");
    assert!(parsed::<ToShard>(&around(&head, &[])).is_ok());
    head.push(0);
    assert!(parsed::<ToShard>(&around(&head, &[])).is_err());
    let head = postcard::to_allocvec(&(&ping, vec![(0u32, Shape::Bag(2))])).expect("a head");
    assert!(parsed::<ToShard>(&around(&head, &[0; 8])).is_err());
}

#[test]
fn a_tile_lies_beside_the_head() {
    let tile = FromRun::Tile { tile: 7, bytes: vec![5; 30_000].into() };
    let bytes = written(1, &tile);
    assert_eq!(bytes[12..HEADER], 30_000u64.to_le_bytes());
    assert_eq!(parsed::<FromRun>(&bytes).expect("a whole frame").1, tile);
    let head = postcard::to_allocvec(&(push(Vec::new()), vec![(0u32, Shape::Packet(8))])).expect("a head");
    let said = parsed::<ToShard>(&around(&head, &[0; 8])).expect_err("a push has no bytes").to_string();
    assert!(said.contains("do not belong there"), "{said}");
}

#[test]
fn memory_is_taken_for_what_has_come() {
    let most = |key: &str| -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").expect("a Linux machine");
        let line = status.lines().find(|line| line.starts_with(key)).expect("a line of the status");
        line.split_whitespace().nth(1).expect("a number").parse::<u64>().expect("a number") << 10
    };
    let before = most("VmPeak:");
    // A header and a head that promise all there may be, and nothing behind them.
    assert!(parsed::<ToShard>(&header(MOST_HEAD, MOST_BESIDE)).is_err());
    for len in [MOST_BESIDE / 8, 1 << 30] {
        for shape in [Shape::Integers(len), Shape::PackedIntegers { len, bytes: len * 8 }, Shape::PackedKeys { len, bytes: len * 8 }] {
            let head = postcard::to_allocvec(&(push(Vec::new()), vec![(0u32, shape)])).expect("a head");
            let promise = [header(head.len() as u32, len * 8), head].concat();
            assert!(parsed::<ToShard>(&promise).is_err());
        }
    }
    // Heads whose lists claim to be endless: clocks of a log, orders, the shapes of blocks, rows.
    let endless = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    for start in 0..12 {
        for numbers in 0..8 {
            let mut head = vec![start];
            head.extend(vec![1; numbers]);
            head.extend(endless);
            head.extend([0; 64]);
            let _ = parsed::<ToShard>(&around(&head, &[]));
            let _ = parsed::<ToRun>(&around(&head, &[]));
            let _ = parsed::<FromShard>(&around(&head, &[]));
            let _ = parsed::<FromRun>(&around(&head, &[]));
        }
    }
    let taken = most("VmPeak:") - before;
    assert!(taken < 1 << 30, "{taken} bytes were taken for promises");
}

fn timing() -> quelea_params::Timing {
    let second = std::time::Duration::from_secs(1);
    quelea_params::Timing { keepalive: second, lease: 10 * second, request_timeout: 5 * second, retries: 3 }
}
