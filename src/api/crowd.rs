//! Who holds connections: each user has a share of them, so that none keeps the others out.

use super::Peer;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::Notify;

/// The connections of all users.
#[derive(Debug)]
pub(super) struct Crowd {
    share: usize,
    users: Mutex<HashMap<u32, Vec<Arc<Place>>>>,
}

#[derive(Debug, Default)]
struct Place {
    spoke: AtomicBool,
    /// Whether something was asked since the last sweep.
    spoke_lately: AtomicBool,
    /// Whether nobody else looks after its silence.
    sweepable: AtomicBool,
    leave: Notify,
}

/// A connection's place; given back when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    crowd: Arc<Crowd>,
    user: Option<u32>,
    place: Arc<Place>,
}

impl Crowd {
    pub(super) fn new(share: usize) -> Arc<Self> {
        Arc::new(Self { share, users: Mutex::default() })
    }

    /// A place for a connection of that peer. Where its user's share is used up, the oldest connection of that user on
    /// which nothing was asked yet has to leave; where there is none, there is no place.
    pub(super) fn admit(self: &Arc<Self>, peer: Peer) -> Option<Seat> {
        let place = Arc::<Place>::default();
        let user = match peer {
            Peer::Process { uid, .. } => Some(uid),
            // Many agents may stand behind one address.
            Peer::Address(_) => None,
        };
        if let Some(user) = user {
            let mut users = self.users();
            let places = users.entry(user).or_default();
            if places.len() >= self.share {
                let silent = places.iter().position(|place| !place.spoke.load(Ordering::Relaxed));
                places.remove(silent?).leave.notify_one();
            }
            places.push(Arc::clone(&place));
        }
        Some(Seat { crowd: Arc::clone(self), user, place })
    }

    /// Sends away who has been silent from one sweep to the next.
    pub(super) fn sweep(&self) {
        for place in self.users().values().flatten() {
            let spoke = place.spoke_lately.swap(false, Ordering::Relaxed);
            if !spoke && place.sweepable.load(Ordering::Relaxed) {
                place.leave.notify_one();
            }
        }
    }

    /// Sends away who waits for nothing: the server stops.
    pub(super) fn dismiss(&self) {
        let users = self.users();
        let waiting = users.values().flatten().filter(|p| p.sweepable.load(Ordering::Relaxed));
        waiting.for_each(|place| place.leave.notify_one());
    }

    fn users(&self) -> MutexGuard<'_, HashMap<u32, Vec<Arc<Place>>>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Something was asked on the connection.
    pub(super) fn speak(&self) {
        self.place.spoke.store(true, Ordering::Relaxed);
        self.place.spoke_lately.store(true, Ordering::Relaxed);
    }

    /// Whether its silence is swept up, because nobody else looks after it.
    pub(super) fn sweepable(&self, sweepable: bool) {
        self.place.spoke_lately.store(true, Ordering::Relaxed);
        self.place.sweepable.store(sweepable, Ordering::Relaxed);
    }

    /// Done when the connection has to leave.
    pub(super) async fn left(&self) {
        self.place.leave.notified().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some(user) = self.user else { return };
        let mut users = self.crowd.users();
        let Some(places) = users.get_mut(&user) else { return };
        places.retain(|place| !Arc::ptr_eq(place, &self.place));
        if places.is_empty() {
            users.remove(&user);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn user(uid: u32) -> Peer {
        Peer::Process { pid: None, uid, gid: uid }
    }

    #[test]
    fn the_oldest_silent_connection_makes_room_for_a_new_one() {
        let crowd = Crowd::new(3);
        let seats: Vec<_> = (0..3).map(|_| crowd.admit(user(1)).unwrap()).collect();
        seats[0].speak();
        let fourth = crowd.admit(user(1)).unwrap();
        let left = |seat: &Seat| seat.left().now_or_never().is_some();
        assert_eq!(seats.iter().map(left).collect::<Vec<_>>(), [false, true, false]);
        assert!(!left(&fourth));
    }

    #[test]
    fn a_user_who_uses_up_the_share_keeps_no_other_out() {
        let crowd = Crowd::new(2);
        let seats: Vec<_> = (0..2).map(|_| crowd.admit(user(1)).unwrap()).collect();
        for seat in &seats {
            seat.speak();
        }
        assert!(crowd.admit(user(1)).is_none());
        assert!(crowd.admit(user(2)).is_some());
        drop(seats);
        assert!(crowd.admit(user(1)).is_some());
        assert!(!crowd.users().contains_key(&2), "who left is forgotten");
    }

    #[test]
    fn silence_from_sweep_to_sweep_ends_what_nobody_else_looks_after() {
        let crowd = Crowd::new(9);
        let seats: Vec<_> = (0..3).map(|_| crowd.admit(user(1)).unwrap()).collect();
        seats[0].sweepable(true);
        seats[1].sweepable(true);
        let left = |seat: &Seat| seat.left().now_or_never().is_some();
        crowd.sweep();
        assert!(!seats.iter().any(left), "all were new at the first sweep");
        seats[0].speak();
        crowd.sweep();
        assert_eq!(seats.iter().map(left).collect::<Vec<_>>(), [false, true, false]);
        crowd.dismiss();
        assert_eq!(seats.iter().map(left).collect::<Vec<_>>(), [true, true, false]);
    }

    #[test]
    fn addresses_have_no_share() {
        let crowd = Crowd::new(1);
        let peer = Peer::Address(([127, 0, 0, 1], 1).into());
        let seats: Vec<_> = (0..9).map(|_| crowd.admit(peer)).collect();
        assert!(seats.iter().all(Option::is_some));
    }
}
