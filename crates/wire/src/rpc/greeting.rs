//! The greeting of a new connection: both sides name their version, and prove that they have the token.
//!
//! The client sends magic, version, service and a nonce; the server answers with its version, a nonce and its proof; the
//! client sends its proof; the server says whether it was right. A proof is HMAC-SHA256 under the token over the side's
//! name, the service, both nonces, and what is only known within their TLS session (nothing without TLS).

use quelea_params::message::VERSION;
use quelea_tls::{PROOF_BYTES, Token, random_bytes};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::WireError;
use crate::message::Service;

const MAGIC: &[u8; 8] = b"quelea/1";
const WELCOME: u8 = 1;
const OTHER_SERVICE: u8 = 2;
const REFUSED: u8 = 3;

/// The client's side.
pub(crate) async fn greet<S: Service>(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    token: &Token,
    address: &str,
    binding: &[u8],
) -> Result<(), WireError> {
    let nonce = random_bytes::<PROOF_BYTES>()?;
    let mut hello = MAGIC.to_vec();
    hello.extend(VERSION.to_le_bytes());
    hello.push(S::NUMBER);
    hello.extend(nonce);
    stream.write_all(&hello).await?;
    stream.flush().await?;
    let not_that = || WireError::NotThat { address: address.into(), expected: S::NAME };
    let mut magic = [0; MAGIC.len()];
    stream.read_exact(&mut magic).await?;
    if magic != *MAGIC {
        return Err(not_that());
    }
    let theirs = stream.read_u32_le().await?;
    if theirs != VERSION {
        return Err(WireError::Version { address: address.into(), theirs, ours: VERSION });
    }
    if stream.read_u8().await? == OTHER_SERVICE {
        return Err(not_that());
    }
    let (mut their_nonce, mut their_proof) = ([0; PROOF_BYTES], [0; PROOF_BYTES]);
    stream.read_exact(&mut their_nonce).await?;
    stream.read_exact(&mut their_proof).await?;
    let wrong_token = || WireError::Token { address: address.into() };
    if !token.is_proof(&[b"server", &[S::NUMBER], &nonce, &their_nonce, binding], &their_proof) {
        return Err(wrong_token());
    }
    stream.write_all(&token.proof(&[b"client", &[S::NUMBER], &nonce, &their_nonce, binding])).await?;
    stream.flush().await?;
    match stream.read_u8().await? {
        WELCOME => Ok(()),
        _ => Err(wrong_token()),
    }
}

/// The server's side. A client of another version hears of it.
pub(crate) async fn accept<S: Service>(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    token: &Token,
    address: &str,
    binding: &[u8],
) -> Result<(), WireError> {
    let mut magic = [0; MAGIC.len()];
    stream.read_exact(&mut magic).await?;
    if magic != *MAGIC {
        // So that whoever speaks something else, TLS perhaps, sees that this does not.
        let _ = stream.write_all(MAGIC).await;
        let _ = stream.flush().await;
        return Err(WireError::NotThat { address: address.into(), expected: "a quelea program" });
    }
    let theirs = stream.read_u32_le().await?;
    let service = stream.read_u8().await?;
    let mut their_nonce = [0; PROOF_BYTES];
    stream.read_exact(&mut their_nonce).await?;
    let nonce = random_bytes::<PROOF_BYTES>()?;
    let mut answer = MAGIC.to_vec();
    answer.extend(VERSION.to_le_bytes());
    answer.push(if service == S::NUMBER { WELCOME } else { OTHER_SERVICE });
    answer.extend(nonce);
    answer.extend(token.proof(&[b"server", &[S::NUMBER], &their_nonce, &nonce, binding]));
    stream.write_all(&answer).await?;
    stream.flush().await?;
    if theirs != VERSION {
        return Err(WireError::Version { address: address.into(), theirs, ours: VERSION });
    }
    let mut their_proof = [0; PROOF_BYTES];
    stream.read_exact(&mut their_proof).await?;
    let is_right = token.is_proof(&[b"client", &[S::NUMBER], &their_nonce, &nonce, binding], &their_proof);
    stream.write_u8(if is_right { WELCOME } else { REFUSED }).await?;
    stream.flush().await?;
    if is_right { Ok(()) } else { Err(WireError::Token { address: address.into() }) }
}

#[cfg(test)]
#[path = "greeting_tests.rs"]
mod tests;
