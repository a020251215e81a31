//! Looks where the environment of this controller may go on, as its members will: so the old controller hears of the move at
//! once, and its members do by it.

use super::member::random_chance;
use crate::{
    license::{RequestId, Thumbprint},
    members::{Asked, Connection, MemberIdentity, MembersError, Word, policy::pause},
};
use std::time::Duration;
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};

/// How long one address is listened to that states nothing; a new controller does not before its license comes.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pauses between two looks grow from here.
const PAUSE: Duration = Duration::from_secs(1);

/// Looks after which they grow no more: a move is waited for.
const SELDOM: u32 = 3;

/// Where to look, and as whom.
#[derive(Clone)]
pub struct Post {
    /// The request of the bundle.
    pub request: RequestId,
    /// Where to look.
    pub controllers: Vec<String>,
    /// By what the new controller is known.
    pub ca: Thumbprint,
    /// By what this one is known there.
    pub identity: MemberIdentity,
}

/// Brings what is stated where the post says, until nobody gives orders or listens any more.
pub(super) async fn look_out(mut posts: watch::Receiver<Option<Post>>, asked: mpsc::Sender<Asked>) {
    loop {
        let post = posts.borrow_and_update().clone();
        let looking = async {
            match &post {
                Some(post) => look(post, &asked).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = posts.changed() => if changed.is_err() { return },
            () = looking => return,
        }
    }
}

/// Looks until nobody listens any more.
async fn look(post: &Post, asked: &mpsc::Sender<Asked>) {
    let mut looks = 1;
    loop {
        for address in &post.controllers {
            match timeout(PATIENCE, stated(address, post)).await {
                Ok(Ok(statement)) => {
                    if asked.send(Asked::SuccessorStated { statement }).await.is_err() {
                        return;
                    }
                }
                Ok(Err(error)) => tracing::debug!(%error, "the new controller is not there yet"),
                Err(_) => {}
            }
        }
        sleep(pause(looks, PAUSE, random_chance())).await;
        looks = (looks + 1).min(SELDOM);
    }
}

/// The first statement from an address.
async fn stated(address: &str, post: &Post) -> Result<String, MembersError> {
    let connection = Connection::to(address, &post.ca, &post.identity).await?;
    let mut watch = connection.watch().await?;
    loop {
        if let Word::Statement(text) = watch.next().await? {
            return Ok(text);
        }
    }
}
