//! The members' rules, and both ends of their connection.

mod acceptance;
mod ends;
mod signposts;
pub(crate) mod stated;
