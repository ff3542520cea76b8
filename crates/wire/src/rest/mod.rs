//! stub
use std::marker::PhantomData;
use std::time::Duration;
use crate::{Terms, WireError, link, message::Service, server::Heard, stream::Stream};
pub(crate) struct Answers<M>(PhantomData<M>);
pub(crate) struct Caller<M>(PhantomData<M>);
impl<M> Answers<M> {
    pub(crate) async fn read(&mut self) -> Result<(u64, M, u64), WireError> { std::future::pending().await }
    pub(crate) async fn drain(&mut self) {}
}
impl<M> Caller<M> {
    pub(crate) async fn write(&mut self, _: u64, _: &M, _: Duration) -> Result<u64, WireError> { std::future::pending().await }
    pub(crate) async fn finish(self) -> bool { true }
}

pub(crate) struct Sessions<S>(PhantomData<fn(S)>);
pub(crate) struct Requests;
impl Requests { pub(crate) async fn serve(self) {} }
impl<S: Service> Sessions<S> {
    pub(crate) fn new(_: &Terms, _: tokio::sync::mpsc::Sender<Heard<S>>) -> Self { Self(PhantomData) }
    pub(crate) async fn accept(&self, _: Stream) -> Result<Requests, WireError> { std::future::pending().await }
}
pub(crate) async fn connect<S: Service>(_: Stream, _: &Terms, _: &str) -> Result<(link::Reading<S::Answer>, link::Writing<S::Ask>), WireError> { std::future::pending().await }
