//! Trainings over real sockets of this machine: as they should be, with connections that break, and among enemies.

mod certificates;
mod cluster;
mod conformance;
mod cuts;
mod enemies;
mod toy;
