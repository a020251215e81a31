//! The portal as a whole, without a process or a network around it.

mod answers;
mod stage;
