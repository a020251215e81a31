//! Handshakes in flight. One who never finishes theirs keeps nobody out for long.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};

/// Handshakes at once: more only compete for the processor and take memory.
const MOST: usize = 64;
/// A handshake may take so long undisturbed; an honest one takes milliseconds and its way.
const UNDISTURBED: Duration = Duration::from_secs(1);

/// All that are in flight.
#[derive(Debug, Default)]
pub(crate) struct Handshakes {
    under_way: Mutex<Vec<Arc<Place>>>,
    ended: Notify,
}

#[derive(Debug)]
struct Place {
    address: IpAddr,
    since: Instant,
    leave: Notify,
}

/// One of them; over when dropped.
#[derive(Debug)]
pub(crate) struct Handshake {
    all: Arc<Handshakes>,
    place: Arc<Place>,
}

impl Handshakes {
    /// A place for one more. Where all are taken it waits for one to end; one that takes longer than a second has to make
    /// room, the oldest of the address that has the most.
    pub(crate) async fn begin(self: &Arc<Self>, address: IpAddr) -> Handshake {
        loop {
            let ended = self.ended.notified();
            match self.try_begin(address, Instant::now()) {
                Ok(handshake) => return handshake,
                Err(wait) => {
                    // Woken or not, it is tried again.
                    let _ = tokio::time::timeout(wait, ended).await;
                }
            }
        }
    }

    fn try_begin(self: &Arc<Self>, address: IpAddr, now: Instant) -> Result<Handshake, Duration> {
        let mut under_way = self.under_way();
        if under_way.len() >= MOST {
            let slow = |place: &Arc<Place>| now.duration_since(place.since) >= UNDISTURBED;
            let Some(victim) = victim(&under_way, slow) else {
                let oldest = under_way.iter().map(|place| place.since).min().unwrap_or(now);
                return Err(UNDISTURBED.saturating_sub(now.duration_since(oldest)));
            };
            under_way.remove(victim).leave.notify_one();
        }
        let place = Arc::new(Place { address, since: now, leave: Notify::new() });
        under_way.push(Arc::clone(&place));
        Ok(Handshake { all: Arc::clone(self), place })
    }

    fn under_way(&self) -> MutexGuard<'_, Vec<Arc<Place>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which has to make room: the oldest slow one of the address that has the most slow ones.
fn victim(under_way: &[Arc<Place>], slow: impl Fn(&Arc<Place>) -> bool) -> Option<usize> {
    let mut of_address: HashMap<IpAddr, usize> = HashMap::new();
    for place in under_way.iter().filter(|place| slow(place)) {
        *of_address.entry(place.address).or_default() += 1;
    }
    let (address, _) = of_address.into_iter().max_by_key(|(address, count)| (*count, *address))?;
    under_way.iter().position(|place| place.address == address && slow(place))
}

impl Handshake {
    /// Done when it has to make room.
    pub(crate) async fn left(&self) {
        self.place.leave.notified().await;
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.all.under_way().retain(|place| !Arc::ptr_eq(place, &self.place));
        self.all.ended.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[tokio::test(start_paused = true)]
    async fn a_hundred_that_never_finish_keep_an_honest_one_out_for_a_second_at_most() {
        let all = Arc::<Handshakes>::default();
        let honest = all.begin(address(1)).await;
        let mut never = Vec::new();
        for _ in 1..MOST {
            never.push(all.begin(address(2)).await);
        }
        let before = Instant::now();
        let next = all.begin(address(3)).await;
        assert_eq!(before.elapsed(), UNDISTURBED);
        assert!(never[0].left().now_or_never().is_some(), "the oldest of those with the most");
        assert!(honest.left().now_or_never().is_none() && next.left().now_or_never().is_none());
        drop(never.pop());
        assert!(all.begin(address(4)).now_or_never().is_some(), "one that ended made room");
    }
}
