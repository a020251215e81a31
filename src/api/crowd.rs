//! Who holds connections: each user has a share of them, and each network that they come from where that is asked for, so that none
//! keeps the others out.

use super::{
    Peer,
    shares::{AtWork, Network, Share, Shares},
};
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::Notify;

/// The connections of all users.
pub(super) struct Crowd {
    share: usize,
    users: Mutex<HashMap<u32, Vec<Arc<Place>>>>,
    /// None where addresses have no share.
    addresses: Option<Addresses>,
}

/// What connections of addresses share.
pub(super) struct Addresses {
    pub(super) shares: Arc<Shares>,
    pub(super) stands_for_many: StandsForMany,
}

/// Whether many clients stand behind an address that is known, such as a proxy's: it has no share of its own.
pub type StandsForMany = Arc<dyn Fn(IpAddr) -> bool + Send + Sync>;

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
pub(super) struct Seat {
    crowd: Arc<Crowd>,
    user: Option<u32>,
    place: Arc<Place>,
    share: Option<Share>,
}

impl Crowd {
    pub(super) fn new(share: usize, addresses: Option<Addresses>) -> Arc<Self> {
        Arc::new(Self { share, users: Mutex::default(), addresses })
    }

    /// A place for a connection of that peer. Where its user's share is used up, the oldest connection of that user on
    /// which nothing was asked yet has to leave; where there is none, there is no place.
    pub(super) fn admit(self: &Arc<Self>, peer: Peer) -> Option<Seat> {
        let place = Arc::<Place>::default();
        let (user, share) = match peer {
            Peer::Process { uid, .. } => (Some(uid), None),
            Peer::Address(address) => (None, self.share_of(address.ip().to_canonical())?),
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
        Some(Seat { crowd: Arc::clone(self), user, place, share })
    }

    /// What an address takes of the shares, where there are any; nothing where it has its own already.
    #[expect(
        clippy::option_option,
        reason = "whether there is a place, and whether it is one of the shares"
    )]
    fn share_of(&self, address: IpAddr) -> Option<Option<Share>> {
        let Some(Addresses { shares, stands_for_many }) = &self.addresses else {
            return Some(None);
        };
        let network = (!stands_for_many(address)).then(|| Network::of(address));
        shares.take(network).ok().map(Some)
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

    /// A request is under way: the connection makes no room meanwhile.
    pub(super) fn at_work(&self) -> Option<AtWork> {
        self.share.as_ref().map(Share::at_work)
    }

    /// Done when the connection has to leave.
    pub(super) async fn left(&self) {
        let Some(share) = &self.share else { return self.place.leave.notified().await };
        tokio::select! {
            () = self.place.leave.notified() => {}
            () = share.left() => {}
        }
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
        let crowd = Crowd::new(3, None);
        let seats: Vec<_> = (0..3).map(|_| crowd.admit(user(1)).unwrap()).collect();
        seats[0].speak();
        let fourth = crowd.admit(user(1)).unwrap();
        let left = |seat: &Seat| seat.left().now_or_never().is_some();
        assert_eq!(seats.iter().map(left).collect::<Vec<_>>(), [false, true, false]);
        assert!(!left(&fourth));
    }

    #[test]
    fn a_user_who_uses_up_the_share_keeps_no_other_out() {
        let crowd = Crowd::new(2, None);
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
        let crowd = Crowd::new(9, None);
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
    fn addresses_have_no_share_unless_it_is_asked_for() {
        let crowd = Crowd::new(1, None);
        let peer = Peer::Address(([127, 0, 0, 1], 1).into());
        let seats: Vec<_> = (0..9).map(|_| crowd.admit(peer)).collect();
        assert!(seats.iter().all(Option::is_some));
    }

    #[test]
    fn an_address_has_half_and_a_proxy_what_there_is() {
        let peer = |last: u8| Peer::Address(([192, 0, 2, last], 1).into());
        let proxy: IpAddr = [192, 0, 2, 9].into();
        let stands_for_many: StandsForMany = Arc::new(move |address| address == proxy);
        let crowd = Crowd::new(1, Some(Addresses { shares: Shares::new(8), stands_for_many }));
        let mut seats: Vec<_> = std::iter::from_fn(|| crowd.admit(peer(1))).collect();
        assert_eq!(seats.len(), 4);
        seats.extend(std::iter::from_fn(|| crowd.admit(peer(9))));
        assert_eq!(
            seats.len(),
            4 + 4 + 3,
            "the proxy's clients had the rest, and three of the four"
        );
        let left = seats.iter().filter(|seat| seat.left().now_or_never().is_some()).count();
        assert_eq!(left, 3);
    }
}
