//! The loop, by what happens to it.

mod activation;
mod answers;
mod calendar;
mod clocks;
mod hardware;
mod idling;
mod installing;
mod overriding;
mod portal_lost;
mod props;
mod recovery;
mod revocation;
mod simulation;
mod stage;
mod starting;
mod storing;
mod usage;
