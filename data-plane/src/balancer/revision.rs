//! The balancers of one revision, by name and by id.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use shared::entities::Target;
use shared::model::Model;
use uuid::Uuid;

use super::Balancer;
use crate::runtime::Runtime;

/// The balancers of one revision. Copies share them.
#[derive(Clone, Default)]
pub struct Balancers(Arc<Index>);

#[derive(Default)]
struct Index {
    by_name: HashMap<Box<str>, Arc<Balancer>, RandomState>,
    by_id: HashMap<Uuid, Arc<Balancer>, RandomState>,
}

impl Balancers {
    /// One for each upstream. One whose documents did not change is the one of the `previous` revision; one that did
    /// keeps what is known of its peers.
    pub fn build(model: &Model, previous: Option<&Runtime>) -> Self {
        let previous = previous.map(|runtime| (&*runtime.model, &runtime.balancers));
        if let Some((old, balancers)) = previous
            && old.upstreams.is_same(&model.upstreams)
            && old.targets.is_same(&model.targets)
        {
            return balancers.clone();
        }
        let mut targets = by_upstream(model);
        let mut index = Index::default();
        for (id, upstream) in model.upstreams.iter() {
            let targets = targets.remove(id).unwrap_or_default();
            let known = previous.and_then(|(_, balancers)| balancers.0.by_id.get(id));
            let balancer = match known {
                Some(known) if known.is_of(upstream, &targets) => known.clone(),
                _ => {
                    let known = known.map(|known| &**known);
                    Arc::new(Balancer::new(upstream.clone(), targets, known))
                }
            };
            index
                .by_name
                .insert(Box::from(&*upstream.name), balancer.clone());
            index.by_id.insert(*id, balancer);
        }
        Self(Arc::new(index))
    }

    /// That of the upstream with this name.
    pub fn get(&self, name: &str) -> Option<&Arc<Balancer>> {
        self.0.by_name.get(name)
    }

    /// That of the upstream with this name or id.
    pub fn find(&self, key: &str) -> Option<&Arc<Balancer>> {
        match Uuid::try_parse(key) {
            Ok(id) => self.0.by_id.get(&id),
            Err(_) => self.get(key),
        }
    }

    /// All of them with their ids.
    pub fn iter(&self) -> impl Iterator<Item = (&Uuid, &Arc<Balancer>)> {
        self.0.by_id.iter()
    }

    /// Whether both are those of revisions between which no upstream and no target changed.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// The targets of each upstream, in the order of their ids.
fn by_upstream(model: &Model) -> HashMap<Uuid, Vec<Arc<Target>>, RandomState> {
    let mut found: HashMap<Uuid, Vec<Arc<Target>>, RandomState> = HashMap::default();
    for target in model.targets.values() {
        let of_upstream = found.entry(target.upstream.uuid()).or_default();
        of_upstream.push(target.clone());
    }
    for targets in found.values_mut() {
        targets.sort_unstable_by_key(|target| target.id.uuid());
    }
    found
}
