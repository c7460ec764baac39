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
mod tests;
