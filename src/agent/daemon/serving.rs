//! What serves members beside the loop of a controller.

use crate::{
    agent::{Clock, Members, Post},
    health::Metrics,
    members::{Asked, Authority, Host, Latest, Listener, MembersError, Presence},
    store::StateDirectory,
    usage::UserKey,
};
use std::{net::SocketAddr, sync::Arc};
use tokio::sync::{mpsc, watch};

/// What members ask waits for the loop; more waits in its connection.
const MEMBERS_WAITING: usize = 64;

/// What serves members beside the loop.
pub(super) struct Serving {
    pub(super) listener: Listener,
    /// Where the lookout looks for the next controller, and to whom it tells what it sees.
    pub(super) posts: watch::Receiver<Option<Post>>,
    pub(super) asked: mpsc::Sender<Asked>,
}

/// Binds the members' port. The authority is made at the first time.
pub(super) fn serve_from(
    address: SocketAddr,
    directory: &StateDirectory,
    usage_key: UserKey,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
) -> Result<(Members, Serving), MembersError> {
    let key = directory.authority_key();
    let key = key.map_err(|error| MembersError::Authority { reason: error.to_string() })?;
    let authority = Authority::of(&key)?;
    let presence = Arc::<Presence>::default();
    let latest = Arc::new(watch::Sender::new(Latest::default()));
    let (sender, asked) = mpsc::channel(MEMBERS_WAITING);
    let host = Host {
        presence: Arc::clone(&presence),
        latest: Arc::clone(&latest),
        asked: sender.clone(),
        usage_key,
        metrics,
        clock: Arc::new(move || clock.read().clock),
    };
    let listener = Listener::bind(address, &authority, host)?;
    if let Ok(address) = listener.address() {
        tracing::info!(%address, "members are served");
    }
    let (lookout, posts) = watch::channel(None);
    let members = Members { authority, presence, latest, asked, port: listener.port(), lookout };
    Ok((members, Serving { listener, posts, asked: sender }))
}
