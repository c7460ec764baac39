//! Names to addresses, for connections to upstreams.
//!
//! A name is looked for in the hosts file, then in the cache, then asked for. The cache is the node's: it outlives
//! configurations, is read without a lock, and answers with what it last knew while it asks again. Questions run on
//! a background runtime, because their connections to the name servers belong to no worker; however many requests
//! wait for a name, it is asked for once.

mod addresses;
mod cache;
mod hosts;
mod lookup;

pub use addresses::{Addresses, Place};

use addresses::Answer;
use cache::{Cache, Cached};
use hosts::Hosts;
use lookup::Lookups;
use std::borrow::Cow;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;

/// How names are resolved.
#[derive(Clone, Debug)]
pub struct Options {
    /// `dns_resolver`: the servers to ask; empty for those of `/etc/resolv.conf`.
    pub servers: Vec<SocketAddr>,
    /// `dns_hostsfile`: looked at before any server is asked. Read once.
    pub hosts_file: PathBuf,
    /// `dns_order`: the kinds of records to ask for.
    pub order: Vec<Kind>,
}

/// One word of `dns_order`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The kind that answered last time.
    Last,
    Srv,
    A,
    Aaaa,
    Cname,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            servers: Vec::new(),
            hosts_file: PathBuf::from("/etc/hosts"),
            order: vec![Kind::Last, Kind::Srv, Kind::A, Kind::Cname],
        }
    }
}

/// Why a name has no address.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DnsError {
    /// The name does not exist, or has no records of the kinds asked for: 503 `name resolution failed`.
    #[error("name resolution failed")]
    NotFound,
    /// The servers could not be asked or answered with an error: 500.
    #[error("failed the initial dns/balancer resolve for '{name}' with: {reason}")]
    Failed { name: String, reason: String },
}

/// The resolver of this node. Cheap to clone.
#[derive(Clone)]
pub struct Dns {
    shared: Arc<Shared>,
}

struct Shared {
    hosts: Hosts,
    lookups: Lookups,
    cache: Cache,
    /// The names being asked for.
    asking: Mutex<HashMap<Box<str>, watch::Receiver<Option<Outcome>>>>,
    background: Handle,
}

type Outcome = Result<Answer, DnsError>;

/// How long an outcome may be used without asking again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// It stands in the hosts file, or is an address.
    ForEver,
    /// Until then.
    Until(Instant),
    /// For the question that it answers (a time to live of 0).
    Once,
}

impl Dns {
    /// Reads the hosts file and `/etc/resolv.conf` and prepares the resolver; what cannot be read is warned of and
    /// taken as empty. Questions run on `background`.
    ///
    /// # Errors
    /// [`DnsError::Failed`] if no resolver can be made of the settings.
    pub fn new(options: Options, background: Handle) -> Result<Dns, DnsError> {
        let hosts = Hosts::read(&options.hosts_file, &options.order);
        let lookups = Lookups::new(&options)?;
        let (cache, asking) = (Cache::default(), Mutex::default());
        let shared = Arc::new(Shared {
            hosts,
            lookups,
            cache,
            asking,
            background,
        });
        Ok(Dns { shared })
    }

    /// The addresses of `name` with `port`, unless an SRV record says another port. Address literals (IPv6 with or
    /// without brackets) come straight back; a cached answer is read without a lock and without waiting.
    ///
    /// # Errors
    /// See [`DnsError`].
    pub async fn resolve(&self, name: &str, port: u16) -> Result<Addresses, DnsError> {
        if let Some(address) = literal(name) {
            return Ok(Addresses::one(SocketAddr::new(address, port)));
        }
        let name = &*lower(name);
        if let Some(answer) = self.shared.hosts.get(name) {
            return Ok(answer.addresses(port));
        }
        if let Some(cached) = self.cached(name) {
            return cached.outcome.clone().map(|answer| answer.addresses(port));
        }
        self.ask(name).await.map(|answer| answer.addresses(port))
    }

    /// Every place that `name` leads to, and how long that holds; also how long it holds that there is none.
    pub async fn places(&self, name: &str) -> (Result<Vec<Place>, DnsError>, Holds) {
        let name = &*lower(name);
        if let Some(answer) = self.shared.hosts.get(name) {
            return (Ok(answer.places()), Holds::ForEver);
        }
        let outcome = match self.cached(name) {
            Some(cached) => cached.outcome.clone(),
            None => self.ask(name).await,
        };
        let holds = self.shared.cache.peek(name);
        let holds = holds.map_or(Holds::Once, |cached| cached.holds());
        (outcome.map(|answer| answer.places()), holds)
    }

    /// Runs work beside the requests, as questions are.
    pub(crate) fn background(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.shared.background.spawn(work);
    }

    /// What the cache knows. An answer past its time serves on while the name is asked for again.
    fn cached(&self, name: &str) -> Option<Arc<Cached>> {
        let cached = self.shared.cache.get(name)?;
        if cached.is_due() {
            drop(self.question(name));
        }
        Some(cached)
    }

    async fn ask(&self, name: &str) -> Outcome {
        let mut question = self.question(name);
        match question
            .wait_for(Option::is_some)
            .await
            .map(|outcome| outcome.clone())
        {
            Ok(Some(outcome)) => outcome,
            Ok(None) | Err(_) => Err(DnsError::Failed {
                name: name.to_string(),
                reason: "the lookup broke off".to_string(),
            }),
        }
    }

    /// Joins the question that is under way for `name`, or puts it.
    fn question(&self, name: &str) -> watch::Receiver<Option<Outcome>> {
        let mut asking = self
            .shared
            .asking
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(question) = asking.get(name) {
            return question.clone();
        }
        let (answer, question) = watch::channel(None);
        asking.insert(Box::from(name), question.clone());
        let asked = Asked {
            shared: self.shared.clone(),
            name: Box::from(name),
        };
        self.shared.background.spawn(async move {
            let last = asked
                .shared
                .cache
                .peek(&asked.name)
                .and_then(|cached| cached.kind());
            let found = asked.shared.lookups.find(&asked.name, last).await;
            let outcome = asked.shared.cache.put(&asked.name, found);
            // Taken off the list first: whoever comes now finds the answer in the cache.
            drop(asked);
            answer.send_replace(Some(outcome));
        });
        question
    }
}

/// A name on the list of those being asked for; off it again however the question ends.
struct Asked {
    shared: Arc<Shared>,
    name: Box<str>,
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.shared
            .asking
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.name);
    }
}

fn literal(name: &str) -> Option<IpAddr> {
    let inner = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    inner.unwrap_or(name).parse().ok()
}

fn lower(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

#[cfg(test)]
pub(crate) mod tests;
