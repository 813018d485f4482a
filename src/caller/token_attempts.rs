//! Wrong tokens by address: after too many the address is refused for some seconds, before any look-up.
//!
//! A token has 256 bits and is not guessed: this bounds what guesses cost the service, and shows them. Callers
//! behind one address are not locked out by one of them: a token that was right after the first wrong one goes
//! on to be looked up.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::caller::token::digest;

/// Wrong tokens of one address in a window: more than a client with an old token sends before someone
/// looks.
pub(crate) const WRONG_MOST: u32 = 20;

/// The time in which they are counted, and for which the address is refused at the most.
pub(crate) const WINDOW: Duration = Duration::from_secs(10);

/// Right tokens that are remembered for an address.
const RIGHT_MOST: usize = 8;

/// The table: 64 parts with a lock each, of 64 addresses each; some 500 KB when it is full.
const SHARDS: usize = 64;
const SHARD_ADDRESSES: usize = 64;

/// The bits of an IPv6 address that a network gives to one customer (RFC 6177).
const CUSTOMER_BITS: u32 = 64;

/// Wrong tokens by address, in constant memory.
pub(crate) struct TokenAttempts {
    shards: [Mutex<Vec<Attempts>>; SHARDS],
    hasher: RandomState,
    /// Addresses in the table: none on a service that sees right tokens alone.
    addresses: AtomicUsize,
    wrong: AtomicU64,
    slowed: AtomicU64,
}

/// The attempts of one address.
#[derive(Debug)]
struct Attempts {
    address: IpAddr,
    /// Of the first wrong token of the window.
    began: Instant,
    wrong: u32,
    /// Parts of the hashes of tokens that were right, the last ones.
    right: [u64; RIGHT_MOST],
    next_right: usize,
}

impl Default for TokenAttempts {
    fn default() -> Self {
        Self {
            shards: [const { Mutex::new(Vec::new()) }; SHARDS],
            hasher: RandomState::new(),
            addresses: AtomicUsize::default(),
            wrong: AtomicU64::default(),
            slowed: AtomicU64::default(),
        }
    }
}

impl TokenAttempts {
    /// Whether a token from an address may be looked up.
    ///
    /// # Errors
    /// The time after which it may, when there were too many wrong ones.
    pub(crate) fn check(
        &self,
        address: IpAddr,
        token: &[u8],
        now: Instant,
    ) -> Result<(), Duration> {
        if self.addresses.load(Ordering::Relaxed) == 0 {
            return Ok(());
        }
        let wait = self.find(address, |attempts| attempts.refused_for(now)).flatten();
        let Some(wait) = wait else { return Ok(()) };
        let token = part_of_hash(token);
        if self.find(address, |attempts| attempts.right.contains(&token)) == Some(true) {
            return Ok(());
        }
        self.slowed.fetch_add(1, Ordering::Relaxed);
        Err(wait)
    }

    /// Counts a wrong token.
    pub(crate) fn add_wrong(&self, address: IpAddr, now: Instant) {
        self.wrong.fetch_add(1, Ordering::Relaxed);
        let address = customer(address);
        let mut shard = self.shard(address).lock();
        if let Some(attempts) = shard.iter_mut().find(|it| it.address == address) {
            return attempts.add_wrong(now);
        }
        let new = Attempts { address, began: now, wrong: 1, right: [0; RIGHT_MOST], next_right: 0 };
        if shard.len() < SHARD_ADDRESSES {
            shard.push(new);
            self.addresses.fetch_add(1, Ordering::Relaxed);
        } else if let Some(oldest) = shard.iter_mut().min_by_key(|it| it.began) {
            *oldest = new;
        }
    }

    /// Remembers a right token, of an address that has shown a wrong one.
    pub(crate) fn add_right(&self, address: IpAddr, token: &[u8]) {
        if self.addresses.load(Ordering::Relaxed) == 0 {
            return;
        }
        let token = part_of_hash(token);
        self.find(address, |attempts| attempts.add_right(token));
    }

    /// Wrong tokens, and calls that were refused before a look-up, since the start.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.wrong.load(Ordering::Relaxed), self.slowed.load(Ordering::Relaxed))
    }

    fn find<T>(&self, address: IpAddr, work: impl FnOnce(&mut Attempts) -> T) -> Option<T> {
        let address = customer(address);
        let mut shard = self.shard(address).lock();
        shard.iter_mut().find(|it| it.address == address).map(work)
    }

    fn shard(&self, address: IpAddr) -> &Mutex<Vec<Attempts>> {
        let number = self.hasher.hash_one(address) % SHARDS as u64;
        &self.shards[usize::try_from(number).unwrap_or_default()]
    }
}

impl Attempts {
    fn refused_for(&self, now: Instant) -> Option<Duration> {
        let left = WINDOW.checked_sub(now.saturating_duration_since(self.began))?;
        (self.wrong >= WRONG_MOST && !left.is_zero()).then_some(left)
    }

    fn add_wrong(&mut self, now: Instant) {
        if now.saturating_duration_since(self.began) >= WINDOW {
            self.began = now;
            self.wrong = 0;
        }
        self.wrong = self.wrong.saturating_add(1);
    }

    fn add_right(&mut self, token: u64) {
        if !self.right.contains(&token) {
            self.right[self.next_right] = token;
            self.next_right = (self.next_right + 1) % RIGHT_MOST;
        }
    }
}

impl fmt::Debug for TokenAttempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenAttempts({})", self.addresses.load(Ordering::Relaxed))
    }
}

/// An address of IPv4, or the part of one of IPv6 that one customer has.
fn customer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let kept = address.to_bits() >> CUSTOMER_BITS << CUSTOMER_BITS;
            IpAddr::V6(Ipv6Addr::from_bits(kept))
        }
        address @ IpAddr::V4(_) => address,
    }
}

/// 64 bits of the hash of a token: enough to tell right ones apart, and it opens nothing.
fn part_of_hash(token: &[u8]) -> u64 {
    let hash = digest(token);
    hash.first_chunk().map_or(0, |part| u64::from_le_bytes(*part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    fn v4(number: u32) -> IpAddr {
        IpAddr::V4(number.into())
    }

    #[test]
    fn the_table_is_bounded_however_many_addresses_there_are() {
        let attempts = TokenAttempts::default();
        let now = Instant::now();
        for number in 0..100_000 {
            attempts.add_wrong(v4(number), now);
        }
        let held: usize = attempts.shards.iter().map(|shard| shard.lock().len()).sum();
        assert!(held <= SHARDS * SHARD_ADDRESSES, "{held}");
        assert_eq!(attempts.addresses.load(Ordering::Relaxed), held);
        assert_eq!(attempts.counts(), (100_000, 0));
    }

    #[test]
    fn an_address_of_ipv6_is_its_first_64_bits() {
        let attempts = TokenAttempts::default();
        let now = Instant::now();
        for number in 0..u128::from(WRONG_MOST) {
            let address = Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) | number);
            attempts.add_wrong(address.into(), now);
        }
        let check = |text: &str| attempts.check(text.parse().expect("one"), b"x", now).is_err();
        assert!(check("2001:db8::ffff:1:2:3") && !check("2001:db8:0:1::"));
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Wrong,
        Right(u8),
        Check(u8),
        Wait(u64),
    }

    fn step() -> impl Strategy<Value = (u32, Step)> {
        let step = prop_oneof![
            8 => Just(Step::Wrong),
            1 => (0..4_u8).prop_map(Step::Right),
            4 => (0..6_u8).prop_map(Step::Check),
            1 => (0..15_000_u64).prop_map(Step::Wait),
        ];
        (0..3_u32, step)
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_plain_model(steps in prop::collection::vec(step(), 0..400)) {
            let attempts = TokenAttempts::default();
            let start = Instant::now();
            let mut now = 0;
            // By address: the window's begin, wrong tokens in it, and right ones.
            let mut model = BTreeMap::<u32, (u64, u32, Vec<u8>)>::new();
            let window = u64::try_from(WINDOW.as_millis()).expect("short");
            for (address, step) in steps {
                let at = start + Duration::from_millis(now);
                match step {
                    Step::Wait(time) => now += time,
                    Step::Wrong => {
                        attempts.add_wrong(v4(address), at);
                        let entry = model.entry(address).or_insert((now, 0, Vec::new()));
                        if now - entry.0 >= window {
                            (entry.0, entry.1) = (now, 0);
                        }
                        entry.1 += 1;
                    }
                    Step::Right(token) => {
                        attempts.add_right(v4(address), &[token]);
                        if let Some(entry) = model.get_mut(&address) {
                            entry.2.push(token);
                        }
                    }
                    Step::Check(token) => {
                        let expected = model.get(&address).and_then(|(began, wrong, right)| {
                            let left = (began + window).checked_sub(now).filter(|left| *left > 0)?;
                            (*wrong >= WRONG_MOST && !right.contains(&token)).then_some(left)
                        });
                        let told = attempts.check(v4(address), &[token], at);
                        prop_assert_eq!(told.err(), expected.map(Duration::from_millis));
                    }
                }
            }
        }
    }
}
