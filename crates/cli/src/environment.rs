//! What the program takes from the environment; nothing below it asks for a variable.

use std::path::PathBuf;

use anyhow::{Context, Result};
use quelea_job::Transport;
use quelea_tls::Token;

/// The transport with this user's token, unless a file is named already. The token is made when there is none.
pub fn with_token(mut transport: Transport) -> Result<Transport> {
    if transport.token_file.is_none() {
        let path = token_file().context("there is no home folder to keep a token in; name a file in transport.token_file")?;
        Token::read_or_create(&path).map_err(quelea_engine::Error::from)?;
        transport.token_file = Some(path);
    }
    Ok(transport)
}

/// Where this user's token lies: in the folder of the session, or of the user's state.
fn token_file() -> Option<PathBuf> {
    let folder = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = folder("XDG_RUNTIME_DIR").or_else(|| folder("XDG_STATE_HOME")).or_else(|| Some(folder("HOME")?.join(".local/state")))?;
    Some(folder.join("quelea/token"))
}
