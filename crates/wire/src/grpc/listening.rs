//! The listening side: takes the one stream of a connection, and greets.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::body::Incoming;
use hyper::http::{Request as HttpRequest, Response as HttpResponse};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use quelea_params::message::VERSION;
use quelea_tls::{PROOF_BYTES, Stream, random_bytes};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tonic::body::Body;
use tonic::server::{Grpc, StreamingService};
use tonic::{Request, Response, Status, Streaming};

use super::codec::OfPieces;
use super::pieces::{Outgoing, Reader, Writer};
use super::{Greeting, MOST_MESSAGE, Piece, WINDOW, path};
use crate::link::{FAREWELL, Kept};
use crate::message::{OfRun, OfShard, Service};
use crate::{Terms, WireError};

/// Bytes of all headers of a request.
const MOST_HEADERS: u32 = 16 << 10;
/// Streams that a connection may open at once: all but the first are refused.
const MOST_STREAMS: u32 = 4;

/// The first stream of a new connection, once it has greeted.
pub(crate) async fn accept<S: Service>(stream: Stream, terms: &Terms, address: &str) -> Result<(Reader, Writer), WireError> {
    let binding = stream.binding();
    let (first, opened) = oneshot::channel();
    let first = Arc::new(Mutex::new(Some(first)));
    let service = service_fn(move |request| {
        let first = first.lock().unwrap_or_else(PoisonError::into_inner).take();
        async move { Ok::<_, Infallible>(take::<S>(request, first).await) }
    });
    let mut settings = http2::Builder::new(TokioExecutor::new());
    settings.timer(TokioTimer::new()).max_concurrent_streams(MOST_STREAMS).max_header_list_size(MOST_HEADERS);
    settings.initial_stream_window_size(WINDOW).initial_connection_window_size(WINDOW);
    let connection = settings.serve_connection(TokioIo::new(stream), service);
    // How the connection ends is seen by the stream.
    let mut connection = Kept(tokio::spawn(async { drop(connection.await) }));
    let Ok((from, writer)) = opened.await else {
        // Refused with a status, which is still to be heard.
        let _ = timeout(FAREWELL, &mut connection.0).await;
        return Err(io::Error::from(io::ErrorKind::ConnectionReset).into());
    };
    let mut reader = Reader::new(from);
    reader.keep(connection);
    match greet::<S>(&mut reader, &writer, terms, &binding).await {
        Ok(()) => Ok((reader, writer)),
        Err(status) => {
            let error = WireError::Io(io::Error::new(io::ErrorKind::PermissionDenied, format!("{address}: {}", status.message())));
            writer.refuse(status).await;
            let _ = timeout(FAREWELL, reader.drain()).await;
            Err(error)
        }
    }
}

async fn greet<S: Service>(reader: &mut Reader, writer: &Writer, terms: &Terms, binding: &[u8]) -> Result<(), Status> {
    let theirs = reader.greeting().await?;
    let nonce = random_bytes::<PROOF_BYTES>().map_err(|error| Status::unavailable(error.to_string()))?;
    let gone = |_| Status::unavailable("the stream has ended");
    let proof = terms.token.proof(&[b"server", &[S::NUMBER], &theirs.nonce, &nonce, binding]);
    let ours = Greeting { version: VERSION, nonce: nonce.to_vec().into(), proof: proof.to_vec().into(), welcome: false };
    writer.send(ours).await.map_err(gone)?;
    if theirs.version != VERSION {
        let problem = format!("this is version {VERSION} of the protocol, not {}; use the same quelea on both sides", theirs.version);
        return Err(Status::failed_precondition(problem));
    }
    let proof = reader.greeting().await?.proof;
    let is_right = <[u8; PROOF_BYTES]>::try_from(&proof[..])
        .is_ok_and(|proof| terms.token.is_proof(&[b"client", &[S::NUMBER], &theirs.nonce, &nonce, binding], &proof));
    if !is_right {
        return Err(Status::unauthenticated("this is another token; give both sides the same token file"));
    }
    writer.send(Greeting { welcome: true, ..Greeting::default() }).await.map_err(gone)
}

/// What a connection's first stream is made of.
type First = oneshot::Sender<(Streaming<Piece>, Writer)>;

/// Answers a request.
async fn take<S: Service>(request: HttpRequest<Incoming>, first: Option<First>) -> HttpResponse<Body> {
    let asked = request.uri().path();
    let is_other = [path::<OfRun>(), path::<OfShard>()].contains(&asked);
    let refused = match first {
        Some(first) if asked == path::<S>() => {
            let mut grpc = Grpc::new(OfPieces).max_decoding_message_size(MOST_MESSAGE);
            return grpc.streaming(Talk(Some(first)), request).await;
        }
        _ if asked == path::<S>() => Status::resource_exhausted("a connection carries one stream; open another connection"),
        _ if is_other => Status::failed_precondition(format!("this is {}; look at the address", S::NAME)),
        _ => Status::unimplemented(format!("there is nothing but {}", path::<S>())),
    };
    refused.into_http()
}

/// Hands the stream over.
struct Talk(Option<First>);

impl StreamingService<Piece> for Talk {
    type Response = Piece;
    type ResponseStream = Outgoing;
    type Future = Ready<Result<Response<Outgoing>, Status>>;

    fn call(&mut self, request: Request<Streaming<Piece>>) -> Self::Future {
        let (writer, outgoing) = Writer::new();
        let handed = self.0.take().map(|first| first.send((request.into_inner(), writer)).is_ok());
        ready(match handed {
            Some(true) => Ok(Response::new(outgoing)),
            _ => Err(Status::unavailable("this process is about to end")),
        })
    }
}
