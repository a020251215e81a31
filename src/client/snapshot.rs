//! What is known at one moment, and how old it is.

use super::{ClientError, watching::Shared};
use crate::entitlement::{LimitStatus, Status};
use arc_swap::Guard;
use serde_json::Value;
use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
    time::Duration,
};

/// The value of a feature that the license does not name.
static UNKNOWN: Value = Value::Bool(false);

/// How old an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// The agent says so now.
    Live {
        /// How long ago it last said something, be it that it is alive.
        heard: Duration,
    },
    /// The agent can't be heard.
    Stale {
        /// How long ago the answer was last known to be the agent's; nothing where it never answered.
        age: Option<Duration>,
    },
}

impl Freshness {
    /// Whether the agent can't be heard.
    pub const fn is_stale(self) -> bool {
        matches!(self, Self::Stale { .. })
    }
}

/// How the connection is.
#[derive(Debug, Clone)]
pub(super) enum Link {
    /// Not made yet.
    Connecting,
    /// It stands, and has brought a status.
    Live,
    /// It broke, or could not be made.
    Lost(Arc<ClientError>),
}

/// What is known: replaced whole, never changed.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) status: Option<Arc<Status>>,
    features: Arc<Features>,
    pub(super) link: Link,
}

impl Known {
    pub(super) fn nothing() -> Self {
        Self { status: None, features: Arc::default(), link: Link::Connecting }
    }

    pub(super) fn of(status: Status) -> Self {
        let features = Arc::new(Features::of(&status));
        Self { features, status: Some(Arc::new(status)), link: Link::Live }
    }

    pub(super) fn lost(&self, error: ClientError) -> Self {
        Self { link: Link::Lost(Arc::new(error)), ..self.clone() }
    }

    fn value(&self, place: Option<usize>) -> &Value {
        place.and_then(|place| self.features.values.get(place)).unwrap_or(&UNKNOWN)
    }

    pub(super) fn entitled(&self) -> bool {
        self.status.as_ref().is_some_and(|status| status.entitled)
    }

    fn granted(&self, place: Option<usize>) -> bool {
        self.entitled() && !matches!(self.value(place), Value::Bool(false) | Value::Null)
    }

    fn freshness(&self, shared: &Shared) -> Freshness {
        match (&self.link, shared.heard_ago()) {
            (Link::Live, Some(heard)) if heard < shared.silence => Freshness::Live { heard },
            (_, age) => Freshness::Stale { age: age.filter(|_| self.status.is_some()) },
        }
    }
}

/// The features of a status, to be found fast.
#[derive(Debug, Default)]
struct Features {
    /// A place and not the value: a feature that was found keeps it beside the status, and can't keep a reference into that.
    places: HashMap<Box<str>, usize, BuildHasherDefault<NameHasher>>,
    values: Vec<Value>,
}

impl Features {
    fn of(status: &Status) -> Self {
        let names = status.features.keys().enumerate();
        Self {
            places: names.map(|(place, name)| (name.as_str().into(), place)).collect(),
            values: status.features.values().cloned().collect(),
        }
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }
}

/// A hash of names, eight bytes at a time: in a third of the time of the standard library's, which withstands chosen keys; these
/// come from a license. After `FxHash` of the Rust compiler.
#[derive(Debug, Default)]
struct NameHasher(u64);

impl NameHasher {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517C_C1B7_2722_0A95);
    }
}

impl Hasher for NameHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.add(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            self.add(rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.add(byte.into());
    }

    fn finish(&self) -> u64 {
        // The table takes its places from the low bits, which the multiplication mixes least.
        self.0.rotate_left(26)
    }
}

/// A feature as it is known now. Made for the moment: who keeps it keeps the status that it came from.
pub struct Feature<'a> {
    known: Guard<Arc<Known>>,
    place: Option<usize>,
    shared: &'a Shared,
}

impl<'a> Feature<'a> {
    pub(super) fn find(shared: &'a Shared, name: &str) -> Self {
        let known = shared.known.load();
        Self { place: known.features.place(name), known, shared }
    }

    /// Whether the program may do it: new work is covered, and the value is neither `false` nor `null`. By the last
    /// answer, however old that is.
    pub fn granted(&self) -> bool {
        self.known.granted(self.place)
    }

    /// The value in the license, be it a boolean, a number or a text; `false` where the license does not name it.
    pub fn value(&self) -> &Value {
        self.known.value(self.place)
    }

    /// Whether the license names it.
    pub const fn known(&self) -> bool {
        self.place.is_some()
    }

    /// Whether new work is covered at all.
    pub fn entitled(&self) -> bool {
        self.known.entitled()
    }

    /// The generation of the status that says so; nothing where there was no answer yet.
    pub fn generation(&self) -> Option<u64> {
        self.known.status.as_ref().map(|status| status.generation)
    }

    /// Whether the agent can't be heard. It looks at the clock, so that a connection which nobody reads from any more (in a
    /// forked process, say) turns stale too.
    pub fn is_stale(&self) -> bool {
        self.freshness().is_stale()
    }

    /// How old the answer is.
    pub fn freshness(&self) -> Freshness {
        self.known.freshness(self.shared)
    }
}

impl fmt::Debug for Feature<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feature")
            .field("value", self.value())
            .field("known", &self.known())
            .field("granted", &self.granted())
            .field("freshness", &self.freshness())
            .finish()
    }
}

/// All that is known at one moment: it stays what it was, and may be kept and sent to other threads.
#[derive(Debug, Clone)]
pub struct Snapshot {
    known: Arc<Known>,
    freshness: Freshness,
}

impl Snapshot {
    pub(super) fn now(shared: &Shared) -> Self {
        let known = shared.known.load_full();
        Self { freshness: known.freshness(shared), known }
    }

    /// The last status; nothing where there was no answer yet.
    pub fn status(&self) -> Option<&Status> {
        self.known.status.as_deref()
    }

    /// The last status, to be kept.
    pub fn into_status(self) -> Option<Arc<Status>> {
        self.known.status.clone()
    }

    /// Whether new work is covered, by the last answer; `false` where there was none yet.
    pub fn entitled(&self) -> bool {
        self.known.entitled()
    }

    /// Whether a feature is granted, as [`Feature::granted`] says it.
    pub fn granted(&self, feature: &str) -> bool {
        self.known.granted(self.known.features.place(feature))
    }

    /// The value of a feature; `false` where the license does not name it.
    pub fn value(&self, feature: &str) -> &Value {
        self.known.value(self.known.features.place(feature))
    }

    /// A limit; nothing where the license does not name it.
    pub fn limit(&self, name: &str) -> Option<LimitStatus> {
        self.status()?.limits.get(name).copied()
    }

    /// How old the answer was when the snapshot was taken.
    pub const fn freshness(&self) -> Freshness {
        self.freshness
    }

    /// Whether the agent could not be heard then.
    pub const fn is_stale(&self) -> bool {
        self.freshness.is_stale()
    }

    /// Why the agent can't be heard; nothing while it is, and before the first try has ended.
    pub fn error(&self) -> Option<&ClientError> {
        match &self.known.link {
            Link::Lost(error) => Some(error),
            Link::Connecting | Link::Live => None,
        }
    }
}
