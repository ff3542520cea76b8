//! What goes on while others attack the listeners of a run and of a shard.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{scope, sleep};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use quelea_params::message::{FromShard, Member, ToRun, ToShard, VERSION};
use quelea_wire::{Client, Listener, Protocol, Terms, Tls, WireError, join_run};
use sha2::Sha256;

use crate::certificates::certificates;
use crate::cluster::{ANY_PORT, Addresses, Shard, runtime, terms, train};
use crate::toy::{Plan, mix};

/// Connections to each listener that are open and say nothing, if this process may have as many.
const IDLE: usize = 2_000;
/// What all of it may take in this process, which has both sides.
const MOST_BYTES: u64 = 512 << 20;

/// A listener under attack.
#[derive(Clone, Copy)]
struct Target<'a> {
    address: &'a str,
    token: &'a [u8],
    /// The number of its service in a greeting: 1 is a run, 2 a shard.
    service: u8,
    over: &'a AtomicBool,
}

impl Target<'_> {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn connect(&self) -> Option<TcpStream> {
        let stream = TcpStream::connect(self.address).ok()?;
        // The enemy's own patience; it is not what is tested.
        stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
        Some(stream)
    }

    /// A connection that has greeted as the protocol says, written anew from its description.
    fn greet(&self) -> Option<TcpStream> {
        let proof = |side: &[u8], nonces: [&[u8]; 2]| {
            let mut mac = Hmac::<Sha256>::new_from_slice(self.token).expect("any key");
            [side, &[self.service], nonces[0], nonces[1]].iter().for_each(|part| mac.update(part));
            mac.finalize().into_bytes()
        };
        let mut stream = self.connect()?;
        let nonce = [5; 32];
        stream.write_all(&[&b"quelea/1"[..], &VERSION.to_le_bytes(), &[self.service], &nonce].concat()).ok()?;
        let mut answer = [0; 77];
        stream.read_exact(&mut answer).ok()?;
        assert_eq!(answer[45..], proof(b"server", [&nonce, &answer[13..45]])[..]);
        stream.write_all(&proof(b"client", [&nonce, &answer[13..45]])).ok()?;
        let mut word = [0];
        stream.read_exact(&mut word).ok()?;
        assert_eq!(word, [1], "a right proof is welcome");
        Some(stream)
    }

    /// A call that the listener understands and that does no harm.
    fn frame(&self, call: u64) -> Vec<u8> {
        let member = Member { run: 1, worker: 77, incarnation: 1_000_000 };
        let head = match self.service {
            1 => postcard::to_allocvec(&(
                ToRun::Poll { member, known: 0, done: 0, view: 0, bytes: 0, totals: Vec::new() },
                [0u8; 0].as_slice(),
            )),
            _ => postcard::to_allocvec(&(ToShard::Ping { run: 0, clock: 0 }, [0u8; 0].as_slice())),
        };
        let head = head.expect("a head");
        [&call.to_le_bytes()[..], &(head.len() as u32).to_le_bytes(), &0u64.to_le_bytes(), &head].concat()
    }
}

/// Random bytes, some behind the beginning of a greeting.
fn make_noise(target: Target<'_>) {
    for time in 0.. {
        if target.is_over() {
            return;
        }
        let Some(mut stream) = target.connect() else { continue };
        let len = mix(1, time) % 3_000;
        let noise: Vec<u8> = (0..len).map(|at| mix(time, at) as u8).collect();
        // Whether the listener takes it is its own affair.
        let _ = stream.write_all(if time % 2 == 0 { b"" } else { b"quelea/1" });
        let _ = stream.write_all(&noise);
    }
}

/// Frames with a wrong bit, or that end too early, behind a right greeting.
fn fuzz(target: Target<'_>) {
    for time in 0.. {
        if target.is_over() {
            return;
        }
        let Some(mut stream) = target.greet() else { continue };
        let mut frame = target.frame(9);
        let random = mix(7, time) as usize;
        match time % 3 {
            0 => frame[random % 20] ^= 1u8 << (random % 7),
            1 => frame.truncate(random % frame.len()),
            _ => frame[20..].iter_mut().zip(0..).for_each(|(byte, at)| *byte = mix(time, at) as u8 | 0x80),
        }
        let _ = stream.write_all(&frame);
    }
}

/// Calls without end, whose answers are never read: the listener must cut the connection.
fn be_deaf(target: Target<'_>, cut: &AtomicUsize) {
    let calls: Vec<u8> = (0..1_000).flat_map(|call| target.frame(call)).collect();
    while !target.is_over() {
        let Some(mut stream) = target.greet() else { continue };
        while !target.is_over() {
            if stream.write_all(&calls).is_err() {
                cut.fetch_add(1, Ordering::Relaxed);
                break;
            }
        }
    }
}

/// Many connections that never greet.
fn be_idle(target: Target<'_>) {
    let most = IDLE.min(most_files() / 4);
    let mut idle: Vec<Option<TcpStream>> = (0..most).map(|_| target.connect()).collect();
    for at in 0.. {
        if target.is_over() {
            return;
        }
        idle[at % most] = target.connect();
        sleep(Duration::from_millis(1));
    }
}

/// How many files this process may have open.
pub fn most_files() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").expect("a Linux machine");
    let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("a line of the limits");
    line.split_whitespace().nth(3).and_then(|limit| limit.parse().ok()).unwrap_or(usize::MAX)
}

/// Bytes of memory that this process had at most.
pub fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a Linux machine");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a line of the status");
    line.split_whitespace().nth(1).expect("a number").parse::<u64>().expect("a number") << 10
}

/// The bytes of a token, as its file has them.
pub fn bytes_of(terms: &Terms) -> Vec<u8> {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("quelea-wire-{}-{number}", std::process::id()));
    terms.token.write(&path).expect("a new file");
    let bytes = std::fs::read(&path).expect("the file");
    std::fs::remove_file(&path).expect("the file");
    bytes
}

#[test]
fn a_training_goes_on_among_enemies() {
    let terms = terms();
    let token = bytes_of(&terms);
    let shards = [Shard::start(&terms), Shard::start(&terms)];
    let of_shards: Vec<String> = shards.iter().map(|shard| shard.address.clone()).collect();
    let listener = Listener::bind(ANY_PORT, &terms).expect("a free port");
    let addresses = Addresses { run: listener.address(), shards_of_run: of_shards.clone(), shards_of_workers: of_shards };
    let (over, cut) = (AtomicBool::new(false), AtomicUsize::new(0));
    let plan = Plan { seed: 21, tiles: 6, rounds: 400, period: 5, width: 2_000, pause_us: 5_000 };
    let before = most_memory();
    let trained = scope(|scope| {
        for (address, service) in [(&addresses.run, 1), (&addresses.shards_of_run[0], 2)] {
            let target = Target { address, token: &token, service, over: &over };
            scope.spawn(move || make_noise(target));
            scope.spawn(move || fuzz(target));
            scope.spawn(move || be_idle(target));
            let cut = &cut;
            scope.spawn(move || be_deaf(target, cut));
        }
        let trained = train(&plan, &terms, listener, &addresses, 2);
        over.store(true, Ordering::Relaxed);
        trained
    });
    assert_eq!(trained.model, plan.alone());
    assert!(trained.workers.iter().all(|ended| matches!(ended, Ok(Ok(())))), "{:?}", trained.workers);
    assert!(cut.into_inner() > 0, "whoever does not read is cut off");
    let taken = most_memory() - before;
    assert!(taken < MOST_BYTES, "{taken} bytes were taken");
}

#[test]
fn a_call_that_is_made_again_and_again_is_answered() {
    let terms = terms();
    let (shard, token, over) = (Shard::start(&terms), bytes_of(&terms), AtomicBool::new(false));
    let target = Target { address: &shard.address, token: &token, service: 2, over: &over };
    let mut stream = target.greet().expect("it listens");
    let calls = 1_000_000;
    // Answers that nobody reads wait, but not one for each time.
    stream.write_all(&target.frame(9).repeat(calls)).expect("it reads on");
    stream.write_all(&target.frame(10)).expect("it reads on");
    let (mut answered, mut call) = (0, 9);
    while call == 9 {
        let mut header = [0; 20];
        stream.read_exact(&mut header).expect("an answer");
        call = u64::from_le_bytes(header[..8].try_into().expect("eight bytes"));
        let head = u32::from_le_bytes(header[8..12].try_into().expect("four bytes"));
        stream.read_exact(&mut vec![0; head as usize]).expect("its head");
        answered += 1;
    }
    assert!(call == 10 && (2..calls).contains(&answered), "{answered} answers up to call {call}");
}

#[test]
fn a_connection_that_never_greets_is_closed() {
    let terms = terms();
    let shard = Shard::start(&terms);
    let mut silent = TcpStream::connect(&shard.address).expect("it listens");
    let mut slow = TcpStream::connect(&shard.address).expect("it listens");
    let closed = |stream: &mut TcpStream| matches!(stream.read(&mut [0]), Ok(0) | Err(_));
    // One byte after the other is no greeting either.
    for byte in b"quelea/1" {
        slow.write_all(&[*byte]).expect("it listens");
    }
    assert!(closed(&mut silent) && closed(&mut slow));
    runtime().block_on(async {
        let mut client = Client::connect(&shard.address, &terms).await.expect("it still listens");
        let answer = client.call(ToShard::Ping { run: 1, clock: 0 }).await.expect("it still answers");
        assert_eq!(answer, FromShard::Unknown);
    });
}

#[test]
fn who_comes_to_the_wrong_place_is_told() {
    for protocol in [Protocol::Rpc, Protocol::Grpc, Protocol::Rest] {
        tell_who_comes_to_the_wrong_place(protocol);
    }
}

fn tell_who_comes_to_the_wrong_place(protocol: Protocol) {
    let terms = || Terms { protocol, ..terms() };
    let ours = terms();
    let shard = Shard::start(&ours);
    let join = |address: &str, terms: &Terms| {
        let (tasks, _to_do) = std::sync::mpsc::channel();
        let (_tell, computed) = tokio::sync::mpsc::unbounded_channel();
        let joined = join_run(address, "a worker".into(), terms.clone(), tasks, computed, std::future::pending());
        runtime().block_on(joined).expect_err("nobody can join there")
    };
    let error = join(&shard.address, &ours);
    assert!(matches!(error, WireError::NotThat { expected: "a run", .. }), "{protocol:?}: {error:?}");
    assert!(matches!(join("127.0.0.1", &ours), WireError::Connection(quelea_tls::Error::Address { .. })));
    assert!(matches!(join("192.0.2.1:7", &ours), WireError::Connection(quelea_tls::Error::Exposed { .. })));
    let call = |terms: &Terms| runtime().block_on(Client::connect(&shard.address, terms)).err();
    assert!(matches!(call(&terms()), Some(WireError::Token { .. })));
    assert!(call(&ours).is_none());
    let nobody = Listener::bind(ANY_PORT, &ours).expect("a free port").address();
    let refused = join(&nobody, &ours);
    assert!(refused.to_string().starts_with(&format!("cannot connect to {nobody}: ")), "{refused}");
}

#[test]
fn who_shows_no_good_certificate_is_told() {
    let (ours, theirs) = (certificates(), certificates());
    ours.make("old", &["127.0.0.1"], 2001);
    ours.make("elsewhere", &["elsewhere.example"], 4096);
    for protocol in [Protocol::Rpc, Protocol::Grpc, Protocol::Rest] {
        let of_shard = Terms { protocol, tls: Some(ours.tls("localhost")), ..terms() };
        let said = |terms: &Terms, shard: &Terms| {
            let shard = Shard::start(shard);
            let error = runtime().block_on(Client::connect(&shard.address, terms)).err().expect("it is refused");
            assert!(matches!(error, WireError::Connection(quelea_tls::Error::Handshake { .. })), "{protocol:?}: {error:?}");
            assert!(error.to_string().contains(&shard.address), "{error}");
            error.to_string()
        };
        let with = |tls| Terms { tls: Some(tls), ..of_shard.clone() };
        assert!(said(&with(theirs.tls("localhost")), &of_shard).contains("authority"));
        assert!(said(&with(ours.read("old").expect("files")), &of_shard).contains("xpired"));
        assert!(said(&of_shard, &with(ours.read("old").expect("files"))).contains("xpired"));
        assert!(said(&of_shard, &with(ours.read("elsewhere").expect("files"))).contains("subjectAltName"));
        assert!(said(&of_shard, &Terms { tls: None, ..of_shard.clone() }).contains("does not speak TLS"));
        let shard = Shard::start(&of_shard);
        let plain = Terms { tls: None, ..of_shard.clone() };
        assert!(runtime().block_on(Client::connect(&shard.address, &plain)).is_err());
        assert!(runtime().block_on(Client::connect(&shard.address, &of_shard)).is_ok());
    }
}

#[test]
fn files_that_are_no_certificates_are_named() {
    let made = certificates();
    made.make("ours", &["localhost"], 4096);
    made.make("other", &["localhost"], 4096);
    std::fs::write(made.file("noise.pem"), "noise").expect("a new file");
    let [ours, key, other, authority] = ["ours.pem", "ours.key", "other.key", "authority.pem"].map(|name| made.file(name));
    let said = |a: &Path, b: &Path, c: &Path| Tls::read(a, b, c).err().map(|error| error.to_string()).unwrap_or_default();
    assert_eq!(said(&ours, &key, &authority), "");
    for (wrong, text) in [
        ("other.key", said(&ours, &other, &authority)),
        ("noise.pem", said(&made.file("noise.pem"), &key, &authority)),
        ("noise.pem", said(&ours, &made.file("noise.pem"), &authority)),
        ("noise.pem", said(&ours, &key, &made.file("noise.pem"))),
        ("missing.pem", said(&ours, &key, &made.file("missing.pem"))),
    ] {
        assert!(text.contains(wrong), "{text}");
    }
}

#[test]
fn a_socket_of_this_machine_carries_every_protocol() {
    for protocol in [Protocol::Rpc, Protocol::Grpc, Protocol::Rest] {
        let terms = Terms { protocol, ..terms() };
        let path = std::env::temp_dir().join(format!("quelea-{}-{protocol:?}", std::process::id()));
        {
            let shard = Shard::start_at(&format!("unix:{}", path.display()), &terms);
            let mode = std::fs::metadata(&path).expect("a socket").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            runtime().block_on(async {
                let mut client = Client::connect(&shard.address, &terms).await.expect("it listens");
                assert_eq!(client.call(ToShard::Ping { run: 1, clock: 0 }).await.expect("it answers"), FromShard::Unknown);
            });
        }
        assert!(!path.exists(), "the socket goes with its listener");
    }
}
