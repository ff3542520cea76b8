//! The secret that the processes of a run share. It is never sent: each side proves that it has it.

use std::path::Path;
use std::{fs, io};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{Error, Result, unix};

/// Bytes of a nonce and of a proof.
pub const PROOF_BYTES: usize = 32;
/// A token of fewer bytes could be guessed.
const LEAST_BYTES: usize = 16;

/// A shared secret.
#[derive(Clone)]
pub struct Token(Vec<u8>);

impl Token {
    /// A new one.
    pub fn random() -> io::Result<Self> {
        let mut text = String::new();
        for byte in random_bytes::<PROOF_BYTES>()? {
            text += &format!("{byte:02x}");
        }
        Ok(Self(text.into_bytes()))
    }

    /// The token in a file that nobody but its owner may read.
    pub fn read(path: &Path) -> Result<Self> {
        let refuse = |problem: String| Error::TokenFile { path: path.display().to_string(), problem };
        unix::refuse_readable_by_others(path).map_err(|e| refuse(e.to_string()))?;
        let bytes = fs::read(path).map_err(|e| refuse(e.to_string()))?;
        let token = bytes.trim_ascii();
        if token.len() < LEAST_BYTES {
            return Err(refuse(format!("it has {} bytes, and a token has at least {LEAST_BYTES}", token.len())));
        }
        Ok(Self(token.to_vec()))
    }

    /// The token in a file; a new one is written there when there is no such file. Of two processes that do so at once, one writes
    /// and both read the same.
    pub fn read_or_create(path: &Path) -> Result<Self> {
        let refuse = |e: io::Error| Error::TokenFile { path: path.display().to_string(), problem: e.to_string() };
        if !path.exists() {
            let folder = path.parent().unwrap_or(Path::new("."));
            unix::create_private_folder(folder).map_err(refuse)?;
            // Written aside and then given its name, so that nobody reads half of it and the first of two wins.
            let aside = folder.join(format!(".token-{:016x}", u64::from_le_bytes(random_bytes().map_err(refuse)?)));
            Self::random().map_err(refuse)?.write(&aside)?;
            let named = fs::hard_link(&aside, path);
            fs::remove_file(&aside).map_err(refuse)?;
            if let Err(error) = named
                && error.kind() != io::ErrorKind::AlreadyExists
            {
                return Err(refuse(error));
            }
        }
        Self::read(path)
    }

    /// Writes the token to a new file that only its owner may read.
    pub fn write(&self, path: &Path) -> Result<()> {
        unix::write_private_file(path, &self.0).map_err(|e| Error::TokenFile { path: path.display().to_string(), problem: e.to_string() })
    }

    /// The proof of having the token, for these parts of a greeting.
    pub fn proof(&self, parts: &[&[u8]]) -> [u8; PROOF_BYTES] {
        self.mac(parts).finalize().into_bytes().into()
    }

    /// Whether a proof is right, in constant time.
    pub fn is_proof(&self, parts: &[&[u8]], proof: &[u8; PROOF_BYTES]) -> bool {
        self.mac(parts).verify_slice(proof).is_ok()
    }

    /// The token that somebody has sent.
    pub fn from_text(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }

    /// What it is as a header, if it is text.
    pub fn bearer(&self) -> Option<String> {
        let text = std::str::from_utf8(&self.0).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic()))?;
        Some(format!("Bearer {text}"))
    }

    fn mac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key may have any length");
        parts.iter().for_each(|part| mac.update(part));
        mac
    }
}

/// Bytes that nobody can guess.
pub fn random_bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_who_create_a_token_at_once_read_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/token");
        let proofs: Vec<[u8; PROOF_BYTES]> = std::thread::scope(|scope| {
            let readers: Vec<_> =
                (0..8).map(|_| scope.spawn(|| Token::read_or_create(&path).map(|token| token.proof(&[b"hello"])))).collect();
            readers.into_iter().map(|reader| reader.join().unwrap().unwrap()).collect()
        });
        let token = Token::read(&path).unwrap();
        assert!(proofs.iter().all(|proof| token.is_proof(&[b"hello"], proof)));
        assert!(!token.is_proof(&[b"hullo"], &proofs[0]) && !Token::random().unwrap().is_proof(&[b"hello"], &proofs[0]));
        assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_token_that_others_can_read_or_guess_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "0123456789abcdef").unwrap();
        let refused = |mode| {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            Token::read(&path).err().map(|error| error.to_string())
        };
        assert!(refused(0o644).unwrap().contains("chmod 600"));
        assert_eq!(refused(0o600), None);
        fs::write(&path, "short\n").unwrap();
        assert!(refused(0o600).unwrap().contains("5 bytes"));
    }
}
