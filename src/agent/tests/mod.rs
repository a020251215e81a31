//! The loop, by what happens to it.

mod activation;
mod answers;
mod calendar;
mod clocks;
mod hardware;
mod idling;
mod installing;
mod membership;
mod portal_lost;
mod props;
mod revocation;
mod simulation;
mod stage;
mod starting;
mod storing;
mod usage;
