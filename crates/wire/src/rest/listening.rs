//! The listening side: what each path does.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use hyper::http::request::Parts;
use hyper::http::{HeaderMap, StatusCode, header};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use quelea_params::message::VERSION;
use quelea_tls::{Stream, Token};
use serde_json::json;
use sha2::Digest;
use tokio::io::AsyncReadExt;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::session::{Busy, Refusal, Session, Sessions, lock};
use super::sign::{Noted, Signed, digest, hex};
use super::{Coming, FRAME, JSON, PROOF_HEADER, VERSION_HEADER, framed, name};
use crate::link::Kept;
use crate::message::{Message, Service};
use crate::{WireError, frame};

const MOST_JSON: usize = 64 << 20;
const MOST_HEADERS: usize = 32 << 10;

/// A connection that has proved once that it has the token.
pub(crate) struct Requests(Kept);

impl Requests {
    /// Serves it to its end.
    pub(crate) async fn serve(mut self) {
        let _ = (&mut self.0.0).await;
    }
}

/// What a request's connection is.
#[derive(Clone)]
struct Visit {
    is_tls: bool,
    /// Told when a request has proved that its sender has the token.
    known: Arc<Notify>,
}

impl<S: Service> Sessions<S> {
    /// Serves a new connection, and gives it back once it is known.
    pub(crate) async fn accept(self: Arc<Self>, stream: Stream) -> Result<Requests, WireError> {
        let known = Arc::new(Notify::new());
        let visit = Visit { is_tls: stream.is_tls(), known: known.clone() };
        let router = TowerToHyperService::new(router(self));
        let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(visit.clone());
            router.call(request)
        });
        let mut settings = http1::Builder::new();
        settings.timer(TokioTimer::new()).max_buf_size(MOST_HEADERS).half_close(false);
        let connection = settings.serve_connection(TokioIo::new(stream), service);
        let mut connection = Kept(tokio::spawn(async { drop(connection.await) }));
        tokio::select! {
            () = known.notified() => Ok(Requests(connection)),
            _ = &mut connection.0 => Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into()),
        }
    }
}

fn router<S: Service>(sessions: Arc<Sessions<S>>) -> Router {
    let (call, session) = (format!("/v1/{}/call", name::<S>()), format!("/v1/{}/session", name::<S>()));
    Router::new()
        .route("/v1/health", get(health::<S>))
        .route("/openapi.json", get(async || plain(StatusCode::OK, Bytes::from_static(include_bytes!("openapi.json")))))
        .route(&call, post(answer::<S>))
        .route(&session, post(answer::<S>).get(answer::<S>).delete(answer::<S>))
        .fallback(async || {
            let error = format!("there is no such path; this is {} of quelea, and /openapi.json says what there is", S::NAME);
            plain(StatusCode::NOT_FOUND, json!({ "error": error }).to_string().into())
        })
        .with_state(sessions)
}

fn plain(status: StatusCode, bytes: Bytes) -> Response {
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(JSON));
    response.headers_mut().insert(VERSION_HEADER, VERSION.into());
    response
}

async fn health<S: Service>() -> Response {
    plain(StatusCode::OK, json!({ "service": name::<S>(), "version": VERSION }).to_string().into())
}

/// Why a request is not answered.
struct Problem(StatusCode, String);

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Again => Self(StatusCode::UNAUTHORIZED, "this call was made before; number each call anew".into()),
            Refusal::TooMany => Self(StatusCode::TOO_MANY_REQUESTS, "too much is under way; try again later".into()),
            Refusal::Over => Self(StatusCode::SERVICE_UNAVAILABLE, "the session or this process has ended".into()),
        }
    }
}

impl From<WireError> for Problem {
    fn from(error: WireError) -> Self {
        match error {
            WireError::TooLarge { .. } => Self(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()),
            error => Self(StatusCode::BAD_REQUEST, error.to_string()),
        }
    }
}

/// Whose request it is.
enum Who {
    Bearer,
    Signed(Signed),
}

/// Everything that needs the token.
async fn answer<S: Service>(State(sessions): State<Arc<Sessions<S>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let query = Query::read(parts.uri.query().unwrap_or_default());
    let who = match authenticate(&sessions, &parts, query.session.is_some() && query.number.is_some()) {
        Ok(who) => who,
        Err(Problem(status, error)) => return plain(status, json!({ "error": error }).to_string().into()),
    };
    let done = act(&sessions, &parts, body, &who, query).await;
    let (status, kind, bytes) = match done {
        Ok((kind, bytes)) => (StatusCode::OK, kind, bytes),
        Err(Problem(status, error)) => (status, JSON, json!({ "error": error, "version": VERSION }).to_string().into()),
    };
    let proof = match &who {
        Who::Signed(signed) => Some(signed.of_answer(&sessions.token, status.as_u16(), &digest(&bytes))),
        Who::Bearer => None,
    };
    let mut response = plain(status, bytes);
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    if let Some(proof) = proof.and_then(|proof| proof.parse().ok()) {
        response.headers_mut().insert(PROOF_HEADER, proof);
    }
    response
}

fn authenticate<S: Service>(sessions: &Sessions<S>, parts: &Parts, is_numbered: bool) -> Result<Who, Problem> {
    let refuse = |problem: &str| Problem(StatusCode::UNAUTHORIZED, problem.into());
    let visit = parts.extensions.get::<Visit>().ok_or_else(|| refuse("the connection is not known"))?;
    let given = parts.headers.get(header::AUTHORIZATION).and_then(|given| given.to_str().ok()).unwrap_or_default();
    let who = if let Some(token) = given.strip_prefix("Bearer ") {
        if !visit.is_tls {
            return Err(refuse("the token itself is accepted under TLS only; sign the request (docs/operating.md shows how)"));
        }
        let is_ours = sessions.token.is_proof(&[b"bearer"], &Token::from_text(token).proof(&[b"bearer"]));
        if is_ours { Ok(Who::Bearer) } else { Err(refuse("this is another token; give both sides the same token file")) }
    } else {
        let signed = Signed::read(given).ok_or_else(|| refuse("it has no Authorization that can be read (docs/operating.md)"))?;
        let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
        if !signed.is_right(&sessions.token, &parts.method, path) {
            return Err(refuse("it is signed wrongly, with another token, or too long ago; give both sides the same token file"));
        }
        // The number of a session's call is in what is signed, and counts once.
        match if is_numbered { Noted::New } else { lock(&sessions.nonces).note(&signed.nonce) } {
            Noted::New => Ok(Who::Signed(signed)),
            Noted::Again => Err(refuse("this nonce was used before; make a new one for each request")),
            Noted::Full => Err(Problem(StatusCode::TOO_MANY_REQUESTS, "too many requests without a session; open one".into())),
        }
    };
    if who.is_ok() {
        visit.known.notify_one();
    }
    who
}

#[derive(Default)]
struct Query {
    session: Option<String>,
    number: Option<u64>,
}

impl Query {
    fn read(text: &str) -> Self {
        let mut query = Self::default();
        for (key, value) in text.split('&').filter_map(|part| part.split_once('=')) {
            match key {
                "session" => query.session = Some(value.into()),
                "number" => query.number = value.parse().ok(),
                _ => {}
            }
        }
        query
    }
}

/// The answer's kind and bytes.
async fn act<S: Service>(
    sessions: &Arc<Sessions<S>>,
    parts: &Parts,
    body: Body,
    who: &Who,
    query: Query,
) -> Result<(&'static str, Bytes), Problem> {
    let theirs = parts.headers.get(VERSION_HEADER).map(|version| version.to_str().unwrap_or_default());
    if let Some(theirs) = theirs.filter(|theirs| *theirs != VERSION.to_string()) {
        let problem = format!("this is version {VERSION} of the protocol, not {theirs}; use the same quelea on both sides");
        return Err(Problem(StatusCode::CONFLICT, problem));
    }
    let gone = || Problem(StatusCode::NOT_FOUND, "there is no such session; it may have ended".into());
    let session = match &query.session {
        Some(id) => Some(sessions.find(id).ok_or_else(gone)?),
        None => None,
    };
    if parts.uri.path().ends_with("/call") {
        let ask = take_ask::<S>(&parts.headers, body, who).await?;
        return call(sessions, session, query.number, ask, &parts.headers).await;
    }
    match (parts.method.as_str(), session) {
        ("POST", _) => {
            let (id, _) = sessions.open().await?;
            Ok((JSON, json!({ "session": id, "version": VERSION }).to_string().into()))
        }
        ("GET", Some(session)) => {
            let mut busy = Busy::new(session.clone());
            let is_over = timeout(sessions.lease / 2, session.ended()).await.is_ok();
            busy.answered();
            if is_over { Err(gone()) } else { Ok((JSON, json!({ "open": true }).to_string().into())) }
        }
        (_, Some(session)) => {
            session.end();
            Ok((JSON, json!({ "open": false }).to_string().into()))
        }
        (_, None) => Err(Problem(StatusCode::BAD_REQUEST, "name a session: ?session=…".into())),
    }
}

async fn call<S: Service>(
    sessions: &Arc<Sessions<S>>,
    session: Option<Arc<Session<S>>>,
    number: Option<u64>,
    ask: S::Ask,
    headers: &HeaderMap,
) -> Result<(&'static str, Bytes), Problem> {
    let is_passing = session.is_none();
    let session = match session {
        Some(session) => session,
        None => sessions.open().await?.1,
    };
    // Dropped before there is an answer, it ends the session.
    let mut busy = Busy::new(session.clone());
    let number = match number {
        Some(number) => number,
        None => session.next().await,
    };
    let told = sessions.ask(&session, number, ask).await?;
    let answer = told.await.map_err(|_| Problem::from(Refusal::Over))?;
    if !is_passing {
        busy.answered();
    }
    let wants_frame = headers.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes() == FRAME.as_bytes());
    if wants_frame || answer.has_beside() {
        return Ok((FRAME, framed(number, &answer)?));
    }
    let written = serde_json::to_vec(&answer).map_err(|error| Problem(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok((JSON, written.into()))
}

/// Reads what is asked; what was signed is what must have come.
async fn take_ask<S: Service>(headers: &HeaderMap, body: Body, who: &Who) -> Result<S::Ask, Problem> {
    let bad = |problem: String| Problem(StatusCode::BAD_REQUEST, problem);
    let same = |found: &str| match who {
        Who::Signed(signed) if signed.digest != found => {
            Err(Problem(StatusCode::UNAUTHORIZED, "the body is not the one that was signed".into()))
        }
        _ => Ok(()),
    };
    if headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes() == FRAME.as_bytes()) {
        let mut coming = Coming::new(body, matches!(who, Who::Signed(_)));
        let (_, ask, _) = frame::read(&mut coming, "the caller").await?;
        if coming.read(&mut [0]).await.map_err(WireError::from)? > 0 {
            return Err(bad("there is something behind the frame".into()));
        }
        coming.digest.map_or(Ok(()), |digest| same(&hex(digest.finalize())))?;
        return Ok(ask);
    }
    let too_large = |_| Problem(StatusCode::PAYLOAD_TOO_LARGE, format!("JSON may have {MOST_JSON} bytes; send a frame"));
    let bytes = to_bytes(body, MOST_JSON).await.map_err(too_large)?;
    same(&digest(&bytes))?;
    let ask: S::Ask = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
    if ask.has_beside() {
        return Err(bad(format!("what has blocks is sent as {FRAME}")));
    }
    Ok(ask)
}
