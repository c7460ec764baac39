//! What the command line asks for: the plugin, its configuration, the request, and what the upstream answers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Headers in their order.
pub(super) type Headers = Vec<(HeaderName, HeaderValue)>;

/// Everything that a run needs.
#[derive(Debug)]
pub(super) struct Asked {
    /// The folder.
    pub(super) dir: PathBuf,
    /// The plugin's name.
    pub(super) name: String,
    pub(super) schema: String,
    pub(super) handler: String,
    /// Its configuration, as far as it is given.
    pub(super) config: Map<String, Value>,
    pub(super) method: Method,
    /// Path and query.
    pub(super) target: String,
    pub(super) headers: Headers,
    pub(super) body: Vec<u8>,
    pub(super) upstream: Canned,
    /// Settings of the node, by their names.
    pub(super) settings: BTreeMap<String, String>,
    /// Whether a program reads the report.
    pub(super) json: bool,
}

/// What the upstream answers.
#[derive(Clone, Debug)]
pub(super) struct Canned {
    pub(super) status: StatusCode,
    pub(super) headers: Headers,
    /// Nothing: what the request was.
    pub(super) body: Option<Vec<u8>>,
}

/// Why nothing was run.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskedError {
    #[error("cannot read '{}': {source}{hint}", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
        hint: &'static str,
    },
    #[error("{what}: expected a JSON object: {source}")]
    Json {
        what: String,
        source: serde_json::Error,
    },
    #[error("{what}: got '{got}', expected {expected}")]
    Value {
        what: String,
        got: String,
        expected: &'static str,
    },
    #[error("'{}' says no name for a plugin (give one with --name)", .0.display())]
    Nameless(PathBuf),
}

/// A request file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    config: Map<String, Value>,
    method: Option<String>,
    path: Option<String>,
    headers: BTreeMap<String, Values>,
    body: Option<Value>,
    upstream: FileUpstream,
    egress: Option<String>,
    settings: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileUpstream {
    status: Option<u16>,
    headers: BTreeMap<String, Values>,
    body: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Values {
    One(String),
    Many(Vec<String>),
}

/// The arguments of `plugin test`.
pub(super) fn args() -> Vec<Arg> {
    let option = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    vec![
        Arg::new("dir")
            .value_name("DIR")
            .required(true)
            .value_parser(clap::value_parser!(PathBuf))
            .help("The folder of schema.lua and handler.lua"),
        option("name", "NAME", "What it is called [else as the folder is]"),
        option(
            "config",
            "JSON|@FILE",
            "Its configuration [else the schema's defaults]",
        ),
        option(
            "method",
            "METHOD",
            "The request's method [GET; POST if there is a body]",
        ),
        option("path", "PATH", "The request's path and query [/]"),
        option(
            "header",
            "NAME: VALUE",
            "A header of the request; may be given again",
        )
        .short('H')
        .action(ArgAction::Append),
        option("body", "TEXT|@FILE", "The request's body"),
        option(
            "upstream-status",
            "STATUS",
            "The status that the upstream answers [200]",
        ),
        option(
            "upstream-header",
            "NAME: VALUE",
            "A header of its answer; may be given again",
        )
        .action(ArgAction::Append),
        option(
            "upstream-body",
            "TEXT|@FILE",
            "The body of its answer [else the request that it got, as JSON]",
        ),
        option(
            "egress",
            "RULE",
            "Where the plugin may connect to: any, deny-private or allowlist [any]",
        ),
        option(
            "set",
            "NAME=VALUE",
            "A setting of the node, as in headgate.toml; may be given again",
        )
        .action(ArgAction::Append),
        option("request", "FILE", "All of that in a JSON file, see below")
            .value_parser(clap::value_parser!(PathBuf)),
        option("json", "", "Prints the report for programs").action(ArgAction::SetTrue),
    ]
}

impl Asked {
    pub(super) fn read(matches: &ArgMatches) -> Result<Self, AskedError> {
        let given = |name: &str| matches.get_one::<String>(name).cloned();
        let dir = matches
            .get_one::<PathBuf>("dir")
            .expect("clap requires it")
            .clone();
        let file = match matches.get_one::<PathBuf>("request") {
            Some(path) => request_file(path)?,
            None => File::default(),
        };
        let config = match given("config") {
            Some(text) => object("--config", &content(&text)?)?,
            None => file.config,
        };
        let mut headers = lines("headers", file.headers)?;
        replace(&mut headers, header_flags(matches, "header")?);
        let mut answer = lines("upstream.headers", file.upstream.headers)?;
        replace(&mut answer, header_flags(matches, "upstream-header")?);
        let body = match given("body") {
            Some(text) => Some(content(&text)?),
            None => file.body.map(|body| bytes(body, &mut headers)),
        };
        let upstream_body = match given("upstream-body") {
            Some(text) => Some(content(&text)?),
            None => file.upstream.body.map(|body| bytes(body, &mut answer)),
        };
        let mut settings = file.settings;
        let egress = given("egress").or(file.egress);
        settings.insert(
            "custom_plugins_egress".to_owned(),
            egress.unwrap_or_else(|| "any".to_owned()),
        );
        for text in matches.get_many::<String>("set").into_iter().flatten() {
            let (name, value) = text
                .split_once('=')
                .ok_or_else(|| wrong("--set", text, "name=value"))?;
            settings.insert(name.trim().replace('-', "_"), value.trim().to_owned());
        }
        let default = if body.is_some() { "POST" } else { "GET" };
        let method = given("method").or(file.method);
        let path = given("path").or(file.path);
        let status = match given("upstream-status") {
            Some(text) => text,
            None => file.upstream.status.unwrap_or(200).to_string(),
        };
        let name = match given("name") {
            Some(name) => name,
            None => name_of(&dir)?,
        };
        Ok(Self {
            schema: source(&dir, "schema.lua")?,
            handler: source(&dir, "handler.lua")?,
            name,
            dir,
            config,
            method: method_of(method.as_deref().unwrap_or(default))?,
            target: target(path.as_deref().unwrap_or("/"))?,
            headers,
            body: body.unwrap_or_default(),
            upstream: Canned {
                status: status_of(&status)?,
                headers: answer,
                body: upstream_body,
            },
            settings,
            json: matches.get_flag("json"),
        })
    }
}

fn wrong(what: &str, got: &str, expected: &'static str) -> AskedError {
    AskedError::Value {
        what: what.to_owned(),
        got: got.to_owned(),
        expected,
    }
}

fn method_of(text: &str) -> Result<Method, AskedError> {
    let wrong = |_| wrong("--method", text, "a method of HTTP");
    Method::from_bytes(text.to_ascii_uppercase().as_bytes()).map_err(wrong)
}

fn target(text: &str) -> Result<String, AskedError> {
    let whole = text.starts_with('/') && text.parse::<http::Uri>().is_ok();
    match whole {
        true => Ok(text.to_owned()),
        false => Err(wrong("--path", text, "a path that begins with '/'")),
    }
}

fn status_of(text: &str) -> Result<StatusCode, AskedError> {
    let status = text
        .parse()
        .ok()
        .filter(|status| (200..=599).contains(status));
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    status.ok_or_else(|| wrong("--upstream-status", text, "a number from 200 to 599"))
}

/// A text as it stands, or what is in the file behind `@`.
fn content(text: &str) -> Result<Vec<u8>, AskedError> {
    match text.strip_prefix('@') {
        Some(path) => std::fs::read(path).map_err(|source| unread(Path::new(path), source, "")),
        None => Ok(text.as_bytes().to_vec()),
    }
}

fn unread(path: &Path, source: std::io::Error, hint: &'static str) -> AskedError {
    AskedError::Read {
        path: path.to_owned(),
        source,
        hint,
    }
}

fn source(dir: &Path, file: &str) -> Result<String, AskedError> {
    let path = dir.join(file);
    std::fs::read_to_string(&path).map_err(|source| {
        unread(
            &path,
            source,
            " (a plugin's folder has schema.lua and handler.lua)",
        )
    })
}

/// What a folder is called; `.` is called as where one is.
fn name_of(dir: &Path) -> Result<String, AskedError> {
    let whole = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let name = whole.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned)
        .ok_or_else(|| AskedError::Nameless(dir.to_owned()))
}

fn object<T: serde::de::DeserializeOwned>(what: &str, text: &[u8]) -> Result<T, AskedError> {
    serde_json::from_slice(text).map_err(|source| AskedError::Json {
        what: what.to_owned(),
        source,
    })
}

fn request_file(path: &Path) -> Result<File, AskedError> {
    let text = std::fs::read(path).map_err(|source| unread(path, source, ""))?;
    object(&format!("--request {}", path.display()), &text)
}

fn header_flags(matches: &ArgMatches, flag: &str) -> Result<Headers, AskedError> {
    let given = matches.get_many::<String>(flag).into_iter().flatten();
    let pair = |text: &String| {
        let wrong = || wrong(&format!("--{flag}"), text, "'Name: value'");
        let (name, value) = text.split_once(':').ok_or_else(wrong)?;
        header(name, value).ok_or_else(wrong)
    };
    given.map(pair).collect()
}

fn header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    Some((name.trim().parse().ok()?, value.trim().parse().ok()?))
}

fn lines(what: &str, headers: BTreeMap<String, Values>) -> Result<Headers, AskedError> {
    let mut lines = Headers::new();
    for (name, values) in headers {
        let values = match values {
            Values::One(value) => vec![value],
            Values::Many(values) => values,
        };
        for value in values {
            let wrong = || wrong(&format!("{what}.{name}"), &value, "a header");
            lines.push(header(&name, &value).ok_or_else(wrong)?);
        }
    }
    Ok(lines)
}

/// Headers of the command line take the place of those of the file that have their names.
fn replace(headers: &mut Headers, given: Headers) {
    headers.retain(|(name, _)| given.iter().all(|(other, _)| other != name));
    headers.extend(given);
}

/// A body of a request file: a text as it stands, anything else as JSON, which it then says it is.
fn bytes(body: Value, headers: &mut Headers) -> Vec<u8> {
    match body {
        Value::String(text) => text.into_bytes(),
        other => {
            if headers
                .iter()
                .all(|(name, _)| name != http::header::CONTENT_TYPE)
            {
                let json = HeaderValue::from_static("application/json");
                headers.push((http::header::CONTENT_TYPE, json));
            }
            other.to_string().into_bytes()
        }
    }
}
