//! HTTP on the local sockets: the server, who is at the other end, problem documents, and the agent's routes.
//!
//! What the agent publishes and what it can be asked stands in [`contract`](AgentHandle): the sockets know the agent by
//! that alone. `agent`, `portal` and `cli` call this; this calls `bundle`, `health`, `store`, `usage`, `entitlement`, `license`, `identity`
//! and `codes`.

mod asked;
mod change;
mod connection;
mod contract;
mod contract_usage;
mod controller;
mod crowd;
mod front;
mod health;
mod known;
mod limits;
mod listener;
mod members;
mod moving;
mod plain;
mod read;
mod replayed;
mod routers;
mod server;
mod unread;
mod usage;

pub use crate::problem::{PROBLEM_MEDIA_TYPE, Problem};
pub use contract::{
    AgentHandle, BundleOrder, Call, Command, Done, ExportOrder, JoinOrder, MadeToken, MemberLine,
    Prover, Published, PublishedLicense, Reply, RequestByHand, TokenOrder,
};
pub use contract_usage::{UsageOverview, UsageReport, UsedBy, UsedLimit, UserNames, UsersReport};
pub use known::{KnownUsage, Source};
pub use listener::{Connection, Listener, Peer, Resumed};
#[cfg(test)]
pub(crate) use routers::tests as openapi_tests;
pub use routers::{admin_router, health_router, openapi, read_router, usage_router};
pub use server::{ServerOptions, serve, serve_status};
pub use unread::{Unread, throw_away_unread};
