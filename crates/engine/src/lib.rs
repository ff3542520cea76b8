//! The engine: prepare, train and score, on one machine. It owns threads, files and the DataFusion session;
//! what is learned is decided in `learn`, how a model looks in `model`.

mod checkpoint;
pub mod control;
mod distributed;
pub mod error;
mod init;
pub mod inspect;
pub mod launcher;
mod output;
mod platform;
mod prepare;
pub mod rounds;
mod score;
mod steps;
mod table;
mod threads;
mod train;

pub use control::{Control, Event, WorkerStatus};
pub use distributed::{shard, worker};
pub use error::{Error, Result};
pub use init::init;
pub use output::remove_unfinished_outputs;
pub use score::{Destination, evaluate, predict, read_model};
pub use table::label_column;
pub use train::{fit_source, resume, train, train_source};
