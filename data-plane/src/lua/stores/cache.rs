//! `kong.cache`: what it cost something to find out, kept for all workers of the node and found out once for all of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use moka::policy::EvictionPolicy;
use tokio::sync::OwnedMutexGuard;

use super::Owner;

/// What an entry takes beside its key and value.
const OVERHEAD: usize = 128;

/// One entry.
#[derive(Debug)]
pub struct Entry {
    /// As [`super::codec`] writes it; `None`: it is known that there is none.
    pub value: Option<Box<[u8]>>,
    /// `None`: never.
    expires: Option<Instant>,
    /// Past its time already, and kept for a while as there is no better.
    pub resurrected: bool,
}

impl Entry {
    /// An entry for so long; a time of zero is for ever.
    pub fn new(value: Option<Box<[u8]>>, ttl: Duration) -> Self {
        Self {
            value,
            expires: (!ttl.is_zero())
                .then(|| Instant::now().checked_add(ttl))
                .flatten(),
            resurrected: false,
        }
    }

    /// The time that is left; zero is for ever.
    pub fn ttl(&self) -> Duration {
        let now = Instant::now();
        self.expires
            .map_or(Duration::ZERO, |at| at.saturating_duration_since(now))
    }

    fn is_fresh(&self) -> bool {
        self.expires.is_none_or(|at| Instant::now() < at)
    }
}

/// What is known under a key.
#[derive(Clone, Debug)]
pub enum Found {
    /// Within its time.
    Fresh(Arc<Entry>),
    /// Past its time.
    Stale(Arc<Entry>),
    /// Nothing.
    Absent,
}

type Key = Arc<(Owner, Box<[u8]>)>;
type Turn = Arc<tokio::sync::Mutex<()>>;
type Turns = Arc<Mutex<HashMap<Key, Weak<tokio::sync::Mutex<()>>>>>;

/// The cache of a node: it holds so many bytes, and lets go of what was used longest ago.
pub struct Cache {
    entries: moka::sync::Cache<Key, Arc<Entry>>,
    /// Whose turn it is to find something out, for keys where somebody does.
    turns: Turns,
}

impl Cache {
    /// An empty one for so many bytes.
    pub fn new(bytes: u64) -> Self {
        let weigh = |key: &Key, entry: &Arc<Entry>| {
            let value = entry.value.as_ref().map_or(0, |value| value.len());
            u32::try_from(key.1.len() + value + OVERHEAD).unwrap_or(u32::MAX)
        };
        let entries = moka::sync::Cache::builder()
            .max_capacity(bytes)
            .weigher(weigh)
            .eviction_policy(EvictionPolicy::lru())
            .build();
        Self {
            entries,
            turns: Arc::default(),
        }
    }

    /// What is known.
    pub fn find(&self, owner: &Owner, key: &[u8]) -> Found {
        match self.entries.get(&make(owner, key)) {
            Some(entry) if entry.is_fresh() => Found::Fresh(entry),
            Some(entry) => Found::Stale(entry),
            None => Found::Absent,
        }
    }

    /// Keeps an entry, unless it alone is more than the cache may hold.
    pub fn put(&self, owner: &Owner, key: &[u8], entry: Entry) {
        self.entries.insert(make(owner, key), Arc::new(entry));
    }

    /// Keeps what is past its time for a while longer.
    pub fn resurrect(&self, owner: &Owner, key: &[u8], stale: &Entry, ttl: Duration) {
        let entry = Entry {
            resurrected: true,
            ..Entry::new(stale.value.clone(), ttl)
        };
        self.put(owner, key, entry);
    }

    /// Forgets an entry.
    pub fn remove(&self, owner: &Owner, key: &[u8]) {
        self.entries.invalidate(&make(owner, key));
    }

    /// Forgets all entries that this one sees.
    pub fn purge(&self, owner: &Owner) {
        for (key, _) in &self.entries {
            if key.0 == *owner {
                self.entries.invalidate(&*key);
            }
        }
    }

    /// Waits for one's turn to find out what belongs under a key: one at a time does, whichever worker it is on.
    pub async fn turn(&self, owner: &Owner, key: &[u8]) -> MyTurn {
        let key = make(owner, key);
        let turn: Turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            match turns.get(&key).and_then(Weak::upgrade) {
                Some(turn) => turn,
                None => {
                    let turn = Turn::default();
                    turns.insert(key.clone(), Arc::downgrade(&turn));
                    turn
                }
            }
        };
        // Made before it waits, so that one who gives up leaves nothing behind.
        let mut mine = MyTurn {
            key,
            turns: self.turns.clone(),
            held: None,
        };
        mine.held = Some(turn.lock_owned().await);
        mine
    }

    /// How many bytes are held; what happened just now may not be counted yet.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> u64 {
        self.entries.run_pending_tasks();
        self.entries.weighted_size()
    }
}

/// One's turn to find something out, until this is gone.
pub struct MyTurn {
    key: Key,
    turns: Turns,
    held: Option<OwnedMutexGuard<()>>,
}

impl Drop for MyTurn {
    fn drop(&mut self) {
        drop(self.held.take());
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody else waits.
        if turns
            .get(&self.key)
            .is_some_and(|turn| turn.strong_count() == 0)
        {
            turns.remove(&self.key);
        }
    }
}

fn make(owner: &Owner, key: &[u8]) -> Key {
    Arc::new((owner.clone(), Box::from(key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str, ttl: u64) -> Entry {
        Entry::new(Some(value.as_bytes().into()), Duration::from_millis(ttl))
    }

    fn shown(found: Found) -> String {
        let text = |entry: Arc<Entry>| match &entry.value {
            Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            None => "-".to_owned(),
        };
        match found {
            Found::Fresh(entry) => text(entry),
            Found::Stale(entry) => format!("stale {}", text(entry)),
            Found::Absent => "absent".to_owned(),
        }
    }

    #[test]
    fn entries_live_for_their_time_and_are_their_owners() {
        let cache = Cache::new(1 << 20);
        let (all, one) = (None, Some(Arc::from("one")));
        cache.put(&all, b"k", text("v", 0));
        cache.put(&all, b"short", text("v", 20));
        cache.put(&one, b"k", text("own", 0));
        cache.put(&all, b"none", Entry::new(None, Duration::ZERO));
        let find = |owner, key: &str| shown(cache.find(owner, key.as_bytes()));
        assert_eq!(find(&all, "k"), "v");
        assert_eq!(find(&one, "k"), "own");
        assert_eq!(find(&all, "none"), "-");
        assert_eq!(find(&all, "short"), "v");
        std::thread::sleep(Duration::from_millis(30));
        assert_eq!(find(&all, "short"), "stale v");
        let Found::Stale(stale) = cache.find(&all, b"short") else {
            panic!("it is stale");
        };
        cache.resurrect(&all, b"short", &stale, Duration::from_secs(9));
        assert_eq!(find(&all, "short"), "v");
        cache.remove(&all, b"k");
        assert_eq!(find(&all, "k"), "absent");
        cache.purge(&one);
        assert_eq!(
            (find(&one, "k"), find(&all, "none")),
            ("absent".into(), "-".into())
        );
    }

    #[test]
    fn it_holds_no_more_than_it_may_and_keeps_what_is_used() {
        let cache = Cache::new(100_000);
        let value = "x".repeat(1_000);
        for n in 0..1_000 {
            cache.put(&None, format!("{n}").as_bytes(), text(&value, 0));
            cache.find(&None, b"0");
            assert!(cache.bytes() <= 100_000);
        }
        assert_eq!(shown(cache.find(&None, b"0")), value);
        assert_eq!(shown(cache.find(&None, b"1")), "absent");
        cache.put(&None, b"huge", text(&"x".repeat(200_000), 0));
        cache.bytes();
        assert_eq!(shown(cache.find(&None, b"huge")), "absent");
    }

    #[tokio::test]
    async fn a_turn_is_one_at_a_time_and_leaves_nothing_behind() {
        let cache = Cache::new(1_000);
        let first = cache.turn(&None, b"k").await;
        let own = Some(Arc::from("other"));
        drop(cache.turn(&own, b"k").await);
        let waiting = tokio::time::timeout(Duration::from_millis(20), cache.turn(&None, b"k"));
        assert!(waiting.await.is_err(), "somebody has it");
        drop(first);
        drop(cache.turn(&None, b"k").await);
        assert!(cache.turns.lock().expect("no panic").is_empty());
    }
}
