//! The portal as a whole, without a process or a network around it.

mod answers;
mod chain;
mod keys;
mod operating;
mod refusals;
mod routes;
mod slots;
mod stage;
