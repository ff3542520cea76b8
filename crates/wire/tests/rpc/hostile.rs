//! Strangers at a listener of any protocol: whatever they send, it stays small, and serves others meanwhile.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{scope, sleep};
use std::time::Duration;

use quelea_params::message::{FromShard, ToShard};
use quelea_wire::{Client, Protocol, Terms};

use crate::certificates::certificates;
use crate::cluster::{Shard, runtime, terms};
use crate::enemies::{most_files, most_memory};
use crate::toy::mix;

/// Connections that are open at once and say nothing, if this process may have as many.
const IDLE: usize = 2_000;
/// What all of it may take in this process, which has both sides.
const MOST_BYTES: u64 = 512 << 20;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = payload.len() as u32;
    [&len.to_be_bytes()[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn noise(seed: u64, len: u64) -> Vec<u8> {
    (0..len).map(|at| mix(seed, at) as u8).collect()
}

/// What strangers send.
fn attacks(seed: u64) -> Vec<Vec<u8>> {
    let settings = frame(4, 0, 0, &[]);
    let after = |frames: Vec<u8>| [PREFACE, &settings, &frames].concat();
    // POST, http, and / are in HPACK's static table.
    let headers = |stream: u32| frame(1, 4, stream, &[0x83, 0x86, 0x84]);
    let reset = |stream: u32| frame(3, 0, stream, &[0, 0, 0, 8]);
    let open_and_reset: Vec<u8> = (0..3_000).flat_map(|at| [headers(2 * at + 1), reset(2 * at + 1)].concat()).collect();
    let request = |rest: &str| format!("POST /v1/shard/call HTTP/1.1\r\nHost: x\r\n{rest}").into_bytes();
    vec![
        noise(seed, 5_000),
        b"GET / HTTP/1.1\r\n\r\n".repeat(2_000),
        request(&format!("X: {}\r\n\r\n", "y".repeat(4 << 20))),
        request(&"X: y\r\n".repeat(20_000)),
        request("Content-Length: 18446744073709551615\r\n\r\nxyz"),
        request("Content-Length: -1\r\n\r\n"),
        request("Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\nxyz"),
        request("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nxyz"),
        format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(1 << 20)).into_bytes(),
        [&b"GET /v1/health HTTP/1.1\r\n\r\n"[..], &noise(seed, 300)].concat(),
        [PREFACE, &noise(seed, 5_000)].concat(),
        after(frame(4, 0, 0, &noise(seed, 6 * 2_000))),
        after(frame(4, 0, 0, &[]).repeat(20_000)),
        after(frame(6, 0, 0, &[7; 8]).repeat(50_000)),
        after(open_and_reset),
        after([frame(1, 0, 1, &[0x83, 0x86, 0x84]), frame(9, 0, 1, &[0; 16_000]).repeat(500)].concat()),
        after([&[0xff, 0xff, 0xff, 1, 4, 0, 0, 0, 1][..], &noise(seed, 60_000)].concat()),
        after((0..3_000).flat_map(|at| headers(2 * at + 1)).collect()),
        [b"quelea/1", &noise(seed, 3_000)[..]].concat(),
        // A client's greeting under TLS that is as long as one may be.
        [&[22, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc][..], &noise(seed, 16_000)].concat(),
    ]
}

/// Sends it, and reads nothing; how the listener takes it is its own affair.
fn attack(address: &str, bytes: &[u8]) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_write_timeout(Some(Duration::from_secs(10))).ok()?;
    let _ = stream.write_all(bytes);
    Some(stream)
}

/// Calls a shard until told otherwise, and counts.
fn call(shard: &str, terms: &Terms, over: &AtomicBool, calls: &AtomicU64) {
    runtime().block_on(async {
        let mut client: Option<(Client, bool)> = None;
        while !over.load(Ordering::Relaxed) {
            let (open, was_answered) = match &mut client {
                Some(open) => open,
                // Once in a while somebody new must get in as well, if need be after some attempts: among many
                // strangers it may be the oldest, up to the moment in which it has greeted.
                None => match Client::connect(shard, terms).await {
                    Ok(open) => client.insert((open, false)),
                    Err(error) => {
                        assert!(error.is_passing(), "{error}");
                        continue;
                    }
                },
            };
            match open.call(ToShard::Ping { run: 1, clock: 0 }).await {
                Err(error) if error.is_passing() && !*was_answered => {
                    client = None;
                    continue;
                }
                answer => assert_eq!(answer.expect("it answers"), FromShard::Unknown),
            }
            *was_answered = true;
            if calls.fetch_add(1, Ordering::Relaxed).is_multiple_of(50) {
                client = None;
            }
        }
    });
}

/// Attacks a shard in a way, while another calls it.
fn under(terms: &Terms, hurt: impl FnOnce(&Shard)) {
    let shard = Shard::start(terms);
    let (over, calls) = (AtomicBool::new(false), AtomicU64::new(0));
    let before = most_memory();
    scope(|scope| {
        let caller = scope.spawn(|| call(&shard.address, terms, &over, &calls));
        hurt(&shard);
        let made = calls.load(Ordering::Relaxed);
        while calls.load(Ordering::Relaxed) < made + 100 && !caller.is_finished() {
            sleep(Duration::from_millis(10));
        }
        over.store(true, Ordering::Relaxed);
    });
    let taken = most_memory() - before;
    assert!(taken < MOST_BYTES, "{:?}: {taken} bytes were taken", terms.protocol);
}

fn all_terms() -> Vec<Terms> {
    let tls = certificates().tls("localhost");
    let plain = [Protocol::Rpc, Protocol::Grpc, Protocol::Rest].map(|protocol| Terms { protocol, ..terms() });
    plain.iter().flat_map(|plain| [plain.clone(), Terms { tls: Some(tls.clone()), ..plain.clone() }]).collect()
}

#[test]
fn strangers_do_no_harm() {
    for terms in all_terms() {
        under(&terms, |shard| {
            for seed in 0..3 {
                // All of a round stay open until its end.
                let _open: Vec<_> = attacks(seed).iter().map(|bytes| attack(&shard.address, bytes)).collect();
            }
        });
    }
}

#[test]
fn many_who_say_nothing_keep_nobody_out() {
    let most = IDLE.min(most_files() / 4);
    for terms in all_terms().into_iter().filter(|terms| terms.tls.is_none()) {
        under(&terms, |shard| {
            let idle: Vec<_> = (0..most).map(|at| attack(&shard.address, [PREFACE, b"", b"quelea/1", b"GET"][at % 4])).collect();
            assert!(idle.iter().flatten().count() > most / 2, "they got in");
        });
    }
}

/// However slowly it comes, what is no greeting in time is closed.
#[test]
fn who_is_slow_is_closed() {
    for terms in all_terms() {
        under(&terms, |shard| {
            let slow = match terms.protocol {
                Protocol::Rpc => b"quelea/1".to_vec(),
                Protocol::Grpc => [PREFACE, &frame(4, 0, 0, &[])].concat(),
                Protocol::Rest => b"GET /v1/health HTTP/1.1\r\nX: y\r\n".to_vec(),
            };
            let mut stream = TcpStream::connect(&shard.address).expect("it listens");
            let mut written = 0;
            // Over TLS it is no greeting either.
            while stream.write_all(&[*slow.get(written).unwrap_or(&0)]).is_ok() {
                written += 1;
                sleep(Duration::from_millis(100));
            }
            let mut rest = Vec::new();
            // Closed or reset: nobody waits for more.
            let _ = stream.read_to_end(&mut rest);
        });
    }
}
