//! Greetings that go well, and those that must not.

use tokio::io::{BufStream, DuplexStream, duplex};

use super::*;
use crate::message::{OfRun, OfShard};

fn now<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

/// A client and a server greet each other, each with a token of its own. Neither waits for the other once it has ended.
fn meet<C: Service, S: Service>(of_client: &Token, of_server: &Token) -> (Result<(), WireError>, Result<(), WireError>) {
    now(async {
        // Streams that keep what is written, as TLS may, until they are flushed.
        let (a, b) = duplex(1_000);
        let (mut a, mut b) = (BufStream::new(a), BufStream::new(b));
        let client = async move { greet::<C>(&mut a, of_client, "the server", b"").await };
        let server = async move { accept::<S>(&mut b, of_server, "the client", b"").await };
        tokio::join!(client, server)
    })
}

/// What a client says to a server that this function plays.
fn to_impostor<F: Future<Output = ()>>(token: &Token, play: impl FnOnce(DuplexStream) -> F) -> WireError {
    now(async {
        let (mut a, b) = duplex(1_000);
        let client = async move { greet::<OfShard>(&mut a, token, "the server", b"").await };
        tokio::join!(client, play(b)).0.expect_err("an impostor is no server")
    })
}

/// A client's greeting, and what a server says to it.
async fn hello(server: &mut DuplexStream) -> [u8; 45] {
    let mut hello = [0; 45];
    server.read_exact(&mut hello).await.expect("a client greets");
    hello
}

fn server_hello(version: u32, word: u8, nonce: &[u8], proof: &[u8]) -> Vec<u8> {
    [&MAGIC[..], &version.to_le_bytes(), &[word], nonce, proof].concat()
}

fn token() -> Token {
    Token::random().expect("random bytes")
}

#[test]
fn a_token_opens_and_no_other_does() {
    let (ours, theirs) = (token(), token());
    let (client, server) = meet::<OfShard, OfShard>(&ours, &ours);
    assert!(client.is_ok() && server.is_ok());
    let (client, server) = meet::<OfShard, OfShard>(&ours, &theirs);
    let said = client.expect_err("another token").to_string();
    assert!(said.contains("the server does not know this token") && said.contains("token file"), "{said}");
    assert!(server.is_err(), "nobody has proved anything");
}

#[test]
fn a_run_is_no_shard() {
    let ours = token();
    let (client, server) = meet::<OfShard, OfRun>(&ours, &ours);
    let said = client.expect_err("another service").to_string();
    assert!(said.starts_with("the server is not the address of a shard;"), "{said}");
    assert!(server.is_err());
}

#[test]
fn a_server_without_the_token_gets_no_proof() {
    let ours = token();
    // It makes a proof up, sends the client's nonce back, or gives a proof that was made for a server of the other kind.
    for way in 0..3 {
        let error = to_impostor(&ours, |mut server| async move {
            let hello = hello(&mut server).await;
            let nonce = &hello[13..];
            let proof = match way {
                0 => vec![7; PROOF_BYTES],
                1 => nonce.to_vec(),
                _ => token().proof(&[b"server", &[OfRun::NUMBER], nonce, nonce]).to_vec(),
            };
            server.write_all(&server_hello(VERSION, WELCOME, nonce, &proof)).await.expect("the client listens");
            let mut rest = Vec::new();
            server.read_to_end(&mut rest).await.expect("the client closes");
            assert!(rest.is_empty(), "the client has proved something to an impostor");
        });
        assert!(matches!(error, WireError::Token { .. }), "{error}");
        assert!(!error.is_passing(), "another attempt would not help");
    }
}

/// Whoever relays to a run must not pass for a shard, though both have the token.
#[test]
fn a_proof_of_one_service_is_none_of_the_other() {
    let ours = token();
    let error = to_impostor(&ours, |mut server| {
        let ours = ours.clone();
        async move {
            let hello = hello(&mut server).await;
            let nonce = [9; PROOF_BYTES];
            let proof = ours.proof(&[b"server", &[OfRun::NUMBER], &hello[13..], &nonce]);
            server.write_all(&server_hello(VERSION, WELCOME, &nonce, &proof)).await.expect("the client listens");
        }
    });
    assert!(matches!(error, WireError::Token { .. }), "{error}");
}

#[test]
fn a_proof_that_was_heard_before_is_refused() {
    let ours = token();
    let (hello, proof) = now(async {
        let ((mut a, tap_a), (mut b, tap_b)) = (duplex(1_000), duplex(1_000));
        let (from_client, to_client) = tokio::io::split(tap_a);
        let (from_server, to_server) = tokio::io::split(tap_b);
        let relay = async {
            let (mut from_client, mut to_client, mut from_server, mut to_server) = (from_client, to_client, from_server, to_server);
            let (mut hello, mut answer, mut proof) = ([0; 45], [0; 77], [0; PROOF_BYTES]);
            from_client.read_exact(&mut hello).await.expect("a greeting");
            to_server.write_all(&hello).await.expect("the server listens");
            from_server.read_exact(&mut answer).await.expect("an answer");
            to_client.write_all(&answer).await.expect("the client listens");
            from_client.read_exact(&mut proof).await.expect("a proof");
            to_server.write_all(&proof).await.expect("the server listens");
            to_client.write_u8(from_server.read_u8().await.expect("a word")).await.expect("the client listens");
            (hello, proof)
        };
        let (client, server, heard) =
            tokio::join!(greet::<OfShard>(&mut a, &ours, "the server", b""), accept::<OfShard>(&mut b, &ours, "the client", b""), relay);
        assert!(client.is_ok() && server.is_ok());
        heard
    });
    let (said, server) = now(async {
        let (mut a, mut b) = duplex(1_000);
        let replay = async move {
            let mut said = Vec::new();
            a.write_all(&hello).await.expect("the server listens");
            a.write_all(&proof).await.expect("the server listens");
            a.read_to_end(&mut said).await.expect("the server closes");
            said
        };
        let server = async move { accept::<OfShard>(&mut b, &ours, "a thief", b"").await };
        tokio::join!(replay, server)
    });
    assert_eq!(said.last(), Some(&REFUSED));
    assert!(matches!(server, Err(WireError::Token { .. })));
}

#[test]
fn another_version_is_named_on_both_sides() {
    let ours = token();
    let error = to_impostor(&ours, |mut server| async move {
        hello(&mut server).await;
        server.write_all(&server_hello(VERSION + 1, WELCOME, &[1; PROOF_BYTES], &[1; PROOF_BYTES])).await.expect("the client listens");
    });
    let said = error.to_string();
    assert!(said.contains(&format!("version {}", VERSION + 1)) && said.contains(&format!("version {VERSION}")), "{said}");
    let (answer, server) = now(async {
        let (mut a, mut b) = duplex(1_000);
        let client = async move {
            let hello = [&MAGIC[..], &(VERSION + 1).to_le_bytes(), &[OfShard::NUMBER], &[1; PROOF_BYTES]].concat();
            a.write_all(&hello).await.expect("the server listens");
            let mut answer = Vec::new();
            a.read_to_end(&mut answer).await.expect("the server closes");
            answer
        };
        let server = async move { accept::<OfShard>(&mut b, &ours, "the client", b"").await };
        tokio::join!(client, server)
    });
    assert_eq!(answer[8..12], VERSION.to_le_bytes(), "the client hears our version");
    assert!(matches!(server, Err(WireError::Version { .. })));
}

#[test]
fn what_is_no_quelea_is_told_apart() {
    let ours = token();
    for noise in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"SSH-2.0-OpenSSH", b"quelea/2 and something else"] {
        let error = to_impostor(&ours, |mut server| async move {
            server.write_all(noise).await.expect("the client listens");
        });
        assert!(error.to_string().starts_with("the server is not the address of a shard;"), "{error}");
        let server = now(async {
            let (mut a, mut b) = duplex(1_000);
            a.write_all(noise).await.expect("the server listens");
            accept::<OfShard>(&mut b, &ours, "a browser", b"").await
        });
        assert!(matches!(server, Err(WireError::NotThat { .. })));
    }
    // What ends too early may do better the next time.
    let error = to_impostor(&ours, |server| async move { drop(server) });
    assert!(error.is_passing(), "{error}");
}
