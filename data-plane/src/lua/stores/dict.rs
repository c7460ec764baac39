//! One dictionary of `ngx.shared`, with the results and words of OpenResty.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What an entry takes beside its key and value; as much as in nginx, or a little more.
const OVERHEAD: usize = 96;

/// How many entries one that comes may push out.
const MOST_PUSHED: usize = 30;

const NO_MEMORY: &str = "no memory";
const NOT_FOUND: &str = "not found";
const NOT_A_LIST: &str = "value not a list";

/// What a dictionary holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A boolean.
    Boolean(bool),
    /// A number.
    Number(f64),
    /// Bytes.
    Text(Arc<[u8]>),
    /// A list, which has operations of its own.
    List(List),
}

/// A list, never empty, and what its items take.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct List {
    items: VecDeque<Item>,
    bytes: usize,
}

impl Item {
    fn size(&self) -> usize {
        match self {
            Self::Boolean(_) => 1,
            Self::Number(_) => 8,
            Self::Text(text) => text.len(),
            Self::List(list) => list.bytes,
        }
    }
}

impl List {
    /// What an item takes in a list.
    fn cost(item: &Item) -> usize {
        item.size() + OVERHEAD / 2
    }

    fn push(&mut self, item: Item, end: End) {
        self.bytes += Self::cost(&item);
        match end {
            End::Left => self.items.push_front(item),
            End::Right => self.items.push_back(item),
        }
    }

    fn pop(&mut self, end: End) -> Option<Item> {
        let item = match end {
            End::Left => self.items.pop_front(),
            End::Right => self.items.pop_back(),
        }?;
        self.bytes -= Self::cost(&item);
        Some(item)
    }
}

/// How an entry is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// `set`
    Always,
    /// `add`
    IfAbsent,
    /// `replace`
    IfThere,
}

/// Which end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// `lpush`, `lpop`
    Left,
    /// `rpush`, `rpop`
    Right,
}

/// What became of something that could not be done: the words, and whether entries had to go for it.
type Refused = (&'static str, bool);

/// A dictionary of a node. All workers use it, under a lock that is held for one operation.
#[derive(Debug)]
pub struct Dict {
    capacity: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: HashMap<Arc<[u8]>, Held>,
    /// Keys by when they were last used.
    order: BTreeMap<u64, Arc<[u8]>>,
    clock: u64,
    used: usize,
}

#[derive(Debug)]
struct Held {
    item: Item,
    flags: u32,
    /// `None`: never.
    expires: Option<Instant>,
    used: u64,
}

impl Held {
    fn is_fresh(&self) -> bool {
        self.expires.is_none_or(|at| Instant::now() < at)
    }
}

/// The moment that a time to live ends; zero is never.
fn end(ttl: Duration) -> Option<Instant> {
    (!ttl.is_zero())
        .then(|| Instant::now().checked_add(ttl))
        .flatten()
}

impl Dict {
    /// An empty one for so many bytes.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            inner: Mutex::default(),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `get`: the item and its flags.
    pub fn get(&self, key: &[u8]) -> Option<(Item, u32)> {
        let mut inner = self.inner();
        inner.touch(key);
        let held = inner.entries.get(key).filter(|held| held.is_fresh())?;
        Some((held.item.clone(), held.flags))
    }

    /// `get_stale`: also what is past its time, and whether it is.
    pub fn get_stale(&self, key: &[u8]) -> Option<(Item, u32, bool)> {
        let inner = self.inner();
        let held = inner.entries.get(key)?;
        Some((held.item.clone(), held.flags, !held.is_fresh()))
    }

    /// `set`, `add`, `replace`, and with `safe` those that push nothing out. Answers whether entries had to go.
    ///
    /// # Errors
    /// `exists`, `not found`, `no memory`.
    pub fn set(
        &self,
        key: &[u8],
        item: Item,
        (ttl, flags): (Duration, u32),
        how: Set,
        safe: bool,
    ) -> Result<bool, Refused> {
        let mut inner = self.inner();
        let there = inner.fresh(key).is_some();
        match how {
            Set::IfAbsent if there => return Err(("exists", false)),
            Set::IfThere if !there => return Err((NOT_FOUND, false)),
            _ => {}
        }
        // As nginx, which sets aside what was there before it knows whether the new one has room.
        inner.remove(key);
        inner.insert(key, item, end(ttl), flags, self.capacity, safe)
    }

    /// `incr`: the new number; with `init`, and for how long, one that begins if none is there.
    ///
    /// # Errors
    /// `not found`, `not a number`, `no memory`.
    pub fn incr(
        &self,
        key: &[u8],
        by: f64,
        init: Option<(f64, Duration)>,
    ) -> Result<(f64, bool), Refused> {
        let mut inner = self.inner();
        inner.touch(key);
        if let Some(held) = inner.fresh(key) {
            let Item::Number(number) = &mut held.item else {
                return Err(("not a number", false));
            };
            *number += by;
            return Ok((*number, false));
        }
        let (init, ttl) = init.ok_or((NOT_FOUND, false))?;
        inner.remove(key);
        let sum = init + by;
        let pushed = inner.insert(key, Item::Number(sum), end(ttl), 0, self.capacity, false)?;
        Ok((sum, pushed))
    }

    /// `delete`.
    pub fn delete(&self, key: &[u8]) {
        self.inner().remove(key);
    }

    /// `expire`: from now, for so long; zero is for ever. False: there is none.
    pub fn expire(&self, key: &[u8], ttl: Duration) -> bool {
        let mut inner = self.inner();
        let Some(held) = inner.fresh(key) else {
            return false;
        };
        held.expires = end(ttl);
        true
    }

    /// `ttl`: the time left, zero for one that never ends.
    pub fn ttl(&self, key: &[u8]) -> Option<Duration> {
        let mut inner = self.inner();
        let held = inner.fresh(key)?;
        let now = Instant::now();
        Some(
            held.expires
                .map_or(Duration::ZERO, |at| at.saturating_duration_since(now)),
        )
    }

    /// `flush_all`: all are past their time.
    pub fn flush_all(&self) {
        let now = Instant::now();
        for held in self.inner().entries.values_mut() {
            held.expires = Some(now);
        }
    }

    /// `flush_expired`: lets go of what is past its time, `most` of it; how many those were.
    pub fn flush_expired(&self, most: usize) -> usize {
        let mut inner = self.inner();
        let stale = inner.entries.iter().filter(|(_, held)| !held.is_fresh());
        let stale: Vec<_> = stale.map(|(key, _)| key.clone()).take(most).collect();
        for key in &stale {
            inner.remove(key);
        }
        stale.len()
    }

    /// `get_keys`.
    pub fn keys(&self, most: usize) -> Vec<Arc<[u8]>> {
        let inner = self.inner();
        let fresh = inner.entries.iter().filter(|(_, held)| held.is_fresh());
        fresh.map(|(key, _)| key.clone()).take(most).collect()
    }

    /// `capacity`, in bytes.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// `free_space`, in bytes.
    pub fn free(&self) -> usize {
        self.capacity.saturating_sub(self.inner().used)
    }

    /// `lpush`, `rpush`: how long the list is then.
    ///
    /// # Errors
    /// `value not a list`, `no memory`.
    pub fn push(&self, key: &[u8], item: Item, end: End) -> Result<usize, &'static str> {
        let mut inner = self.inner();
        inner.touch(key);
        match inner.fresh(key).map(|held| &held.item) {
            Some(Item::List(_)) => {}
            Some(_) => return Err(NOT_A_LIST),
            None => {
                inner.remove(key);
                let empty = Item::List(List::default());
                let inserted = inner.insert(key, empty, None, 0, self.capacity, false);
                inserted.map_err(|(words, _)| words)?;
            }
        }
        let cost = List::cost(&item);
        let room = inner.room(key, cost, self.capacity, false);
        let Some(Item::List(list)) = inner.entries.get_mut(key).map(|held| &mut held.item) else {
            return Err(NO_MEMORY);
        };
        if let Err((words, _)) = room {
            if list.items.is_empty() {
                inner.remove(key);
            }
            return Err(words);
        }
        list.push(item, end);
        let length = list.items.len();
        inner.used += cost;
        Ok(length)
    }

    /// `lpop`, `rpop`: an item, if the list has any.
    ///
    /// # Errors
    /// `value not a list`
    pub fn pop(&self, key: &[u8], end: End) -> Result<Option<Item>, &'static str> {
        let mut inner = self.inner();
        let Some(held) = inner.fresh(key) else {
            return Ok(None);
        };
        let Item::List(list) = &mut held.item else {
            return Err(NOT_A_LIST);
        };
        let item = list.pop(end);
        let empty = list.items.is_empty();
        inner.used -= item.as_ref().map_or(0, List::cost);
        if empty {
            inner.remove(key);
        }
        Ok(item)
    }

    /// `llen`
    ///
    /// # Errors
    /// `value not a list`
    pub fn length(&self, key: &[u8]) -> Result<usize, &'static str> {
        match self.inner().fresh(key).map(|held| &held.item) {
            None => Ok(0),
            Some(Item::List(list)) => Ok(list.items.len()),
            Some(_) => Err(NOT_A_LIST),
        }
    }
}

impl Inner {
    /// An entry within its time.
    fn fresh(&mut self, key: &[u8]) -> Option<&mut Held> {
        self.entries.get_mut(key).filter(|held| held.is_fresh())
    }

    /// It is the one used last.
    fn touch(&mut self, key: &[u8]) {
        let Some(held) = self.entries.get_mut(key) else {
            return;
        };
        self.clock += 1;
        if let Some(key) = self.order.remove(&held.used) {
            held.used = self.clock;
            self.order.insert(self.clock, key);
        }
    }

    fn remove(&mut self, key: &[u8]) {
        if let Some(held) = self.entries.remove(key) {
            self.order.remove(&held.used);
            self.used -= key.len() + held.item.size() + OVERHEAD;
        }
    }

    /// Takes in what is not there.
    fn insert(
        &mut self,
        key: &[u8],
        item: Item,
        expires: Option<Instant>,
        flags: u32,
        capacity: usize,
        safe: bool,
    ) -> Result<bool, Refused> {
        let size = key.len() + item.size() + OVERHEAD;
        let pushed = self.room(key, size, capacity, safe)?;
        self.clock += 1;
        let key: Arc<[u8]> = Arc::from(key);
        let held = Held {
            item,
            flags,
            expires,
            used: self.clock,
        };
        self.order.insert(self.clock, key.clone());
        self.entries.insert(key, held);
        self.used += size;
        Ok(pushed)
    }

    /// Makes room, at the cost of what was used longest ago, but not of `but`; with `safe` only of what is past its time.
    /// Answers whether something had to go before its time.
    fn room(
        &mut self,
        but: &[u8],
        size: usize,
        capacity: usize,
        safe: bool,
    ) -> Result<bool, Refused> {
        let mut pushed = false;
        if size > capacity {
            return Err((NO_MEMORY, pushed));
        }
        for _ in 0..MOST_PUSHED {
            if self.used + size <= capacity {
                return Ok(pushed);
            }
            let Some(oldest) = self.order.values().next().cloned() else {
                break;
            };
            let fresh = self.fresh(&oldest).is_some();
            if *oldest == *but || safe && fresh {
                break;
            }
            self.remove(&oldest);
            pushed |= fresh;
        }
        match self.used + size <= capacity {
            true => Ok(pushed),
            false => Err((NO_MEMORY, pushed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALWAYS: (Duration, u32) = (Duration::ZERO, 0);

    fn text(text: &str) -> Item {
        Item::Text(text.as_bytes().into())
    }

    fn set(dict: &Dict, key: &str, item: Item) -> Result<bool, Refused> {
        dict.set(key.as_bytes(), item, ALWAYS, Set::Always, false)
    }

    fn get(dict: &Dict, key: &str) -> Option<Item> {
        dict.get(key.as_bytes()).map(|(item, _)| item)
    }

    /// What it says it uses is what its entries take.
    fn audit(dict: &Dict) {
        let inner = dict.inner();
        let size = |(key, held): (&Arc<[u8]>, &Held)| key.len() + held.item.size() + OVERHEAD;
        assert_eq!(inner.used, inner.entries.iter().map(size).sum::<usize>());
        assert_eq!(inner.order.len(), inner.entries.len());
        assert!(inner.used <= dict.capacity);
    }

    #[test]
    fn entries_are_set_as_they_are_asked_to_be() {
        let dict = Dict::new(10_000);
        let how = |how, value: &str| dict.set(b"k", text(value), ALWAYS, how, false);
        assert_eq!(how(Set::IfThere, "1"), Err(("not found", false)));
        assert_eq!(how(Set::IfAbsent, "2"), Ok(false));
        assert_eq!(how(Set::IfAbsent, "3"), Err(("exists", false)));
        assert_eq!(get(&dict, "k"), Some(text("2")));
        assert_eq!(how(Set::IfThere, "4"), Ok(false));
        assert_eq!(get(&dict, "k"), Some(text("4")));
        dict.delete(b"k");
        assert_eq!(get(&dict, "k"), None);
        assert_eq!(dict.free(), dict.capacity());
        audit(&dict);
    }

    #[test]
    fn time_ends_entries() {
        let dict = Dict::new(10_000);
        let short = (Duration::from_millis(20), 7);
        dict.set(b"k", text("v"), short, Set::Always, false)
            .expect("room");
        assert_eq!(dict.get(b"k"), Some((text("v"), 7)));
        assert!(dict.ttl(b"k").expect("it is there") <= Duration::from_millis(20));
        std::thread::sleep(Duration::from_millis(30));
        assert_eq!(dict.get(b"k"), None);
        assert_eq!(dict.get_stale(b"k"), Some((text("v"), 7, true)));
        assert_eq!(dict.ttl(b"k"), None);
        assert!(!dict.expire(b"k", Duration::ZERO));
        let absent = dict.set(b"k", text("w"), ALWAYS, Set::IfAbsent, false);
        assert_eq!(absent, Ok(false), "what is past its time is not there");
        assert!(dict.expire(b"k", Duration::from_secs(9)));
        assert!(dict.ttl(b"k").expect("there") > Duration::from_secs(8));
        dict.flush_all();
        assert_eq!(dict.get(b"k"), None);
        assert_eq!(dict.keys(9).len(), 0);
        assert_eq!(dict.flush_expired(usize::MAX), 1);
        assert_eq!(dict.free(), dict.capacity());
    }

    #[test]
    fn numbers_are_counted() {
        let dict = Dict::new(10_000);
        assert_eq!(dict.incr(b"n", 1.0, None), Err(("not found", false)));
        let init = Some((10.0, Duration::ZERO));
        assert_eq!(dict.incr(b"n", 1.5, init), Ok((11.5, false)));
        assert_eq!(dict.incr(b"n", 1.0, init), Ok((12.5, false)));
        assert_eq!(dict.incr(b"n", -20.0, None), Ok((-7.5, false)));
        set(&dict, "t", text("1")).expect("room");
        assert_eq!(dict.incr(b"t", 1.0, init), Err(("not a number", false)));
        audit(&dict);
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let dict = Dict::new(3 * (OVERHEAD + 11));
        for key in ["a", "b", "c"] {
            assert_eq!(set(&dict, key, text("0123456789")), Ok(false));
        }
        get(&dict, "a");
        assert_eq!(
            set(&dict, "d", text("0123456789")),
            Ok(true),
            "something had to go"
        );
        assert_eq!(get(&dict, "b"), None);
        assert!(get(&dict, "a").is_some() && get(&dict, "c").is_some());
        let safe = dict.set(b"e", text("0123456789"), ALWAYS, Set::Always, true);
        assert_eq!(safe, Err(("no memory", false)));
        dict.flush_all();
        let safe = dict.set(b"e", text("0123456789"), ALWAYS, Set::Always, true);
        assert_eq!(safe, Ok(false), "what is past its time may go");
        assert_eq!(
            set(&dict, "f", text(&"x".repeat(9_999))),
            Err(("no memory", false))
        );
        audit(&dict);
    }

    #[test]
    fn a_few_entries_go_for_one_and_not_all() {
        let dict = Dict::new(100 * (OVERHEAD + 3));
        for n in 0..100 {
            set(&dict, &format!("{n:02}"), text("x")).expect("room");
        }
        let large = text(&"x".repeat(90 * (OVERHEAD + 3)));
        assert_eq!(set(&dict, "large", large), Err(("no memory", true)));
        assert_eq!(dict.keys(999).len(), 100 - MOST_PUSHED);
        audit(&dict);
    }

    #[test]
    fn lists_have_two_ends() {
        let dict = Dict::new(10_000);
        assert_eq!(dict.length(b"l"), Ok(0));
        assert_eq!(dict.pop(b"l", End::Left), Ok(None));
        assert_eq!(dict.push(b"l", text("b"), End::Left), Ok(1));
        assert_eq!(dict.push(b"l", text("a"), End::Left), Ok(2));
        assert_eq!(dict.push(b"l", Item::Number(3.0), End::Right), Ok(3));
        assert_eq!(dict.length(b"l"), Ok(3));
        audit(&dict);
        assert_eq!(dict.pop(b"l", End::Right), Ok(Some(Item::Number(3.0))));
        assert_eq!(dict.pop(b"l", End::Left), Ok(Some(text("a"))));
        assert_eq!(dict.pop(b"l", End::Left), Ok(Some(text("b"))));
        assert_eq!(dict.pop(b"l", End::Left), Ok(None));
        assert_eq!(dict.free(), dict.capacity());
        set(&dict, "t", text("x")).expect("room");
        assert_eq!(
            dict.push(b"t", text("x"), End::Left),
            Err("value not a list")
        );
        assert_eq!(dict.pop(b"t", End::Left), Err("value not a list"));
        assert_eq!(dict.length(b"t"), Err("value not a list"));
        assert_eq!(
            dict.push(b"l", text(&"x".repeat(20_000)), End::Left),
            Err("no memory")
        );
        assert_eq!(dict.length(b"l"), Ok(0));
        audit(&dict);
    }

    #[test]
    fn a_list_pushes_others_out_and_not_itself() {
        let dict = Dict::new(20 * (OVERHEAD + 3));
        for n in 0..10 {
            set(&dict, &format!("{n:02}"), text("x")).expect("room");
        }
        let mut length = 0;
        while let Ok(now) = dict.push(b"l", text("item"), End::Right) {
            length = now;
            audit(&dict);
        }
        assert_eq!(dict.length(b"l"), Ok(length));
        assert!(length > 20 && dict.keys(99).len() == 1);
    }

    #[test]
    fn threads_count_together() {
        let dict = Dict::new(10_000);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        dict.incr(b"n", 1.0, Some((0.0, Duration::ZERO)))
                            .expect("room");
                    }
                });
            }
        });
        assert_eq!(get(&dict, "n"), Some(Item::Number(4_000.0)));
    }
}
