//! The secret that the processes of a run share. It is never sent: each side proves that it has it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::WireError;

/// Bytes of a nonce and of a proof.
pub(crate) const PROOF: usize = 32;
/// A token of fewer bytes could be guessed.
const LEAST_BYTES: usize = 16;

/// A shared secret.
#[derive(Clone)]
pub struct Token(Vec<u8>);

impl Token {
    /// A new one.
    pub fn random() -> io::Result<Self> {
        let mut text = String::new();
        for byte in random::<PROOF>()? {
            text += &format!("{byte:02x}");
        }
        Ok(Self(text.into_bytes()))
    }

    /// The token in a file that nobody but its owner may read.
    pub fn read(path: &Path) -> Result<Self, WireError> {
        let refuse = |problem: String| WireError::TokenFile { path: path.display().to_string(), problem };
        let mode = fs::metadata(path).map_err(|e| refuse(e.to_string()))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(refuse(format!("others may read it (mode {:o}); run `chmod 600` on it", mode & 0o777)));
        }
        let bytes = fs::read(path).map_err(|e| refuse(e.to_string()))?;
        let token = bytes.trim_ascii();
        if token.len() < LEAST_BYTES {
            return Err(refuse(format!("it has {} bytes, and a token has at least {LEAST_BYTES}", token.len())));
        }
        Ok(Self(token.to_vec()))
    }

    /// Writes the token to a new file that only its owner may read.
    pub fn write(&self, path: &Path) -> Result<(), WireError> {
        let write = || OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(&self.0);
        write().map_err(|e| WireError::TokenFile { path: path.display().to_string(), problem: e.to_string() })
    }

    /// The proof of having the token, for these parts of a greeting.
    pub(crate) fn proof(&self, parts: &[&[u8]]) -> [u8; PROOF] {
        self.mac(parts).finalize().into_bytes().into()
    }

    /// Whether a proof is right, in constant time.
    pub(crate) fn is_proof(&self, parts: &[&[u8]], proof: &[u8; PROOF]) -> bool {
        self.mac(parts).verify_slice(proof).is_ok()
    }

    fn mac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key may have any length");
        parts.iter().for_each(|part| mac.update(part));
        mac
    }
}

/// Bytes that nobody can guess.
pub(crate) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}
