//! Documents of one kind by their id.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use uuid::Uuid;

/// Typed documents of one kind by their id, in no order. Copies share the whole table until one of them changes.
#[derive(Debug)]
pub struct Table<T>(Arc<HashMap<Uuid, Arc<T>>>);

impl<T> Table<T> {
    /// Whether both are one table: nothing was changed since the one was copied from the other.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// To change it; what other copies see stays.
    pub(super) fn edit(&mut self) -> &mut HashMap<Uuid, Arc<T>> {
        Arc::make_mut(&mut self.0)
    }

    /// Whether this is the very table that `other` is: nothing was written in between.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The documents that pass; the same table if all do.
    pub(super) fn only(&self, passes: impl Fn(&T) -> bool) -> Self {
        if self.values().all(|document| passes(document)) {
            return self.clone();
        }
        let passing = self.iter().filter(|(_, document)| passes(document));
        passing
            .map(|(id, document)| (*id, document.clone()))
            .collect()
    }
}

impl<T> Deref for Table<T> {
    type Target = HashMap<Uuid, Arc<T>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<T> FromIterator<(Uuid, Arc<T>)> for Table<T> {
    fn from_iter<I: IntoIterator<Item = (Uuid, Arc<T>)>>(documents: I) -> Self {
        Self(Arc::new(documents.into_iter().collect()))
    }
}

// By hand, since a derive would ask the same of `T`.
impl<T> Clone for Table<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}
