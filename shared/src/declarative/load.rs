//! Drafts become complete documents, kind by kind: a kind comes after those that it may refer to.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use serde_json::{Value, json};
use uuid::Uuid;

use super::base::{self, Base, Mode};
use super::gather::{self, Draft, Gathered};
use super::identity::{self, Parent};
use super::report::{Faults, Report};
use super::resolve::Names;
use super::{lenient, unique};
use crate::entities::{self, Context, CustomPlugin, Entity, Plugin};
use crate::parallel;
use crate::plugins::Catalog;
use crate::schema::{Document, Violations};
use crate::sync::canonical;
use crate::types::Referenced;

/// What loading a file needs from outside.
pub struct Options<'a> {
    /// The plugins that may be named beside those that the file brings, and those that stay.
    pub catalog: &'a Catalog,
    /// Seconds since the epoch.
    pub now: f64,
    /// A new random id.
    pub new_id: &'a (dyn Fn() -> Uuid + Sync),
    /// 32 random alphanumeric characters.
    pub random_text: &'a (dyn Fn() -> String + Sync),
    /// Whether plugin configurations may be written with dotted names and comma lists (admin-api.md 12.6).
    pub lenient_config: bool,
    /// What exists.
    pub base: Base<'a>,
}

/// What loading a document does to what exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// There was none of that id.
    New,
    /// It says something else now.
    Changed,
    /// It is there as it is.
    Same,
}

/// A complete document of a file.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Its kind.
    pub entity: &'static Entity,
    /// Its id.
    pub id: Uuid,
    /// What is to be stored.
    pub document: Document,
    /// The same in canonical bytes.
    pub payload: Bytes,
    /// Whether anything has to be stored.
    pub change: Change,
}

/// A document whose id is decided.
pub(super) struct Settled {
    pub(super) draft: usize,
    pub(super) id: Uuid,
    pub(super) document: Document,
    payload: Bytes,
    change: Change,
}

/// Makes complete, checked documents of a parsed file: in the order of kinds, and of the file within each.
///
/// # Errors
/// Everything that is wrong with the file, not only the first thing.
pub fn load(root: &Document, options: &Options<'_>) -> Result<Vec<Loaded>, Report> {
    let mut faults = Faults::default();
    let gathered = gather::gather(root, &mut faults);
    let mut by_kind: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, draft) in gathered.drafts.iter().enumerate() {
        by_kind.entry(draft.entity.kind).or_default().push(at);
    }
    let mut loader = Loader {
        catalog: options.catalog.clone(),
        unread: HashSet::new(),
        options,
        ids: vec![None; gathered.drafts.len()],
        stable: vec![false; gathered.drafts.len()],
        names: Names::default(),
        faults,
        gathered: &gathered,
    };
    let mut loaded = Vec::with_capacity(gathered.drafts.len());
    for entity in entities::all() {
        let drafts = by_kind.get(entity.kind);
        let settled = drafts.map(|drafts| loader.kind(entity, drafts));
        if entity.kind == CustomPlugin::KIND {
            // From here on documents may name them.
            loader.take_custom_plugins(settled.as_deref().unwrap_or_default());
        }
        if let Some(settled) = settled {
            let settled = settled.into_iter();
            loaded.extend(settled.map(|settled| Loaded {
                entity,
                id: settled.id,
                document: settled.document,
                payload: settled.payload,
                change: settled.change,
            }));
        }
    }
    if loader.faults.is_empty() {
        Ok(loaded)
    } else {
        Err(loader.faults.report(&gathered.drafts, &loader.catalog))
    }
}

struct Loader<'a> {
    options: &'a Options<'a>,
    /// The plugins that may be named by now.
    catalog: Catalog,
    /// The names of custom plugins in the file that are wrong: what else is to be said of plugins that name them is not
    /// known, and not worth telling.
    unread: HashSet<String>,
    gathered: &'a Gathered<'a>,
    /// The id of each draft, once its kind has been loaded.
    ids: Vec<Option<Uuid>>,
    /// Whether that id follows from the file, so that others may be made of it.
    stable: Vec<bool>,
    names: Names,
    faults: Faults,
}

/// A draft on its way.
struct Pending {
    draft: usize,
    input: Document,
    /// Whether the file says its id.
    explicit: bool,
    /// None: decided when the document is complete.
    id: Option<Uuid>,
    /// What was found wrong before the schema saw it.
    found: Violations,
    /// The members that the schema makes up, and the file does not say.
    invented: Vec<&'static str>,
}

impl Loader<'_> {
    fn kind(&mut self, entity: &'static Entity, drafts: &[usize]) -> Vec<Settled> {
        let mut told = HashSet::new();
        let mut claimed = HashSet::new();
        let mut pending = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let one = self.prepare(entity, *draft);
            claimed.extend(one.id);
            if let Some(taken) = self.names.declare(entity, *draft, one.id, &one.input) {
                told.insert(*draft);
                let text = unique::text(entity, &taken.field, &taken.value);
                self.faults.whole(*draft, text);
            }
            self.ids[*draft] = one.id;
            pending.push(one);
        }
        let completed = self.complete(entity, pending);
        let settled = self.settle(entity, completed, &mut claimed);
        unique::check(entity, &settled, &told, &mut self.faults);
        settled
    }

    /// What was sent, in the form that schemas know, and the id that it says or that follows from it.
    fn prepare(&mut self, entity: &'static Entity, at: usize) -> Pending {
        let draft = &self.gathered.drafts[at];
        let mut input = draft.own();
        for upgrade in &entity.upgrades {
            if self.gathered.is_before(upgrade.before) {
                (upgrade.apply)(&mut input);
            }
        }
        let mut found = Violations::default();
        if self.options.lenient_config {
            found = lenient::expand(entity, &mut input, &self.catalog);
        }
        let parent = draft.parent.map(|(parent, field)| Parent {
            field,
            id: self.ids[parent].filter(|_| self.stable[parent]),
        });
        if !base::is_given(&input, "id") {
            input.shift_remove("id");
        }
        let derived = || identity::derive(entity, &input, parent);
        let derived = (!input.contains_key("id")).then(derived).flatten();
        if let Some((parent, field)) = draft.parent {
            let id = self.ids[parent].unwrap_or_default();
            input.insert(field.to_owned(), json!({ "id": id }));
        }
        self.resolve(entity, draft, &mut input, &mut found);
        let explicit = input.contains_key("id");
        let id = self.identify(at, &mut input, derived);
        let invented = entity.schema.fields.iter().filter(|field| {
            field.auto && !field.rules.uuid && !base::is_given(&input, &field.name)
        });
        Pending {
            draft: at,
            invented: invented.map(|field| field.name.as_ref()).collect(),
            input,
            explicit,
            id,
            found,
        }
    }

    fn resolve(
        &mut self,
        entity: &'static Entity,
        draft: &Draft<'_>,
        input: &mut Document,
        found: &mut Violations,
    ) {
        let mut missing = Vec::new();
        let parent = draft.parent.map(|(_, field)| field);
        let base = &self.options.base;
        self.names
            .resolve(entity, parent, input, &self.ids, base, &mut missing);
        missing
            .into_iter()
            .for_each(|text| found.entity_check(text));
    }

    /// The id of a draft, if it can be told by now: the one it says, else the one that follows from its name.
    fn identify(&mut self, at: usize, input: &mut Document, derived: Option<Uuid>) -> Option<Uuid> {
        if let Some(value) = input.get("id") {
            self.stable[at] = true;
            // One that is none is told by the schema; what is nested needs something to refer to.
            return Some(base::id_of(value).unwrap_or_else(|| (self.options.new_id)()));
        }
        self.stable[at] = derived.is_some();
        if let Some(id) = derived {
            input.insert("id".to_owned(), Value::String(id.to_string()));
        }
        derived
    }

    /// Runs the schema on every draft of a kind.
    fn complete(
        &mut self,
        entity: &'static Entity,
        pending: Vec<Pending>,
    ) -> Vec<(Pending, Document)> {
        let options = self.options;
        let transform = self.gathered.transform;
        let catalog = &self.catalog;
        let completed = parallel::map(pending, |mut one| {
            let context = Context {
                catalog,
                now: options.now,
                new_id: options.new_id,
                random_text: options.random_text,
                transform,
            };
            let result = entity.complete(std::mem::take(&mut one.input), &context);
            (one, result)
        });
        let mut good = Vec::with_capacity(completed.len());
        for (one, result) in completed {
            let draft = one.draft;
            let mut found = one.found.clone();
            match result {
                Ok(document) if found.is_empty() => {
                    good.push((one, document));
                    continue;
                }
                Ok(_) => {}
                // The custom plugin's own errors are told.
                Err(_) if self.names_unread(entity, draft) => {}
                Err(violations) => found.extend(violations),
            }
            if entity.kind == CustomPlugin::KIND {
                let name = self.name_of(draft).map(str::to_owned);
                self.unread.extend(name);
            }
            // Others refer to it all the same: their errors are their own.
            self.ids[draft].get_or_insert_with(|| (self.options.new_id)());
            if !found.is_empty() {
                self.faults.violations(draft, found);
            }
        }
        good
    }

    /// Decides the ids that are left, and what each document changes.
    fn settle(
        &mut self,
        entity: &'static Entity,
        mut completed: Vec<(Pending, Document)>,
        claimed: &mut HashSet<Uuid>,
    ) -> Vec<Settled> {
        for (one, document) in &mut completed {
            if let Some(existing) = self.existing(entity, one, document) {
                one.id = Some(existing);
                claimed.insert(existing);
                document.insert("id".to_owned(), Value::String(existing.to_string()));
            }
        }
        let nameless = completed.iter().any(|(one, _)| one.id.is_none());
        let mut twins = match nameless {
            true => self.options.base.twins(entity, claimed),
            false => HashMap::new(),
        };
        let mut with_id = Vec::with_capacity(completed.len());
        for (one, mut document) in completed {
            if one.id.is_none()
                && let Some(twin) = twin(entity, &one, &document, &mut twins)
            {
                document.insert("id".to_owned(), Value::String(twin.to_string()));
            }
            let id = document.get("id").and_then(base::id_of).unwrap_or_default();
            self.ids[one.draft] = Some(id);
            self.names.settle(entity, one.draft, id);
            with_id.push((one, id, document));
        }
        let base = &self.options.base;
        parallel::map(with_id, |(one, id, mut document)| {
            let stored = base.get(entity, &id);
            let (change, payload) = compare(&mut document, stored, &one.invented);
            Settled {
                draft: one.draft,
                id,
                document,
                payload,
                change,
            }
        })
    }
}

impl Loader<'_> {
    /// Adds custom plugins to those that may be named: the file's, and where the file says nothing of them, those that
    /// exist and stay.
    fn take_custom_plugins(&mut self, settled: &[Settled]) {
        let stay = self.options.base.mode == Mode::Merge;
        let ids: HashSet<Uuid> = settled.iter().map(|one| one.id).collect();
        let existing = self.options.base.all(CustomPlugin::KIND).filter(|_| stay);
        let existing = existing.filter(|(id, _)| !ids.contains(*id));
        let existing: Vec<Document> = existing.map(|(_, payload)| base::read(payload)).collect();
        let documents = existing
            .iter()
            .chain(settled.iter().map(|one| &one.document));
        self.catalog = self.catalog.with_streamed(documents);
    }

    fn name_of(&self, draft: usize) -> Option<&str> {
        let sent = &self.gathered.drafts[draft].sent;
        sent.get("name").and_then(Value::as_str)
    }

    /// Whether it is a plugin whose custom plugin is wrong.
    fn names_unread(&self, entity: &Entity, draft: usize) -> bool {
        let name = self.name_of(draft).filter(|_| entity.kind == Plugin::KIND);
        name.is_some_and(|name| self.unread.contains(name))
    }

    /// The existing document that a draft without an id means: the one that shares a key with it.
    fn existing(
        &self,
        entity: &'static Entity,
        one: &Pending,
        document: &Document,
    ) -> Option<Uuid> {
        let base = &self.options.base;
        let by_name = base.mode != Mode::Replace || one.id.is_none();
        if one.explicit || !by_name {
            return None;
        }
        base.find(entity, &base::keys_of(entity, document))
    }
}

/// The existing document that says the same and that nobody else has taken.
fn twin(
    entity: &Entity,
    one: &Pending,
    document: &Document,
    twins: &mut HashMap<Bytes, Vec<Uuid>>,
) -> Option<Uuid> {
    if twins.is_empty() {
        return None;
    }
    let mut made_up = entity
        .schema
        .fields
        .iter()
        .filter(|field| base::is_invented(field));
    if made_up.any(|field| !one.invented.contains(&field.name.as_ref())) {
        return None; // a key that was said is what tells it from others
    }
    twins.get_mut(&base::said(entity, document))?.pop()
}

/// Keeps what was made up for the stored document, and says whether anything else differs; with the document's bytes.
fn compare(document: &mut Document, stored: Option<&Bytes>, invented: &[&str]) -> (Change, Bytes) {
    const UPDATED: &str = "updated_at";
    let Some(payload) = stored else {
        return (Change::New, canonical(document));
    };
    let stored = base::read(payload);
    let updated = document.get(UPDATED).cloned();
    for name in invented.iter().chain(updated.as_ref().map(|_| &UPDATED)) {
        if let Some(kept) = stored.get(*name).filter(|kept| !kept.is_null()) {
            document.insert((*name).to_owned(), kept.clone());
        }
    }
    if canonical(document) == *payload {
        return (Change::Same, payload.clone());
    }
    if let Some(updated) = updated {
        document.insert(UPDATED.to_owned(), updated);
    }
    (Change::Changed, canonical(document))
}
