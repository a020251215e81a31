//! Places that networks share, so that none of them keeps the others out.
//!
//! A network may have as many as are left free: one alone gets half of them, whoever comes next finds some (the dynamic threshold by which
//! switches share their buffers: Choudhury and Hahne, IEEE/ACM Transactions on Networking 6(2), 1998). Where several together have
//! taken all, one makes room that does nothing but wait: the oldest of the site that has the most. So no number has to be
//! chosen that is too small for a company behind one address and too large for ten who attack.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::Notify;

/// What one client has all addresses of: an IPv4 address, or for IPv6 the /64 of a link and the /48 of a site (RFC 6177).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    link: IpAddr,
    site: IpAddr,
}

impl Network {
    /// That of an address.
    pub const fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self { link: IpAddr::V4(address), site: IpAddr::V4(address) },
            IpAddr::V6(address) => Self { link: prefix(address, 64), site: prefix(address, 48) },
        }
    }

    /// The address, or the /64.
    pub const fn link(self) -> IpAddr {
        self.link
    }

    /// The address, or the /48.
    pub const fn site(self) -> IpAddr {
        self.site
    }
}

const fn prefix(address: Ipv6Addr, bits: u32) -> IpAddr {
    IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - bits))))
}

/// A number of places.
#[derive(Debug)]
pub struct Shares {
    most: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    /// In the order in which they were taken.
    places: BTreeMap<u64, Arc<Place>>,
    next: u64,
    links: HashMap<IpAddr, usize>,
    sites: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Place {
    network: Option<Network>,
    /// What is under way on it and would be lost.
    at_work: AtomicUsize,
    leave: Notify,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// All are taken.
    All,
    /// The asker's network has its share.
    Own,
}

/// A place; given back when dropped.
#[derive(Debug)]
pub struct Share {
    of: Arc<Shares>,
    number: u64,
    place: Arc<Place>,
}

/// Something is under way as long as it is held.
#[derive(Debug)]
pub struct AtWork(Arc<Place>);

impl Shares {
    /// So many places.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, taken: Mutex::default() })
    }

    /// A place for that network; for one that stands for many others, such as a proxy, as many as there are.
    ///
    /// # Errors
    /// [`Full`], where there is none.
    pub fn take(self: &Arc<Self>, network: Option<Network>) -> Result<Share, Full> {
        let mut taken = self.taken();
        match self.most.saturating_sub(taken.places.len()) {
            0 => taken.make_room(network)?,
            free => taken.check(network, free)?,
        }
        let (number, place) = taken.put(network);
        Ok(Share { of: Arc::clone(self), number, place })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn of_site(&self, network: Network) -> usize {
        self.sites.get(&network.site).copied().unwrap_or_default()
    }

    fn of_link(&self, network: Network) -> usize {
        self.links.get(&network.link).copied().unwrap_or_default()
    }

    /// Whether one more of `free` ones is the network's: the links of a site share what the site may have.
    fn check(&self, network: Option<Network>, free: usize) -> Result<(), Full> {
        let Some(network) = network else { return Ok(()) };
        let of_site = self.of_site(network);
        let left = free.saturating_sub(of_site);
        // An IPv4 address is link and site at once.
        let of_link = if network.site.is_ipv4() { 0 } else { self.of_link(network) };
        if of_link < left { Ok(()) } else { Err(Full::Own) }
    }

    fn put(&mut self, network: Option<Network>) -> (u64, Arc<Place>) {
        if let Some(network) = network {
            *self.sites.entry(network.site).or_default() += 1;
            *self.links.entry(network.link).or_default() += 1;
        }
        let place = Arc::new(Place { network, at_work: AtomicUsize::new(0), leave: Notify::new() });
        let number = self.next;
        self.next += 1;
        self.places.insert(number, Arc::clone(&place));
        (number, place)
    }

    fn give_back(&mut self, number: u64) {
        let Some(network) = self.places.remove(&number).and_then(|place| place.network) else {
            return;
        };
        one_less(&mut self.sites, network.site);
        one_less(&mut self.links, network.link);
    }

    /// Sends one away that only waits: the oldest of the site that has most of those, where it still has as many as the asker's then.
    fn make_room(&mut self, network: Option<Network>) -> Result<(), Full> {
        let mut waiting: HashMap<IpAddr, (usize, u64)> = HashMap::new();
        for (number, place) in &self.places {
            let Some(network) = place.network else { continue };
            if place.at_work.load(Ordering::Relaxed) == 0 {
                waiting.entry(network.site).or_insert((0, *number)).0 += 1;
            }
        }
        let most = waiting.into_values().max_by_key(|(count, _)| *count);
        let own = network.map_or(0, |network| self.of_site(network));
        let more = most.filter(|(count, _)| own + 1 < *count);
        let Some((_, oldest)) = more else {
            return Err(if own > 0 { Full::Own } else { Full::All });
        };
        if let Some(place) = self.places.get(&oldest) {
            place.leave.notify_one();
        }
        self.give_back(oldest);
        Ok(())
    }
}

impl Share {
    /// Something is under way: the place is not taken away meanwhile.
    pub fn at_work(&self) -> AtWork {
        self.place.at_work.fetch_add(1, Ordering::Relaxed);
        AtWork(Arc::clone(&self.place))
    }

    /// Done when it has to make room.
    pub async fn left(&self) {
        self.place.leave.notified().await;
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.at_work.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.of.taken().give_back(self.number);
    }
}

fn one_less(counts: &mut HashMap<IpAddr, usize>, of: IpAddr) {
    let Some(count) = counts.get_mut(&of) else { return };
    *count = count.saturating_sub(1);
    if *count == 0 {
        counts.remove(&of);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use proptest::prelude::*;

    fn network(text: &str) -> Network {
        Network::of(text.parse().unwrap())
    }

    fn nth(n: u8) -> Network {
        Network::of([192, 0, 2, n].into())
    }

    /// All that the network gets.
    fn filled(shares: &Arc<Shares>, network: impl Into<Option<Network>>) -> Vec<Share> {
        let network = network.into();
        std::iter::from_fn(|| shares.take(network).ok()).collect()
    }

    fn has_left(share: &Share) -> bool {
        share.left().now_or_never().is_some()
    }

    #[test]
    fn one_alone_gets_half_and_others_find_places() {
        let shares = Shares::new(256);
        let first = filled(&shares, network("192.0.2.1"));
        assert_eq!(first.len(), 128);
        assert_eq!(shares.take(Some(network("192.0.2.1"))).unwrap_err(), Full::Own);
        assert_eq!(
            shares.take(Some(network("::ffff:192.0.2.1"))).unwrap_err(),
            Full::Own,
            "the same"
        );
        let second = filled(&shares, network("192.0.2.2"));
        assert_eq!(second.len(), 64);
        drop(first);
        assert_eq!(filled(&shares, network("192.0.2.2")).len(), 64, "what was given back");
        drop(second);
        assert!(shares.taken().sites.is_empty(), "who has none is forgotten");
    }

    #[test]
    fn where_many_have_taken_all_the_oldest_of_the_largest_makes_room() {
        let shares = Shares::new(256);
        let mut held: Vec<_> = (1..=8).flat_map(|n| filled(&shares, nth(n))).collect();
        held.extend(shares.take(Some(nth(9))));
        assert_eq!(held.len(), 256);
        let newcomer = shares.take(Some(nth(99))).unwrap();
        assert!(has_left(&held[0]) && !has_left(&held[1]) && !has_left(&newcomer));
        assert_eq!(shares.taken().places.len(), 256);
        drop(held);
        assert_eq!(shares.taken().places.len(), 1, "one that was sent away gives nothing back");
    }

    #[test]
    fn what_is_at_work_stays_and_who_has_a_place_sends_nobody_away() {
        let shares = Shares::new(4);
        let held: Vec<_> = (1..=3).flat_map(|n| filled(&shares, nth(n))).collect();
        assert_eq!(held.len(), 4);
        assert_eq!(shares.take(Some(nth(3))).unwrap_err(), Full::Own);
        let work: Vec<_> = held.iter().map(Share::at_work).collect();
        assert_eq!(shares.take(Some(nth(4))).unwrap_err(), Full::All);
        drop(work);
        assert!(shares.take(Some(nth(4))).is_ok());
        assert!(has_left(&held[0]));
    }

    #[test]
    fn two_hundred_networks_that_hold_what_they_get_keep_none_out() {
        let shares = Shares::new(256);
        let mut held = Vec::new();
        for _ in 0..3 {
            for n in 0..200 {
                held.extend(filled(&shares, nth(n)));
            }
        }
        assert_eq!(shares.taken().places.len(), 256);
        assert!(shares.take(Some(network("198.51.100.1"))).is_ok());
    }

    #[test]
    fn the_links_of_a_site_share_what_the_site_gets() {
        let shares = Shares::new(256);
        let mut site = filled(&shares, network("2001:db8:1:1::1"));
        assert_eq!(site.len(), 86);
        for n in 2..2_000 {
            let link = Ipv6Addr::new(0x2001, 0xdb8, 1, n, 0, 0, 0, 1);
            site.extend(filled(&shares, Network::of(link.into())));
        }
        assert_eq!(site.len(), 128, "as many as one address gets");
        assert_eq!(filled(&shares, network("2001:db8:2::1")).len(), 43);
        drop(site);
        assert!(shares.taken().links.is_empty());
    }

    #[test]
    fn a_proxy_gets_all_that_are_free_and_is_not_sent_away() {
        let shares = Shares::new(16);
        let all = filled(&shares, None);
        assert_eq!(all.len(), 16);
        assert_eq!(shares.take(Some(network("192.0.2.1"))).unwrap_err(), Full::All);
        assert!(!all.iter().any(has_left));
    }

    proptest! {
        /// Whatever comes and goes: never more than there are, and the counts add up.
        #[test]
        fn the_counts_add_up(steps in prop::collection::vec((0_u16..40, any::<bool>()), 0..600)) {
            let shares = Shares::new(32);
            let mut held: Vec<Share> = Vec::new();
            for (n, gives) in steps {
                if gives && !held.is_empty() {
                    held.swap_remove(usize::from(n) % held.len());
                } else {
                    let address = Ipv6Addr::new(0x2001, 0xdb8, n % 5, n / 5, 0, 0, 0, 0);
                    held.extend(shares.take(Some(Network::of(address.into()))));
                    held.retain(|share| !has_left(share));
                }
                let taken = shares.taken();
                prop_assert!(held.len() <= 32);
                prop_assert_eq!(taken.places.len(), held.len());
                prop_assert_eq!(taken.sites.values().sum::<usize>(), held.len());
                prop_assert_eq!(taken.links.values().sum::<usize>(), held.len());
            }
        }
    }
}
