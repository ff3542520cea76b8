//! Trainings over real sockets of this machine: as they should be, with connections that break, and among enemies.

mod by_hand;
mod certificates;
mod cluster;
mod conformance;
mod cuts;
mod enemies;
mod hostile;
mod links;
mod losses;
mod proxy;
mod toy;
