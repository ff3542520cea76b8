//! Requests that a person makes, or forges: over REST, with nothing but its description.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use quelea_params::message::VERSION;
use quelea_wire::{Protocol, Terms};
use sha2::{Digest, Sha256};

use crate::cluster::{Shard, terms};
use crate::enemies::bytes_of;
use crate::toy::mix;

const CALL: &str = "/v1/shard/call";
const PING: &str = r#"{"Ping":{"run":0,"clock":0}}"#;
/// The most bytes of JSON that a request may have.
const MOST_JSON: usize = 64 << 20;

fn rest() -> Terms {
    Terms { protocol: Protocol::Rest, ..terms() }
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs()
}

fn nonce() -> String {
    static MADE: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    hex(mix(u64::from(std::process::id()), MADE.fetch_add(1, std::sync::atomic::Ordering::Relaxed)).to_le_bytes())
}

/// The header that signs a request.
pub fn sign(token: &[u8], method: &str, path: &str, date: u64, nonce: &str, body: &[u8]) -> String {
    let digest = hex(Sha256::digest(body));
    let mut mac = Hmac::<Sha256>::new_from_slice(token).expect("any key");
    mac.update(format!("quelea rest\n{method}\n{path}\n{date}\n{nonce}\n{digest}\n").as_bytes());
    format!("Authorization: Quelea {date} {nonce} {digest} {}", hex(mac.finalize().into_bytes()))
}

/// Makes a request, and gives status and body.
fn request(address: &str, method: &str, path: &str, headers: &[&str], body: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).expect("it takes the request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, answer.split_once("\r\n\r\n").expect("a body").1.to_owned())
}

#[test]
fn the_recipe_of_the_manual_works() {
    if ["curl", "openssl"].iter().any(|tool| Command::new(tool).arg("version").output().is_err()) {
        return;
    }
    let manual = include_str!("../../../../docs/operating.md");
    let recipe = manual.split("```sh\n").find(|text| text.starts_with("token=")).expect("a recipe");
    let recipe = recipe.split("```").next().expect("its end");
    let terms = rest();
    let shard = Shard::start(&terms);
    let folder = std::env::temp_dir().join(format!("quelea-recipe-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("quelea")).expect("a new folder");
    terms.token.write(&folder.join("quelea/token")).expect("a new file");
    assert!(recipe.contains("127.0.0.1:7101"), "{recipe}");
    let script = recipe.replace("127.0.0.1:7101", &shard.address);
    for shell in ["sh", "bash"] {
        let done = Command::new(shell).args(["-euc", &script]).env("XDG_RUNTIME_DIR", &folder).output().expect("a shell");
        let (said, errors) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert_eq!(said, r#""Unknown""#, "{shell}: {errors}");
    }
    std::fs::remove_dir_all(&folder).expect("the folder");
}

#[test]
fn each_mistake_has_its_status() {
    let terms = rest();
    let token = bytes_of(&terms);
    let shard = Shard::start(&terms);
    let asked = |method: &str, path: &str, headers: &[&str], body: &str| {
        let signed = sign(&token, method, path, now(), &nonce(), body.as_bytes());
        request(&shard.address, method, path, &[&[signed.as_str()], headers].concat(), body.as_bytes())
    };
    let version = format!("Quelea-Version: {VERSION}");
    assert_eq!(asked("POST", CALL, &[&version], PING), (200, r#""Unknown""#.into()));
    let session = asked("POST", "/v1/shard/session", &[], "").1;
    assert!(session.contains(r#""session":""#), "{session}");
    let frame = "Content-Type: application/octet-stream";
    let next = format!("Quelea-Version: {}", VERSION + 1);
    let both = format!("version {VERSION} of the protocol, not {};", VERSION + 1);
    for (status, text, method, path, headers, body) in [
        (404, "openapi.json", "POST", "/v1/shard/cal", &[] as &[&str], PING),
        (404, "openapi.json", "POST", "/v1/run/call", &[], PING),
        (404, "session", "POST", "/v1/shard/call?session=0&number=1", &[], PING),
        (404, "session", "GET", "/v1/shard/session?session=0", &[], ""),
        (400, "session", "GET", "/v1/shard/session", &[], ""),
        (400, "line 1", "POST", CALL, &[], r#"{"Ping":{"run":0}}"#),
        (400, "line 1", "POST", CALL, &[], r#"{"Ping":{"run":0,"clock":-1}}"#),
        (400, "Pong", "POST", CALL, &[], r#"{"Pong":{}}"#),
        (400, "", "POST", CALL, &[], ""),
        (400, "octet-stream", "POST", CALL, &[], r#"{"Read":{"run":0,"epoch":0,"least":0,"bits":"All","list":null}}"#),
        (400, "", "POST", CALL, &[frame], PING),
        (400, "", "POST", CALL, &[frame], ""),
        (409, &both, "POST", CALL, &[&next], PING),
        (409, &both, "POST", "/v1/shard/session", &[&next], ""),
        (409, "protocol", "POST", CALL, &["Quelea-Version: \u{e9}"], PING),
    ] {
        let (found, said) = asked(method, path, headers, body);
        assert_eq!(found, status, "{method} {path} {headers:?} {body}: {said}");
        assert!(said.contains(text) && said.contains(r#""error":""#), "{said}");
    }
    let (status, said) = asked("POST", CALL, &[], &"x".repeat(MOST_JSON + 1));
    assert!(status == 413 && said.contains(&MOST_JSON.to_string()), "{status}: {said}");
    assert_eq!(asked("POST", CALL, &[], PING).0, 200, "all of it has done no harm");
}

#[test]
fn what_is_forged_is_refused() {
    let terms = rest();
    let token = bytes_of(&terms);
    let shard = Shard::start(&terms);
    let call = |headers: &[&str], body: &str| request(&shard.address, "POST", CALL, headers, body.as_bytes());
    let signed = |date: u64, body: &str| sign(&token, "POST", CALL, date, &nonce(), body.as_bytes());
    let once = signed(now(), PING);
    assert_eq!(call(&[&once], PING).0, 200);
    let bearer = format!("Authorization: Bearer {}", String::from_utf8_lossy(&token));
    let (body, path) = (PING.replace(":0}}", ":1}}"), "/v1/shard/session");
    let cases = [
        ("nonce", call(&[&once], PING)),
        ("too long ago", call(&[&signed(now() - 40, PING)], PING)),
        ("too long ago", call(&[&signed(now() + 40, PING)], PING)),
        ("body", call(&[&signed(now(), PING)], &body)),
        ("body", call(&[&signed(now(), PING)], "")),
        ("another token", call(&[&sign(b"another", "POST", CALL, now(), &nonce(), PING.as_bytes())], PING)),
        ("signed wrongly", call(&[&sign(&token, "POST", path, now(), &nonce(), PING.as_bytes())], PING)),
        ("signed wrongly", call(&[&sign(&token, "GET", CALL, now(), &nonce(), PING.as_bytes())], PING)),
        ("Authorization", call(&[], PING)),
        ("Authorization", call(&["Authorization: Basic eDp5"], PING)),
        ("Authorization", call(&[&sign(&token, "POST", CALL, now(), "short", PING.as_bytes())], PING)),
        ("under TLS only", call(&[&bearer], PING)),
    ];
    for (text, (status, said)) in cases {
        assert!(status == 401 && said.contains(text), "{text}: {status}: {said}");
    }
    for path in ["/v1/health", "/openapi.json"] {
        let (status, said) = request(&shard.address, "GET", path, &[], b"");
        assert!(status == 200 && serde_json::from_str::<serde_json::Value>(&said).is_ok(), "{path}: {status}: {said}");
    }
}
