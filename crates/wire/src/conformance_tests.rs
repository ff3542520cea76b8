//! Every message comes as it went, and in its order, over every protocol, in clear and under TLS.

#[path = "../tests/rpc/certificates.rs"]
mod certificates;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use quelea_core::block::{Block, PickedRow};
use quelea_params::message::*;
use quelea_params::{Bits, ListName, Packet, Problem, Timing, Traffic};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{Receiver, channel};

use crate::message::{Message, OfRun, OfShard, Service};
use crate::peer::{self, Event, Peer};
use crate::server::{self, Server};
use crate::{Listener, Protocol, Terms, Tls, Token, WireError};

const PROTOCOLS: [Protocol; 3] = [Protocol::Rpc, Protocol::Grpc, Protocol::Rest];
const MEMBER: Member = Member { run: u64::MAX, worker: u32::MAX, incarnation: 7 };

/// All terms that messages must travel on.
fn ways() -> Vec<Terms> {
    let made = certificates::certificates();
    let tls = made.tls("localhost");
    PROTOCOLS.iter().flat_map(|protocol| [terms(*protocol, None), terms(*protocol, Some(tls.clone()))]).collect()
}

fn terms(protocol: Protocol, tls: Option<Tls>) -> Terms {
    let timing =
        Timing { keepalive: Duration::from_secs(1), lease: Duration::from_secs(60), request_timeout: Duration::from_secs(60), retries: 4 };
    Terms { protocol, tls, token: Token::random().expect("random bytes"), timing, connect_timeout: Duration::from_secs(30) }
}

fn name(terms: &Terms) -> String {
    format!("{:?}{}", terms.protocol, if terms.tls.is_some() { " under TLS" } else { "" })
}

fn now<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

/// A server at an address, and where it listens.
fn serve<S: Service>(address: &str, terms: &Terms) -> (Server<S>, String) {
    let listener = Listener::bind(address, terms).expect("a free address");
    let address = listener.address();
    (Server::start(listener, terms).expect("a runtime"), address)
}

fn call<S: Service>(address: &str, terms: &Terms) -> (Peer<S>, Receiver<Event<S>>) {
    let (tell, events) = channel(16);
    (Peer::start(address.into(), terms, tell, |event| event), events)
}

async fn connected<S: Service>(address: &str, terms: &Terms) -> (Peer<S>, Receiver<Event<S>>) {
    let (peer, mut events) = call(address, terms);
    match events.recv().await {
        Some(Event::Up) => (peer, events),
        Some(Event::Failing(error) | Event::Refused(error)) => panic!("{}: {error}", name(terms)),
        _ => panic!("{}: it ended", name(terms)),
    }
}

/// The next call, whose number says how many came before it.
async fn asked<S: Service>(server: &mut Server<S>) -> (quelea_params::Caller, S::Ask) {
    match server.next().await {
        server::Event::Asked(caller, ask) => (caller, ask),
        server::Event::Closed(peer) => panic!("connection {peer} ended"),
    }
}

async fn answered<S: Service>(events: &mut Receiver<Event<S>>) -> (u64, S::Answer) {
    match events.recv().await {
        Some(Event::Answered(call, answer)) => (call, answer),
        Some(Event::Failing(error) | Event::Refused(error)) => panic!("{error}"),
        _ => panic!("the connection ended"),
    }
}

/// Why no connection is ever made.
async fn refused<S: Service>(address: &str, terms: &Terms) -> WireError {
    let (_peer, mut events) = call::<S>(address, terms);
    match events.recv().await {
        Some(Event::Refused(error)) => error,
        Some(Event::Failing(error)) => panic!("{}: it is tried again: {error}", name(terms)),
        _ => panic!("{}: it is not refused", name(terms)),
    }
}

/// Calls under way at once; a server closes connections on which 256 answers wait.
const UNDER_WAY: usize = 100;

/// Sends all asks, many at once, and has them answered with all answers in turn.
fn carries<S: Service>(asks: &[S::Ask], answers: &[S::Answer])
where
    S::Ask: PartialEq,
    S::Answer: PartialEq + Clone,
{
    let count = asks.len().max(answers.len());
    for terms in ways() {
        now(async {
            let (mut server, address) = serve::<S>("127.0.0.1:0", &terms);
            let (peer, mut events) = connected::<S>(&address, &terms).await;
            let call_next = |at: usize| peer.call(at as u64, asks[at % asks.len()].clone());
            (0..count.min(UNDER_WAY)).for_each(call_next);
            let serving = async {
                for at in 0..count {
                    let (caller, ask) = asked(&mut server).await;
                    assert!(ask == asks[at % asks.len()], "{}: call {at} has changed, or its place", name(&terms));
                    server.answer(caller, answers[at % answers.len()].clone());
                }
            };
            let hearing = async {
                for at in 0..count {
                    let (call, answer) = answered(&mut events).await;
                    // Answers to requests may overtake each other.
                    assert!(call == at as u64 || terms.protocol == Protocol::Rest, "{}: {call} before {at}", name(&terms));
                    assert!(answer == answers[call as usize % answers.len()], "{}: answer {call} has changed", name(&terms));
                    if at + UNDER_WAY < count {
                        call_next(at + UNDER_WAY);
                    }
                }
            };
            tokio::join!(serving, hearing);
            peer::finish_all(vec![peer]).await;
            server.finish().await;
        });
    }
}

fn traffic() -> Traffic {
    Traffic { bits: Bits::Eight, top: 0.1, significance: 1e-300, units: vec![0.0, f64::MIN_POSITIVE] }
}

fn packets() -> Vec<Packet> {
    [Vec::new(), vec![0], (0..=255).collect(), vec![7; 3 << 20]].into_iter().map(Packet::from).collect()
}

fn candidates() -> Candidates {
    [u32::MAX, 0, 7, 7].into_iter().zip(packets()).collect()
}

fn all_blocks() -> Vec<(u32, Block)> {
    let row = |values| PickedRow { tile: u32::MAX, row: 0, values };
    let blocks = vec![
        Block::Integers(Vec::new()),
        Block::Integers(vec![i64::MIN, -1, 0, 1, i64::MAX]),
        Block::Fixed(vec![i128::MIN, -1, 0, 1, i128::MAX]),
        Block::Fixed(Vec::new()),
        Block::Bag(vec![f32::MIN_POSITIVE / 8.0, -0.0, f32::MAX, f32::INFINITY]),
        Block::Bag(Vec::new()),
        Block::Rows(vec![row(Vec::new()), row(vec![1.5, f32::NEG_INFINITY])]),
        Block::Rows(Vec::new()),
        Block::Keys(vec![0, 1, u64::MAX]),
        Block::Keys(Vec::new()),
        Block::Values(vec![0.1; 100_003]),
        Block::Values(Vec::new()),
    ];
    [u32::MAX, 3, 3, 0].into_iter().chain(4..).zip(blocks).collect()
}

fn blocks_of_all_sizes() -> [Arc<Vec<(u32, Block)>>; 3] {
    let large = Block::Integers((0..8 << 20).map(|at: i64| at.wrapping_mul(0x9e37_79b9_7f4a_7c15u64 as i64)).collect());
    [Vec::new(), all_blocks(), vec![(0, Block::Integers(Vec::new())), (1, large)]].map(Arc::new)
}

fn timing() -> Timing {
    Timing { keepalive: Duration::ZERO, lease: Duration::MAX, request_timeout: Duration::new(1, 999_999_999), retries: u32::MAX }
}

fn id() -> PushId {
    PushId { run: u64::MAX, epoch: u32::MAX, shard: 0, clock: u64::MAX, contribution: Contribution { member: MEMBER, sequence: 9 } }
}

fn problems() -> Vec<Problem> {
    let (who, by, what) = (|| "worker \u{1f426}\n\"7\"".to_owned(), || "shard 3".to_owned(), || "x".repeat(70_000));
    vec![
        Problem::Learner(quelea_core::Error::Internal { what: what() }),
        Problem::Silent { who: who(), seconds: u64::MAX },
        Problem::Stuck { who: who(), times: u32::MAX },
        Problem::NoWorkers { seconds: 0 },
        Problem::Busy,
        Problem::Version { theirs: "1".into(), ours: String::new() },
        Problem::SameShard { shard: 0, other: u32::MAX },
        Problem::Refused { by: by(), who: who(), what: what() },
        Problem::Memory { bytes: u64::MAX },
        Problem::Checkpoint { what: what() },
        Problem::Stopped,
        Problem::internal(what()),
    ]
}

#[test]
fn what_workers_and_runs_say_comes_as_it_went() {
    let member = MEMBER;
    let mut asks = vec![
        ToRun::Join { name: "machine/\u{e9}\u{0}".into() },
        ToRun::Join { name: String::new() },
        ToRun::Poll { member, known: u32::MAX, done: 0, view: u32::MAX, bytes: u64::MAX, totals: vec![i128::MIN, -1, 0, 1, i128::MAX] },
        ToRun::Poll { member, known: 0, done: u32::MAX, view: 0, bytes: 0, totals: Vec::new() },
        ToRun::Tile { member, tile: u32::MAX },
        ToRun::Log { member, epoch: u32::MAX, from: u64::MAX },
        ToRun::Leave { member },
    ];
    asks.extend(problems().into_iter().map(|problem| ToRun::Fail { member, problem }));
    let order = |owned, fold| {
        let order = Order { number: u32::MAX, epoch: 1, clock: u64::MAX, owned, fold, least: u64::MAX, counts: u32::MAX, flush: true };
        FromRun::Order(order)
    };
    let slices = (0..5_000).map(|tile| Slice { tile, number: u64::MAX - u64::from(tile) }).collect();
    let joined = |plan, shards| {
        FromRun::Joined(Joined { member, run: u64::MAX, plan, shards, parts: u32::MAX, timing: timing(), traffic: traffic() })
    };
    let mut answers = vec![
        order(None, Which::Owned),
        order(Some(Vec::new()), Which::These((0..5_000).collect())),
        order(Some(vec![u32::MAX, 0]), Which::Slices(slices)),
        FromRun::Wait,
        FromRun::Log { from: u64::MAX, clocks: vec![Vec::new(), candidates()] },
        FromRun::Log { from: 0, clocks: Vec::new() },
        FromRun::Shards { view: u32::MAX, lost: vec![0, u32::MAX] },
        FromRun::Fenced,
        FromRun::Ended,
    ];
    answers.extend(packets().into_iter().map(|bytes| FromRun::Tile { tile: u32::MAX, bytes }));
    answers.extend(packets().into_iter().map(|plan| joined(plan, vec!["127.0.0.1:1".into(), "unix:/\u{e9} \"".into()])));
    carries::<OfRun>(&asks, &answers);
}

#[test]
fn what_shards_hear_and_say_comes_as_it_went() {
    let (run, epoch, clock) = (u64::MAX, u32::MAX, u64::MAX);
    let contributions = (0..2_000).map(|sequence| Contribution { member: MEMBER, sequence }).collect();
    let window = vec![Contribution { member: MEMBER, sequence: u32::MAX }];
    let mut asks = vec![
        ToShard::Replay { run, epoch, from: 0, clocks: vec![candidates(), Vec::new()] },
        ToShard::Commit { run, epoch, clock, contributions, apply: Apply::InTurn, copy: true },
        ToShard::Commit { run: 0, epoch: 0, clock: 0, contributions: Vec::new(), apply: Apply::Together, copy: false },
        ToShard::Advance { run, epoch, clock, others: candidates() },
        ToShard::Fence { run, member: MEMBER, done: u32::MAX },
        ToShard::Ping { run, clock },
        ToShard::Close { run },
        ToShard::Pull { run, epoch, clock },
        ToShard::Collect { run, epoch, table: u32::MAX, from: u64::MAX },
        ToShard::Save { run, epoch, commits: u64::MAX, table: u32::MAX, from: u64::MAX },
        ToShard::Forget { run, epoch, commits: u64::MAX },
        ToShard::Copy { run, epoch },
    ];
    asks.extend(packets().into_iter().map(|plan| ToShard::Open {
        run,
        epoch,
        shard: 0,
        shards: u32::MAX,
        life: u32::MAX,
        plan,
        timing: timing(),
        after: After { commits: 3, applied: 4, closed: 5 },
        window: window.clone(),
    }));
    for (blocks, weight) in blocks_of_all_sizes().into_iter().zip([i64::MIN, 0, i64::MAX]) {
        asks.push(ToShard::Push { id: id(), weight, list: Some(ListName::of(&[vec![weight as u64]])), blocks: blocks.clone() });
        asks.push(ToShard::Load { run, epoch, part: u64::MAX, table: u32::MAX, blocks: blocks.clone() });
        asks.push(ToShard::Read { run, epoch, least: u64::MAX, bits: Bits::Sixteen, list: None, blocks });
    }
    let mut answers = vec![
        FromShard::Opened { epoch },
        FromShard::At { epoch, clock },
        FromShard::Committed { epoch, clock, candidates: candidates() },
        FromShard::Wait,
        FromShard::Unlisted,
        FromShard::Gone,
        FromShard::Noted,
        FromShard::Unknown,
        FromShard::Refused { what: "a \"key\" that is not there \u{1f426}".into() },
    ];
    let all_pushed = [Pushed::Applied, Pushed::Duplicate, Pushed::Dropped, Pushed::Fenced];
    answers.extend(all_pushed.map(|pushed| FromShard::Pushed { id: id(), pushed }));
    answers.extend(problems().into_iter().map(FromShard::Failed));
    answers.extend(blocks_of_all_sizes().map(|blocks| FromShard::Rows { epoch, clock, blocks }));
    carries::<OfShard>(&asks, &answers);
}

#[test]
fn many_calls_keep_their_order() {
    let asks: Vec<ToShard> = (0..3_000).map(|clock| ToShard::Ping { run: clock % 7, clock }).collect();
    let answers: Vec<FromShard> = (0..3_000).map(|clock| FromShard::At { epoch: 1, clock }).collect();
    carries::<OfShard>(&asks, &answers);
}

#[test]
fn a_server_that_is_started_again_is_found_again() {
    for terms in ways() {
        now(async {
            let (mut server, address) = serve::<OfShard>("127.0.0.1:0", &terms);
            let (peer, mut events) = connected::<OfShard>(&address, &terms).await;
            for round in 0..3 {
                let ask = ToShard::Ping { run: 1, clock: round };
                peer.call(round, ask.clone());
                let (caller, heard) = asked(&mut server).await;
                assert_eq!(heard, ask, "{}", name(&terms));
                server.answer(caller, FromShard::At { epoch: 1, clock: round });
                assert_eq!(answered(&mut events).await, (round, FromShard::At { epoch: 1, clock: round }), "{}", name(&terms));
                server.finish().await;
                server = serve::<OfShard>(&address, &terms).0;
                loop {
                    match events.recv().await {
                        Some(Event::Up) => break,
                        Some(Event::Down | Event::Failing(_)) => {}
                        _ => panic!("{}: nobody comes back", name(&terms)),
                    }
                }
            }
        });
    }
}

#[test]
fn another_token_and_another_service_are_refused() {
    for terms in ways() {
        now(async {
            let (_server, address) = serve::<OfShard>("127.0.0.1:0", &terms);
            let other = Terms { token: Token::random().expect("random bytes"), ..terms.clone() };
            let error = refused::<OfShard>(&address, &other).await;
            assert!(matches!(error, WireError::Token { .. }), "{}: {error}", name(&terms));
            let error = refused::<OfRun>(&address, &terms).await;
            assert!(matches!(error, WireError::NotThat { expected: "a run", .. }), "{}: {error}", name(&terms));
            connected::<OfShard>(&address, &terms).await;
        });
    }
}

/// Passes bytes on to `to`, and makes those that come back, or go, of the next version.
async fn lie_of_the_version(to: String, of_server: bool) -> String {
    let socket = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = socket.local_addr().expect("a bound socket").to_string();
    let version = VERSION as u8;
    let ways =
        [(b"quelea/1".to_vec(), vec![version]), (vec![8], vec![version, 0x12, 0x20]), (b"quelea-version: ".to_vec(), vec![b'0' + version])];
    let lie = move |bytes: &mut [u8]| {
        for (before, after) in &ways {
            let pattern = [&before[..], after].concat();
            if let Some(at) = bytes.windows(pattern.len()).position(|window| window == pattern) {
                bytes[at + before.len()] += 1;
            }
        }
    };
    tokio::spawn(async move {
        while let Ok((client, _)) = socket.accept().await {
            let server = TcpStream::connect(&to).await.expect("it listens");
            let ((mut from_client, mut to_client), (mut from_server, mut to_server)) = (client.into_split(), server.into_split());
            let (lie_there, lie_back) = (lie.clone(), lie.clone());
            tokio::spawn(async move {
                let mut bytes = vec![0; 1 << 16];
                while let Ok(len @ 1..) = from_client.read(&mut bytes).await {
                    if !of_server {
                        lie_there(&mut bytes[..len]);
                    }
                    to_server.write_all(&bytes[..len]).await.expect("it listens");
                }
            });
            tokio::spawn(async move {
                let mut bytes = vec![0; 1 << 16];
                while let Ok(len @ 1..) = from_server.read(&mut bytes).await {
                    if of_server {
                        lie_back(&mut bytes[..len]);
                    }
                    let _ = to_client.write_all(&bytes[..len]).await;
                }
            });
        }
    });
    address
}

#[test]
fn another_version_is_named() {
    for protocol in PROTOCOLS {
        now(async {
            let terms = terms(protocol, None);
            let (_server, address) = serve::<OfShard>("127.0.0.1:0", &terms);
            // What a REST server says of itself is signed; there the client's version is changed, which is not.
            let error = refused::<OfShard>(&lie_of_the_version(address, protocol != Protocol::Rest).await, &terms).await;
            let WireError::Version { theirs, ours, .. } = &error else { panic!("{protocol:?}: {error}") };
            assert_eq!((*theirs, *ours), (VERSION + u32::from(protocol != Protocol::Rest), VERSION));
            let said = error.to_string();
            assert!(said.contains(&format!("version {theirs} of")) && said.contains(&format!("version {ours};")), "{said}");
        });
    }
}

/// What is too large for a frame: rows are a part of its head.
fn too_large() -> Arc<Vec<(u32, Block)>> {
    Arc::new(vec![(0, Block::Rows(vec![PickedRow { tile: 0, row: 0, values: vec![0.5; 5 << 20] }]))])
}

#[test]
fn what_is_too_large_is_named() {
    async fn told<S: Service>(events: &mut Receiver<Event<S>>) -> String
    where
        S::Answer: Message + Debug,
    {
        match events.recv().await {
            Some(Event::Refused(error)) => error.to_string(),
            Some(Event::Answered(call, answer)) => panic!("{call} was answered: {answer:?}"),
            Some(Event::Failing(error)) => panic!("{error}"),
            _ => panic!("the connection was closed silently"),
        }
    }
    for terms in ways() {
        now(async {
            let (mut server, address) = serve::<OfShard>("127.0.0.1:0", &terms);
            let (peer, mut events) = connected::<OfShard>(&address, &terms).await;
            peer.call(1, ToShard::Push { id: PushId { clock: 5, ..id() }, weight: 1, list: None, blocks: too_large() });
            let said = told(&mut events).await;
            assert!(said.starts_with("the sums for clock 5 of 20") && said.ends_with("; the most is 16777216"), "{said}");
            let server::Event::Closed(_) = server.next().await else { panic!("nothing was sent") };
            let (peer, mut events) = connected::<OfShard>(&address, &terms).await;
            peer.call(1, ToShard::Ping { run: 1, clock: 0 });
            let (caller, _) = asked(&mut server).await;
            server.answer(caller, FromShard::Rows { epoch: 1, clock: 0, blocks: too_large() });
            let said = told(&mut events).await;
            let right = format!("{address} cannot answer: rows of parameters of 20");
            assert!(said.starts_with(&right), "{}: {said}", name(&terms));
        });
    }
}

/// Whoever calls and never reads loses its connection, and nobody else waits for it.
#[test]
fn a_deaf_caller_is_cut_off() {
    for terms in ways().into_iter().filter(|terms| terms.protocol != Protocol::Rest) {
        now(async {
            let (mut server, address) = serve::<OfShard>("127.0.0.1:0", &terms);
            let serving = async {
                let mut closed = 0;
                // The deaf one, and the other.
                while closed < 2 {
                    match server.next().await {
                        server::Event::Asked(caller, ToShard::Ping { .. }) => server.answer(caller, FromShard::Unknown),
                        server::Event::Asked(caller, _) => {
                            let blocks = Arc::new(vec![(0, Block::Values(vec![0.5; 100_000]))]);
                            server.answer(caller, FromShard::Rows { epoch: 1, clock: 0, blocks });
                        }
                        server::Event::Closed(_) => closed += 1,
                    }
                }
            };
            let deaf = async {
                let (_read, mut write) = peer::connect::<OfShard>(&address, &terms).await.expect("it listens");
                let ask = ToShard::Pull { run: 1, epoch: 1, clock: 0 };
                let mut calls = 0;
                while write.write(calls, &ask, Duration::from_secs(60)).await.is_ok() {
                    calls += 1;
                    tokio::task::yield_now().await;
                }
                assert!(calls > 256, "{}: {calls} calls", name(&terms));
            };
            let other = async {
                let (peer, mut events) = connected::<OfShard>(&address, &terms).await;
                for call in 0..300 {
                    peer.call(call, ToShard::Ping { run: 1, clock: call });
                    assert_eq!(answered(&mut events).await, (call, FromShard::Unknown));
                }
                peer::finish_all(vec![peer]).await;
            };
            tokio::join!(serving, deaf, other);
        });
    }
}
