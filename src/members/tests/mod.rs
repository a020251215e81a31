//! The members' rules, and both ends of their connection.

mod acceptance;
pub(crate) mod ends;
pub(crate) mod stated;
