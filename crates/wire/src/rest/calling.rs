//! The calling side: a session, and as many connections as it has requests under way.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::http::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use quelea_params::message::VERSION;
use quelea_tls::{Stream, random_bytes};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::session::lock;
use super::sign::{Signed, digest, hex};
use super::{FRAME, PROOF_HEADER, VERSION_HEADER, framed, name};
use crate::link::{Reading, Writing};
use crate::message::{Message, Service};
use crate::{Terms, WireError, frame};

/// Requests under way at once.
const MOST_REQUESTS: usize = 64;
/// Answers that wait to be taken.
const MOST_ANSWERS: usize = 256;
/// Attempts at a request on connections that were closed before anything was answered on them: among many strangers a
/// new connection may be the oldest. Whatever has been heard is not done twice, because calls are numbered, and a session that
/// nobody uses ends by itself.
const MOST_ATTEMPTS: u32 = 5;
/// The pause before the second of them; it doubles from one to the next.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// How long a session that ends waits for answers.
const LAST: Duration = Duration::from_millis(200);

type Sender = SendRequest<Full<Bytes>>;
type Answer = Result<(u64, Bytes), WireError>;

/// What all requests of a session have in common.
struct Way {
    address: String,
    service: &'static str,
    terms: Terms,
    idle: Mutex<Vec<(Sender, bool)>>,
}

/// Opens a session of `S`.
pub(crate) async fn connect<S: Service>(stream: Stream, terms: &Terms, address: &str) -> Result<(Reading, Writing), WireError> {
    let way = Way { address: address.into(), service: name::<S>(), terms: terms.clone(), idle: Mutex::default() };
    let first = way.begin(stream).await?;
    lock(&way.idle).push(first);
    let (status, bytes) = way.request(Method::POST, "session", Bytes::new()).await?;
    let told: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let theirs = told["version"].as_u64().and_then(|version| u32::try_from(version).ok());
    let session = match (status, told["session"].as_str(), theirs) {
        (StatusCode::OK, Some(session), _) => session.to_owned(),
        (StatusCode::UNAUTHORIZED, ..) => return Err(WireError::Token { address: address.into() }),
        (StatusCode::CONFLICT, _, Some(theirs)) => return Err(WireError::Version { address: address.into(), theirs, ours: VERSION }),
        (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, ..) => {
            return Err(WireError::unconnected(address, io::Error::other(status.to_string())));
        }
        _ => return Err(WireError::NotThat { address: address.into(), expected: S::NAME }),
    };
    let (tell, told) = mpsc::channel(MOST_ANSWERS);
    let way = Arc::new(way);
    let mut tasks = JoinSet::new();
    tasks.spawn(watch(way.clone(), session.clone(), tell.clone()));
    let caller = Caller { way, session, made: 0, tell, room: Arc::new(Semaphore::new(MOST_REQUESTS)), tasks };
    Ok((Reading::Rest(Answers(told)), Writing::Rest(caller)))
}

/// Keeps the session, and notices when it ends.
async fn watch(way: Arc<Way>, session: String, tell: mpsc::Sender<Answer>) {
    let path = format!("session?session={session}");
    while let Ok((StatusCode::OK, _)) = way.request(Method::GET, &path, Bytes::new()).await {}
    let _ = tell.send(Err(io::Error::from(io::ErrorKind::ConnectionReset).into())).await;
}

impl Way {
    /// A new connection, and whether it is encrypted.
    async fn begin(&self, stream: Stream) -> Result<(Sender, bool), WireError> {
        let is_tls = stream.is_tls();
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| self.broken(&error))?;
        // It ends when its sender does; how, is seen by the request.
        tokio::spawn(async { drop(connection.await) });
        Ok((sender, is_tls))
    }

    /// Makes a request, and gives its answer.
    async fn request(&self, method: Method, path: &str, body: Bytes) -> Result<(StatusCode, Bytes), WireError> {
        for attempt in 1..MOST_ATTEMPTS {
            let idle = lock(&self.idle).pop().filter(|(sender, _)| !sender.is_closed());
            let is_new = idle.is_none();
            match self.attempt(idle, method.clone(), path, body.clone()).await {
                Err(WireError::Io(_)) if is_new => sleep(FIRST_PAUSE * (1 << (attempt - 1))).await,
                answered => return answered,
            }
        }
        self.attempt(None, method, path, body).await
    }

    /// Makes a request once, on a new connection if none is idle.
    async fn attempt(
        &self,
        idle: Option<(Sender, bool)>,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), WireError> {
        let (mut sender, is_tls) = match idle {
            Some(idle) => idle,
            None => self.begin(self.terms.connect(&self.address).await?).await?,
        };
        let path = format!("/v1/{}/{path}", self.service);
        let bearer = if is_tls { self.terms.token.bearer() } else { None };
        let signed = match bearer {
            Some(_) => None,
            None => Some(Signed::new(&self.terms.token, &method, &path, hex(random_bytes::<16>()?), digest(&body))),
        };
        let authorization = bearer.or_else(|| signed.as_ref().map(Signed::header)).unwrap_or_default();
        let host = if self.address.starts_with("unix:") { "localhost" } else { &self.address };
        let request = Request::builder().method(method).uri(path).header(header::HOST, host);
        let request = request.header(header::AUTHORIZATION, authorization).header(VERSION_HEADER, VERSION);
        let request = request.header(header::CONTENT_TYPE, FRAME).header(header::ACCEPT, FRAME).body(Full::new(body));
        let request = request.map_err(|_| WireError::no_address(&self.address))?;
        sender.ready().await.map_err(|error| self.broken(&error))?;
        let (parts, body) = sender.send_request(request).await.map_err(|error| self.broken(&error))?.into_parts();
        let bytes = body.collect().await.map_err(|error| self.broken(&error))?.to_bytes();
        if let Some(signed) = signed.filter(|_| parts.status != StatusCode::UNAUTHORIZED) {
            let proof = parts.headers.get(PROOF_HEADER).and_then(|proof| proof.to_str().ok()).unwrap_or_default();
            if !signed.is_answer(&self.terms.token, parts.status.as_u16(), &digest(&bytes), proof) {
                // What has no proof is believed in nothing but that it is another service.
                let is_known = proof.is_empty() && parts.status == StatusCode::NOT_FOUND;
                return if is_known { Ok((parts.status, bytes)) } else { Err(WireError::Token { address: self.address.clone() }) };
            }
        }
        lock(&self.idle).push((sender, is_tls));
        Ok((parts.status, bytes))
    }

    /// What the other side says of an answer that it cannot send.
    fn unanswered(&self, why: &[u8]) -> WireError {
        let why: serde_json::Value = serde_json::from_slice(why).unwrap_or_default();
        let problem = why["error"].as_str().unwrap_or("it is too large").into();
        WireError::Unanswered { address: self.address.clone(), problem }
    }

    fn broken(&self, error: &hyper::Error) -> WireError {
        WireError::of_tls(error, &self.address).unwrap_or_else(|| io::Error::new(io::ErrorKind::ConnectionReset, error.to_string()).into())
    }
}

/// Calls of a session.
pub(crate) struct Caller {
    way: Arc<Way>,
    session: String,
    made: u64,
    tell: mpsc::Sender<Answer>,
    room: Arc<Semaphore>,
    /// Requests under way; they end with this.
    tasks: JoinSet<()>,
}

impl Caller {
    pub(crate) async fn write<M: Message>(&mut self, call: u64, message: &M, patience: Duration) -> Result<u64, WireError> {
        let body = framed(call, message)?;
        let bytes = body.len() as u64;
        let room = timeout(patience, self.room.clone().acquire_owned()).await.map_err(io::Error::from)?;
        while self.tasks.try_join_next().is_some() {}
        self.made += 1;
        let path = format!("call?session={}&number={}", self.session, self.made);
        let (way, tell) = (self.way.clone(), self.tell.clone());
        self.tasks.spawn(async move {
            let answered = match way.request(Method::POST, &path, body).await {
                Ok((StatusCode::OK, frame)) => Ok((call, frame)),
                Ok((StatusCode::PAYLOAD_TOO_LARGE, why)) => Err(way.unanswered(&why)),
                Ok((status, _)) => Err(io::Error::new(io::ErrorKind::ConnectionReset, status.to_string()).into()),
                Err(error) => Err(error),
            };
            drop(room);
            let _ = tell.send(answered).await;
        });
        Ok(bytes)
    }

    /// Ends the session, once the last calls are answered.
    pub(crate) async fn finish(mut self) -> bool {
        let _ =
            timeout(LAST, async { while self.room.available_permits() < MOST_REQUESTS && self.tasks.join_next().await.is_some() {} }).await;
        self.way.request(Method::DELETE, &format!("session?session={}", self.session), Bytes::new()).await.is_ok()
    }
}

/// Answers of a session.
pub(crate) struct Answers(mpsc::Receiver<Answer>);

impl Answers {
    /// The next one.
    pub(crate) async fn take<M: Message>(&mut self, address: &str) -> Result<(u64, M, u64), WireError> {
        let (call, bytes) = self.0.recv().await.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))??;
        let (_, answer, len) = frame::read(&mut &bytes[..], address).await?;
        Ok((call, answer, len))
    }

    pub(crate) async fn drain(&mut self) {
        while let Some(Ok(_)) = self.0.recv().await {}
    }
}
