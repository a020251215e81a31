//! The portal as a whole, without a process or a network around it.

mod access;
mod answers;
mod chain;
mod forks;
mod held;
mod hostile;
mod keys;
mod monitoring;
mod moving;
mod offline;
mod operating;
mod pace;
mod problems;
mod rebinding;
mod recovery;
mod refusals;
mod releases;
mod routes;
mod serial_only;
mod slots;
pub(in crate::portal) mod stage;
mod usage;
mod vendor;
mod web;
mod webhooks;
