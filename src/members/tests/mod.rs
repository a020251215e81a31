//! The members' rules, and both ends of their connection.

mod acceptance;
pub(crate) mod ends;
mod signposts;
pub(crate) mod stated;
