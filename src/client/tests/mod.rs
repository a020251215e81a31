//! Against a socket that says what the test says: what is wrong with an agent's answers, and how it is survived. The real agent
//! is asked in `tests/behaviour/client.rs`.

mod agents;
mod newer;
mod stale;
mod streams;
