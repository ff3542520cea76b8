//! The commands, one file each: its arguments, and what it does with the engine.

pub mod completions;
pub mod evaluate;
pub mod init;
pub mod inspect;
pub mod predict;
pub mod schema;
pub mod shard;
pub mod train;
pub mod worker;
