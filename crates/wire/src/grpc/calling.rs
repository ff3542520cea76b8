//! The calling side: a connection, its stream, and the greeting.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::StreamExt;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper::http;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use quelea_params::message::VERSION;
use quelea_tls::{PROOF_BYTES, Stream, random_bytes};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tonic::body::Body;
use tonic::client::{Grpc, GrpcService};
use tonic::{Code, Request, Status};

use super::codec::OfPieces;
use super::pieces::{Reader, Writer};
use super::{Greeting, MOST_MESSAGE, WINDOW, path};
use crate::link::{FAREWELL, Kept};
use crate::message::Service;
use crate::{Terms, WireError};

/// Opens the stream of `S` on a new connection, and greets.
pub(crate) async fn connect<S: Service>(stream: Stream, terms: &Terms, address: &str) -> Result<(Reader, Writer), WireError> {
    let binding = stream.binding();
    let mut settings = http2::Builder::new(TokioExecutor::new());
    settings.timer(TokioTimer::new()).initial_stream_window_size(WINDOW).initial_connection_window_size(WINDOW);
    let failed = |error: hyper::Error| WireError::of_tls(&error, address).unwrap_or_else(|| WireError::Io(io::Error::other(error)));
    let (requests, connection) = settings.handshake(TokioIo::new(stream)).await.map_err(failed)?;
    let (tell, ended) = oneshot::channel();
    // Nobody asks for its end once it has greeted: the stream sees it too.
    let connection = Kept(tokio::spawn(async { drop(connection.await.map_err(|error| tell.send(error))) }));
    let opened = open::<S>(requests, terms, &binding, address).await;
    match opened {
        // The stream knows that the connection has ended, and only the connection why.
        Err(WireError::Io(error)) => match timeout(FAREWELL, ended).await {
            Ok(Ok(why)) => Err(WireError::of_tls(&why, address).unwrap_or(WireError::Io(error))),
            _ => Err(WireError::Io(error)),
        },
        opened => opened.map(|(mut reader, writer)| {
            reader.keep(connection);
            (reader, writer)
        }),
    }
}

async fn open<S: Service>(
    requests: http2::SendRequest<Body>,
    terms: &Terms,
    binding: &[u8],
    address: &str,
) -> Result<(Reader, Writer), WireError> {
    let (writer, outgoing) = Writer::new();
    let outgoing = outgoing.filter_map(async |piece| piece.ok());
    let host = if address.starts_with("unix:") { "localhost" } else { address };
    let not_that = |_| WireError::no_address(address);
    let origin = http::Uri::builder().scheme("http").authority(host).path_and_query("/").build().map_err(not_that)?;
    let mut client = Grpc::with_origin(Requests(requests), origin).max_decoding_message_size(MOST_MESSAGE);
    let understood = |status| understand::<S>(status, address);
    let path = http::uri::PathAndQuery::from_static(path::<S>());
    let opened = client.streaming(Request::new(Box::pin(outgoing)), path, OfPieces).await;
    let mut reader = Reader::new(opened.map_err(understood)?.into_inner());
    greet::<S>(&mut reader, &writer, terms, binding, address).await?;
    Ok((reader, writer))
}

async fn greet<S: Service>(reader: &mut Reader, writer: &Writer, terms: &Terms, binding: &[u8], address: &str) -> Result<(), WireError> {
    let nonce = random_bytes::<PROOF_BYTES>()?;
    writer.send(Greeting { version: VERSION, nonce: nonce.to_vec().into(), ..Greeting::default() }).await?;
    let understood = |status| understand::<S>(status, address);
    let theirs = reader.greeting().await.map_err(understood)?;
    if theirs.version != VERSION {
        return Err(WireError::Version { address: address.into(), theirs: theirs.version, ours: VERSION });
    }
    let wrong_token = || WireError::Token { address: address.into() };
    let proof = <[u8; PROOF_BYTES]>::try_from(&theirs.proof[..]).map_err(|_| wrong_token())?;
    if !terms.token.is_proof(&[b"server", &[S::NUMBER], &nonce, &theirs.nonce, binding], &proof) {
        return Err(wrong_token());
    }
    let proof = terms.token.proof(&[b"client", &[S::NUMBER], &nonce, &theirs.nonce, binding]);
    writer.send(Greeting { proof: proof.to_vec().into(), ..Greeting::default() }).await?;
    match reader.greeting().await.map_err(understood)?.welcome {
        true => Ok(()),
        false => Err(wrong_token()),
    }
}

/// What a status means while a connection is made.
fn understand<S: Service>(status: Status, address: &str) -> WireError {
    let not_that = || WireError::NotThat { address: address.into(), expected: S::NAME };
    if let Some(error) = WireError::of_tls(&status, address) {
        return error;
    }
    match status.code() {
        Code::Unauthenticated => WireError::Token { address: address.into() },
        Code::FailedPrecondition | Code::Unimplemented | Code::InvalidArgument => not_that(),
        _ => WireError::Io(io::Error::new(io::ErrorKind::ConnectionReset, status.message().to_owned())),
    }
}

/// A connection as tonic wants it.
struct Requests(http2::SendRequest<Body>);

impl GrpcService<Body> for Requests {
    type ResponseBody = Incoming;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = hyper::Result<http::Response<Incoming>>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}
