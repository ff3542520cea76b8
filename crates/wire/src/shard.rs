//! A shard that listens.

use std::future::Future;
use std::pin::pin;

use quelea_params::Maker;
use quelea_params::shard::Shard;

use crate::driver::Clock;
use crate::message::OfShard;
use crate::server::{Event, Server};
use crate::{Listener, Terms, WireError};

/// Serves runs, one at a time, until `stop` is over.
pub async fn serve_shard(listener: Listener, terms: Terms, maker: Maker, stop: impl Future<Output = ()>) -> Result<(), WireError> {
    let mut server = Server::<OfShard>::start(listener, &terms)?;
    let mut shard = Shard::new(maker, terms.timing);
    let mut stop = pin!(stop);
    let clock = Clock::start();
    let mut answers = Vec::new();
    loop {
        tokio::select! {
            event = server.next() => match event {
                Event::Asked(from, ask) => shard.handle(clock.now(), from, ask, &mut answers),
                Event::Closed(peer) => shard.closed(peer),
            },
            () = clock.until(shard.deadline()) => {}
            () = &mut stop => break,
        }
        shard.tick(clock.now(), &mut answers);
        answers.drain(..).for_each(|(to, answer)| server.answer(to, answer));
    }
    server.finish().await;
    Ok(())
}
