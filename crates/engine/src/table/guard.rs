//! Turns the panic of a library that reads a damaged file into an error, without a word on the standard error.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use arrow::record_batch::RecordBatch;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;

thread_local! {
    /// Whether a panic of this thread is caught by [`guarded`].
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}
static SILENCE: Once = Once::new();

/// The message of a panic.
#[derive(Debug, thiserror::Error)]
#[error("its parts contradict each other: {0}")]
pub(super) struct Panicked(String);

/// What `read` gives. Nothing that it changed may be used again when it panics.
pub(super) fn guarded<T>(read: impl FnOnce() -> T) -> Result<T, Panicked> {
    SILENCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !IS_GUARDED.get() {
                before(panic);
            }
        }));
    });
    IS_GUARDED.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(read));
    IS_GUARDED.set(false);
    outcome.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        Panicked(text.unwrap_or("unknown").into())
    })
}

/// The next batch of a stream, or an error if making it panics. A stream is not asked again after an error.
pub(super) async fn next_batch(stream: &mut SendableRecordBatchStream) -> Option<Result<RecordBatch>> {
    let polled = std::future::poll_fn(|cx| match guarded(|| stream.poll_next_unpin(cx)) {
        Ok(poll) => poll,
        Err(panicked) => std::task::Poll::Ready(Some(Err(DataFusionError::External(Box::new(panicked))))),
    });
    polled.await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_become_errors_with_their_message() {
        assert_eq!(guarded(|| 7).unwrap(), 7);
        let number = 20_546;
        assert!(guarded(|| panic!("{number} bits")).map(|()| 0).unwrap_err().to_string().contains("20546 bits"));
        assert!(guarded(|| panic!("no bits")).map(|()| 0).unwrap_err().to_string().contains("no bits"));
    }
}
