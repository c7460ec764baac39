//! `/config`: the whole configuration in one request, and as one answer (admin-api.md 12.1).

use super::access::Role;
use super::body::{self, Arguments, Encoding};
use super::draft::{now, random_text};
use super::error::Failure;
use super::openapi::About;
use super::openapi::shape::{count, map, object, text, words};
use super::query::Query;
use super::reply::{REVISION, Reply};
use super::serve::Call;
use super::{Admin, Answer, custom_plugins, expiry};
use crate::store::Write;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use shared::declarative::{self, Base, Change, Format, Loaded, Mode, Options, Report};
use shared::entities;
use shared::plugins::Catalog;
use shared::schema::Document;
use shared::sync::{State, canonical};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;
use uuid::Uuid;

/// What is remembered between loads.
pub struct Loads {
    /// One load at a time: each must see what the one before made.
    turn: Semaphore,
    /// The hash of the text that was loaded last, and the revision that it became.
    last: Mutex<Option<(blake3::Hash, u64)>>,
}

impl Default for Loads {
    fn default() -> Self {
        Loads {
            turn: Semaphore::new(1),
            last: Mutex::default(),
        }
    }
}

/// What [`config`] takes and answers.
pub fn about(method: &Method) -> About {
    if *method == Method::GET {
        return About::new("The whole configuration as one file")
            .query("format", words(&["yaml", "json"]), "What it is written in.")
            .answers(200, object([(CONFIG, text())]));
    }
    let counts = ["created", "changed", "unchanged", "deleted"];
    let documents = map(json!({ "type": "object" }));
    About::new("Loads a whole configuration, as one revision")
        .writes()
        .query(
            "mode",
            words(&["replace", "prune", "merge"]),
            "What becomes of documents that the file lacks.",
        )
        .query(
            CHECK_HASH,
            text(),
            "`1`: 304 if that very text was loaded last.",
        )
        .query(
            FLATTEN,
            text(),
            "`1`: errors by document rather than by place.",
        )
        .takes(json!({ "type": "object" }))
        .takes_as("text/yaml", text())
        .takes_as("application/yaml", text())
        .answers(200, object(counts.map(|name| (name, count()))))
        .answers(201, map(documents))
        .answers_nothing(304)
        .refuses(429)
}

/// `GET` and `POST /config`
pub async fn config(call: Call<'_>) -> Answer {
    if !call.admin.config.admin_config_import {
        return Err(Failure::bad_request(
            "this endpoint is only available when Kong is configured to not use a database",
        ));
    }
    match call.method {
        Method::GET => export(&call).await,
        _ => import(call).await,
    }
}

/// The arguments of `/config`. A text that is no object of its own is its `config` member: YAML, and what clients send
/// under the type of a form without asking.
pub async fn arguments(
    encoding: Encoding,
    headers: &HeaderMap,
    bytes: Bytes,
) -> Result<Arguments, Failure> {
    let as_text = |bytes: &Bytes| {
        let mut document = Document::new();
        if !bytes.is_empty() {
            let text = String::from_utf8_lossy(bytes).into_owned();
            document.insert(CONFIG.to_owned(), Value::String(text));
        }
        Arguments {
            document,
            form: false,
        }
    };
    match encoding {
        Encoding::Text => Ok(as_text(&bytes)),
        Encoding::Form if !names_members(&bytes) => Ok(as_text(&bytes)),
        _ => body::decode(encoding, headers, bytes).await,
    }
}

const CONFIG: &str = "config";
const FORMAT: &str = "_format_version";
const CHECK_HASH: &str = "check_hash";
const FLATTEN: &str = "flatten_errors";

/// Whether a form is one: it has a member that `/config` knows.
fn names_members(form: &[u8]) -> bool {
    let known = [CONFIG, CHECK_HASH, FLATTEN];
    form_urlencoded::parse(form).any(|(name, _)| known.contains(&name.as_ref()))
}

async fn export(call: &Call<'_>) -> Answer {
    let format = match call.query.first("format") {
        None | Some("yaml") => Format::Yaml,
        Some("json") => Format::Json,
        Some(_) => return Err(Failure::invalid_option("format", "expected yaml or json")),
    };
    let store = call.admin.store.clone();
    let (text, revision) = aside(move || {
        let (state, version) = store.state();
        (declarative::export(&state, format, now()), version.revision)
    })
    .await?;
    Ok(Reply::ok(&json!({ CONFIG: text })).at(revision))
}

/// What a load was asked to do beside loading.
struct Wanted {
    mode: Mode,
    check_hash: bool,
    flatten: bool,
}

/// What was sent to be loaded.
enum Source {
    /// Read already.
    Members(Document),
    Text(String),
}

/// What a load comes to.
struct Plan {
    writes: Vec<Write>,
    reply: Reply,
}

async fn import(mut call: Call<'_>) -> Answer {
    let admin = call.admin;
    let arguments = std::mem::take(&mut call.arguments).document;
    let (wanted, source) = read(&call.query, arguments)?;
    let _turn = admin
        .loads
        .turn
        .try_acquire()
        .map_err(|_| Failure::busy("Currently loading previous configuration"))?;
    let hash = match &source {
        Source::Text(text) if wanted.mode == Mode::Replace => Some(blake3::hash(text.as_bytes())),
        _ => None,
    };
    if wanted.check_hash && hash.is_some_and(|hash| admin.is_loaded(hash)) {
        return Ok(Reply::empty(StatusCode::NOT_MODIFIED));
    }
    let (store, catalog) = (admin.store.clone(), admin.custom.settled().clone());
    let lenient = admin.config.declarative_lenient_config;
    let plan = aside(move || {
        let (state, _) = store.state();
        plan(source, &wanted, &state, &catalog, lenient)
    });
    let Plan { writes, reply } = plan.await??;
    if custom_plugins::are_written(&writes) {
        call.caller.permit(Role::Code)?;
    }
    let reply = call.commit(writes, reply).await?;
    admin.remember(hash, &reply);
    Ok(reply)
}

/// Runs what takes long on a thread of its own.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Failure::unexpected(&error))
}

/// Options and source, which may both be in the query and in the body.
fn read(query: &Query, mut body: Document) -> Result<(Wanted, Source), Failure> {
    let mut option = |name: &str| {
        let in_body = body.shift_remove(name);
        query.first(name).map(Value::from).or(in_body)
    };
    let is_one_of = |value: Option<Value>, words: &[&str]| {
        let text = value.map(|value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        });
        text.is_some_and(|text| words.contains(&text.as_str()))
    };
    let wanted = Wanted {
        check_hash: is_one_of(option(CHECK_HASH), &["1"]),
        flatten: is_one_of(option(FLATTEN), &["1", "true", "on", "yes"]),
        mode: match query.first("mode") {
            None | Some("replace") => Mode::Replace,
            Some("prune") => Mode::Prune,
            Some("merge") => Mode::Merge,
            Some(_) => {
                return Err(Failure::invalid_option(
                    "mode",
                    "expected replace, prune or merge",
                ));
            }
        },
    };
    if body.contains_key(FORMAT) {
        return Ok((wanted, Source::Members(body)));
    }
    let text = match body.shift_remove(CONFIG) {
        Some(Value::String(text)) => Some(text),
        _ => query.first(CONFIG).map(str::to_owned),
    };
    match text {
        Some(text) => Ok((wanted, Source::Text(text))),
        None if body.is_empty() => {
            Err(Failure::bad_request("expected a declarative configuration"))
        }
        None => Ok((wanted, Source::Members(body))),
    }
}

/// What has to be written so that the state becomes what was sent.
fn plan(
    source: Source,
    wanted: &Wanted,
    state: &Arc<State>,
    catalog: &Catalog,
    lenient_config: bool,
) -> Result<Plan, Failure> {
    let refused = |report: Report| Failure::declarative(&report, wanted.flatten);
    let root = match source {
        Source::Members(members) => members,
        Source::Text(text) => declarative::parse(&text).map_err(|error| refused(error.into()))?,
    };
    let options = Options {
        catalog,
        now: now(),
        new_id: &Uuid::new_v4,
        random_text: &random_text,
        lenient_config,
        base: Base::new(state, wanted.mode),
    };
    let loaded = declarative::load(&root, &options).map_err(refused)?;
    let gone = match wanted.mode {
        Mode::Merge => Vec::new(),
        Mode::Replace | Mode::Prune => superfluous(state, &loaded),
    };
    let reply = match wanted.mode {
        Mode::Replace => Reply::json_bytes(StatusCode::CREATED, shown(&loaded)),
        Mode::Merge | Mode::Prune => Reply::ok(&counted(&loaded, gone.len())),
    };
    // What goes makes room for what comes.
    let mut writes = gone;
    let changed = loaded.into_iter().filter(|one| one.change != Change::Same);
    writes.extend(changed.map(|one| Write::Upsert {
        kind: one.entity.kind,
        document: one.document,
    }));
    Ok(Plan { writes, reply })
}

/// Everything that exists and was not loaded; what refers comes before what it refers to.
fn superfluous(state: &State, loaded: &[Loaded]) -> Vec<Write> {
    let kept: HashSet<(&str, Uuid)> = loaded.iter().map(|one| (one.entity.kind, one.id)).collect();
    let kinds = entities::all().iter().rev().map(|entity| entity.kind);
    kinds
        .flat_map(|kind| {
            let gone = state
                .of_kind(kind)
                .filter(|(id, _)| !kept.contains(&(kind, **id)));
            gone.map(move |(id, _)| Write::Delete { kind, id: *id })
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Every document by kind and id, as Kong answers.
fn shown(loaded: &[Loaded]) -> Bytes {
    let mut out = Vec::with_capacity(loaded.len() * 512 + 2);
    out.push(b'{');
    for (at, of_kind) in loaded
        .chunk_by(|a, b| a.entity.kind == b.entity.kind)
        .enumerate()
    {
        let entity = of_kind[0].entity;
        let separator = if at > 0 { "," } else { "" };
        out.extend_from_slice(format!("{separator}\"{}\":{{", entity.kind).as_bytes());
        for (at, one) in of_kind.iter().enumerate() {
            let separator = if at > 0 { "," } else { "" };
            out.extend_from_slice(format!("{separator}\"{}\":", one.id).as_bytes());
            match entity.has_ttl {
                true => out.extend_from_slice(&canonical(&expiry::shown(&one.document))),
                false => out.extend_from_slice(&one.payload),
            }
        }
        out.push(b'}');
    }
    out.push(b'}');
    Bytes::from(out)
}

/// What a load that is not Kong's did, in numbers.
fn counted(loaded: &[Loaded], deleted: usize) -> Value {
    let of = |change: Change| loaded.iter().filter(|one| one.change == change).count();
    json!({
        "created": of(Change::New),
        "changed": of(Change::Changed),
        "unchanged": of(Change::Same),
        "deleted": deleted,
    })
}

impl Admin {
    /// Whether that text is what was loaded last, and nothing was written since.
    fn is_loaded(&self, hash: blake3::Hash) -> bool {
        let last = *self
            .loads
            .last
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        last == Some((hash, self.store.head()))
    }

    fn remember(&self, hash: Option<blake3::Hash>, reply: &Reply) {
        let named = reply.headers.iter().find(|(name, _)| *name == REVISION);
        let revision = named.and_then(|(_, value)| value.to_str().ok()?.parse().ok());
        let loaded = hash.zip(revision);
        *self
            .loads
            .last
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = loaded;
    }
}
