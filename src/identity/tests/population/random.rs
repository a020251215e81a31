//! Random numbers that are the same on every run and machine.

use crate::identity::canonical;

pub(super) const MILLION: u64 = 1_000_000;

/// `splitmix64`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        // Neighbouring seeds must not give neighbouring numbers.
        let mut random = Self(seed.wrapping_mul(0xd129_0d3e_5f1c_7a6b));
        random.next();
        random
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// True so many times in a million.
    pub(super) fn chance(&mut self, of_a_million: u64) -> bool {
        self.below(MILLION) < of_a_million
    }

    pub(super) fn one_of<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        let at = self.below(of.len() as u64);
        &of[usize::try_from(at).unwrap()]
    }

    pub(super) fn digits(&mut self, count: usize) -> String {
        let digits = format!("{:016x}{:016x}", self.next(), self.next());
        digits[..count].to_owned()
    }

    pub(super) fn uuid(&mut self) -> String {
        canonical::uuid(&self.digits(32)).unwrap()
    }

    pub(super) fn serial(&mut self) -> String {
        format!("SN{}", self.digits(12))
    }

    /// Of one of a few hundred makers, as universal addresses are.
    pub(super) fn mac(&mut self) -> String {
        let maker = self.below(300);
        self.mac_of(&format!("3c:{:02x}:{:02x}", maker / 256, maker % 256))
    }

    /// With the first three octets given.
    pub(super) fn mac_of(&mut self, beginning: &str) -> String {
        let station = self.digits(6);
        format!("{beginning}:{}:{}:{}", &station[..2], &station[2..4], &station[4..])
    }
}
