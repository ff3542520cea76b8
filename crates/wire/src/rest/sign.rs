//! How a request proves that its sender has the token, and an answer too. The token itself is sent under TLS only.
//!
//! `Authorization: Quelea DATE NONCE DIGEST PROOF_BYTES`: seconds since 1970, 16 to 64 letters and digits that were never used
//! before, the body's SHA-256, and the HMAC-SHA256 under the token of the lines `quelea rest`, method, path with query,
//! DATE, NONCE and DIGEST, each with a line feed at its end; the last two in hexadecimal digits. The answer's header
//! `quelea-proof` is the HMAC of the lines `quelea rest answer`, the request's PROOF_BYTES, status, and the answer's digest.

use std::collections::{HashSet, VecDeque};
use std::time::{SystemTime, UNIX_EPOCH};

use hyper::http::Method;
use quelea_tls::{PROOF_BYTES, Token};
use sha2::{Digest, Sha256};

/// Seconds that a date may be off.
const MOST_APART: u64 = 30;
/// Nonces that are remembered; each for twice as long as dates may be off.
const MOST_NONCES: usize = 65_536;

/// A request's header, taken apart.
pub(super) struct Signed {
    pub date: u64,
    pub nonce: String,
    pub digest: String,
    pub proof: String,
}

pub(super) fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; PROOF_BYTES]> {
    let mut bytes = [0; PROOF_BYTES];
    if !text.is_ascii() || text.len() != 2 * PROOF_BYTES {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(bytes)
}

pub(super) fn digest(bytes: &[u8]) -> String {
    hex(Sha256::digest(bytes))
}

pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl Signed {
    /// Signs a request.
    pub(super) fn new(token: &Token, method: &Method, path: &str, nonce: String, digest: String) -> Self {
        let mut signed = Self { date: now(), nonce, digest, proof: String::new() };
        signed.proof = hex(token.proof(&[signed.text(method, path).as_bytes()]));
        signed
    }

    pub(super) fn header(&self) -> String {
        format!("Quelea {} {} {} {}", self.date, self.nonce, self.digest, self.proof)
    }

    pub(super) fn read(header: &str) -> Option<Self> {
        let mut words = header.strip_prefix("Quelea ")?.split(' ');
        let mut word = || words.next().map(String::from);
        let (date, nonce, digest, proof) = (word()?.parse().ok()?, word()?, word()?, word()?);
        let is_fine = (16..=64).contains(&nonce.len()) && nonce.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (is_fine && words.next().is_none()).then_some(Self { date, nonce, digest, proof })
    }

    pub(super) fn is_right(&self, token: &Token, method: &Method, path: &str) -> bool {
        unhex(&self.proof).is_some_and(|proof| token.is_proof(&[self.text(method, path).as_bytes()], &proof))
            && self.date.abs_diff(now()) <= MOST_APART
    }

    fn text(&self, method: &Method, path: &str) -> String {
        format!("quelea rest\n{method}\n{path}\n{}\n{}\n{}\n", self.date, self.nonce, self.digest)
    }

    /// The proof of an answer to this request.
    pub(super) fn of_answer(&self, token: &Token, status: u16, digest: &str) -> String {
        hex(token.proof(&[self.answer_text(status, digest).as_bytes()]))
    }

    pub(super) fn is_answer(&self, token: &Token, status: u16, digest: &str, proof: &str) -> bool {
        unhex(proof).is_some_and(|proof| token.is_proof(&[self.answer_text(status, digest).as_bytes()], &proof))
    }

    fn answer_text(&self, status: u16, digest: &str) -> String {
        format!("quelea rest answer\n{}\n{status}\n{digest}\n", self.proof)
    }
}

/// What became of a nonce.
pub(super) enum Noted {
    New,
    Again,
    Full,
}

/// Nonces of requests that could be sent again by whoever has heard them.
#[derive(Default)]
pub(super) struct Nonces {
    known: HashSet<String>,
    by_age: VecDeque<(u64, String)>,
}

impl Nonces {
    pub(super) fn note(&mut self, nonce: &str) -> Noted {
        let now = now();
        while let Some((_, old)) = self.by_age.pop_front_if(|(noted, _)| *noted + 2 * MOST_APART < now) {
            self.known.remove(&old);
        }
        if self.known.contains(nonce) {
            return Noted::Again;
        }
        if self.by_age.len() >= MOST_NONCES {
            return Noted::Full;
        }
        self.known.insert(nonce.into());
        self.by_age.push_back((now, nonce.into()));
        Noted::New
    }
}
