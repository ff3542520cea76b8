//! The parameter server as state machines: the run, its shards and its workers take messages and the time, and give
//! messages. They know no socket, thread, file, clock or learner, so the same code runs in a process, over a network
//! and in a simulation. What they promise is written in `docs/consistency.md`.

mod calls;
mod list;
pub mod message;
mod packet;
mod problem;
mod replica;
pub mod run;
pub mod shard;
mod stepper;
pub mod tables;
mod traffic;
pub mod worker;

pub use calls::{Caller, Timing};
pub use list::ListName;
pub use packet::Packet;
pub use problem::Problem;
pub use replica::{Course, Made, Maker, Replica};
pub use stepper::Stepper;
pub use traffic::{Bits, Traffic};
