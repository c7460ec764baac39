//! What Lua plugins keep between requests: `kong.cache`, `ngx.shared`, `ngx.semaphore`, and what names lead to.
//!
//! The first two are the node's, so that every worker sees them: [`Cache`] is read without a lock, a [`Dict`] has one, held
//! for the time of a look-up, for its numbers are counted by all. Streamed plugins see their own entries alone: what one
//! keeps, no other can read, change or throw out.

pub mod bind;
mod cache;
mod codec;
mod dict;
mod semaphore;
#[cfg(test)]
pub(in crate::lua) mod tests;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use shared::settings::{SettingValue, Size, Words};

use crate::carried::dns::Dns;
use crate::listen::Node;

pub use cache::{Cache, Entry, Found};
pub use dict::{Dict, Item};

/// The dictionary that is always there, and its size (custom-plugins.md 4).
const USUAL: (&str, usize) = ("kong_plugins", 5 << 20);

/// `custom_plugins_shared_dicts`: dictionaries and how much each may hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DictSizes(Vec<(String, Size)>);

impl DictSizes {
    /// Empty dictionaries, the usual one among them.
    fn make(&self) -> Dicts {
        let usual = std::iter::once((USUAL.0.to_owned(), USUAL.1));
        let named = self
            .0
            .iter()
            .map(|(name, size)| (name.clone(), size.bytes()));
        let all = usual.chain(named);
        all.map(|(name, size)| (name, Arc::new(Dict::new(size))))
            .collect()
    }

    /// Those beside the usual one.
    fn further(&self) -> impl Iterator<Item = &str> {
        let names = self.0.iter().map(|(name, _)| name.as_str());
        names.filter(|name| *name != USUAL.0)
    }
}

impl SettingValue for DictSizes {
    const HINT: &'static str = "names and sizes such as `kong_plugins:5m, counters:512k`";

    fn parse(text: &str) -> Result<Self, String> {
        let Words(words) = Words::parse(text)?;
        let mut sizes: Vec<(String, Size)> = Vec::new();
        for word in words {
            let (name, size) = word.split_once(':').unwrap_or((&word, ""));
            let of_a_name = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
            if name.is_empty() || !name.bytes().all(of_a_name) {
                return Err(format!("'{name}' is no name of a dictionary"));
            }
            let size = Size::parse(size).map_err(|_| format!("'{word}' has no size"))?;
            if size.0 < LEAST {
                return Err(format!("'{word}' is less than 12k"));
            }
            if sizes.iter().any(|(known, _)| known == name) {
                return Err(format!("'{name}' is there twice"));
            }
            sizes.push((name.to_owned(), size));
        }
        Ok(Self(sizes))
    }

    fn render(&self) -> String {
        let shown = |(name, size): &(String, Size)| format!("{name}:{}", size.render());
        let sizes: Vec<_> = self.0.iter().map(shown).collect();
        sizes.join(", ")
    }
}

/// As nginx: a smaller one is refused.
const LEAST: u64 = 12 << 10;

/// How much is kept, from the settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `mem_cache_size`, bytes.
    pub cache: u64,
    /// `custom_plugins_shared_dicts`.
    pub dicts: DictSizes,
}

/// Whose entries somebody sees: all trusted plugins have the same, each streamed one its own.
pub type Owner = Option<Arc<str>>;

/// What a node keeps for its plugins.
pub struct Stores {
    /// `kong.cache`.
    pub cache: Cache,
    sizes: DictSizes,
    /// What Lua calls the dictionaries beside the usual one.
    further: Vec<&'static str>,
    trusted: Dicts,
    streamed: Mutex<HashMap<Arc<str>, Dicts>>,
}

/// Dictionaries by name.
type Dicts = HashMap<String, Arc<Dict>>;

impl Stores {
    /// Empty ones.
    pub fn new(settings: &Settings) -> Self {
        Self {
            cache: Cache::new(settings.cache),
            // The tables of Lua are made of names that live as long as the program, and a node lives about as long.
            further: settings
                .dicts
                .further()
                .map(|name| &*format!("ngx.shared.{name}").leak())
                .collect(),
            trusted: settings.dicts.make(),
            streamed: Mutex::default(),
            sizes: settings.dicts.clone(),
        }
    }

    /// What Lua calls the dictionaries beside the usual one.
    pub(super) fn further(&self) -> &[&'static str] {
        &self.further
    }

    /// What this one sees under the name of a dictionary, if that is declared.
    pub fn dict(&self, owner: &Owner, name: &str) -> Option<Arc<Dict>> {
        let Some(plugin) = owner else {
            return self.trusted.get(name).cloned();
        };
        let mut streamed = self.streamed.lock().unwrap_or_else(PoisonError::into_inner);
        if !streamed.contains_key(plugin) {
            streamed.insert(plugin.clone(), self.sizes.make());
        }
        streamed.get(plugin)?.get(name).cloned()
    }
}

/// What a thread's plugins reach.
#[derive(Clone)]
pub struct Reach {
    /// The node's.
    pub stores: Arc<Stores>,
    /// Its resolver.
    pub dns: Dns,
}

thread_local! {
    // Opened once for each worker; on other threads nothing is kept.
    static OPEN: RefCell<Option<Reach>> = const { RefCell::new(None) };
}

/// Lets the plugins of this thread keep things.
pub fn open(node: &Node) {
    let reach = Reach {
        stores: node.stores.clone(),
        dns: node.dns.clone(),
    };
    OPEN.with_borrow_mut(|open| *open = Some(reach));
}

/// What this thread's plugins reach, if anything.
pub fn current() -> Option<Reach> {
    OPEN.with_borrow(Clone::clone)
}
