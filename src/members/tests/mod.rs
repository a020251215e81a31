//! The members' rules, and both ends of their connection.

mod acceptance;
mod ends;
pub(crate) mod stated;
