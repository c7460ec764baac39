//! What names led to, for as long as it holds.

use super::addresses::Answer;
use super::lookup::Found;
use super::{DnsError, Holds, Kind, Outcome};
use arc_swap::ArcSwap;
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// `dns_stale_ttl`: how long an answer past its time serves on while the name is asked for again.
const STALE: Duration = Duration::from_secs(3600);
/// `dns_not_found_ttl`.
const NOT_FOUND: Duration = Duration::from_secs(30);
/// `dns_error_ttl`.
const ERROR: Duration = Duration::from_secs(1);

/// An outcome and its time.
#[derive(Debug)]
pub(super) struct Cached {
    pub outcome: Outcome,
    /// When to ask again.
    due: Instant,
    /// When to forget it.
    end: Instant,
}

impl Cached {
    pub(super) fn is_due(&self) -> bool {
        self.due <= Instant::now()
    }

    /// How long it may be used without looking again. What is served past its time is looked at again soon.
    pub(super) fn holds(&self) -> Holds {
        if self.outcome.is_ok() && self.due == self.end {
            return Holds::Once;
        }
        Holds::Until(self.due.max(Instant::now() + ERROR))
    }

    /// The kind of records that answered.
    pub(super) fn kind(&self) -> Option<Kind> {
        self.outcome.as_ref().ok().map(|answer| answer.kind)
    }
}

/// Outcomes by name. Readers take no lock and write nothing; writers copy one of the parts.
#[derive(Debug)]
pub(super) struct Cache {
    parts: [ArcSwap<Names>; 32],
    hasher: RandomState,
    writing: Mutex<()>,
}

type Names = HashMap<Box<str>, Arc<Cached>, RandomState>;

impl Default for Cache {
    fn default() -> Cache {
        let parts = std::array::from_fn(|_| ArcSwap::default());
        Cache {
            parts,
            hasher: RandomState::default(),
            writing: Mutex::default(),
        }
    }
}

impl Cache {
    /// What is known of `name`, if it may still be used.
    pub(super) fn get(&self, name: &str) -> Option<Arc<Cached>> {
        self.peek(name).filter(|cached| cached.end > Instant::now())
    }

    /// What was last known of `name`.
    pub(super) fn peek(&self, name: &str) -> Option<Arc<Cached>> {
        self.part(name).load().get(name).cloned()
    }

    /// Takes in the end of a question and returns what the name leads to now: an answer that could not be renewed
    /// because the servers failed serves on.
    pub(super) fn put(&self, name: &str, found: Result<Found, DnsError>) -> Outcome {
        let now = Instant::now();
        let known = self.peek(name);
        let (outcome, due, end) = match found {
            Ok(found) => {
                let due = now + found.ttl;
                // Nothing to keep: such a name is asked for every time.
                let end = if found.ttl.is_zero() {
                    due
                } else {
                    due + STALE
                };
                (Ok(in_turn(found.answer, known.as_deref())), due, end)
            }
            Err(DnsError::NotFound) => (Err(DnsError::NotFound), now + NOT_FOUND, now + NOT_FOUND),
            Err(error) => match known.filter(|known| known.outcome.is_ok() && known.end > now) {
                Some(known) => (known.outcome.clone(), now + ERROR, known.end),
                None => (Err(error), now + ERROR, now + ERROR),
            },
        };
        self.insert(
            name,
            Cached {
                outcome: outcome.clone(),
                due,
                end,
            },
        );
        outcome
    }

    fn insert(&self, name: &str, cached: Cached) {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let part = self.part(name);
        let mut names = Names::clone(&part.load());
        // Names that no service has any more are forgotten on the way.
        names.retain(|_, known| known.end > Instant::now());
        names.insert(Box::from(name), Arc::new(cached));
        part.store(Arc::new(names));
    }

    fn part(&self, name: &str) -> &ArcSwap<Names> {
        &self.parts[self.hasher.hash_one(name) as usize % self.parts.len()]
    }
}

/// The turns go on where they were, or the first address of a short-lived answer would get more than its share.
fn in_turn(answer: Answer, known: Option<&Cached>) -> Answer {
    match known.map(|known| &known.outcome) {
        Some(Ok(known)) => Answer {
            turns: known.turns.clone(),
            ..answer
        },
        _ => answer,
    }
}
