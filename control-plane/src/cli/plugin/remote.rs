//! What the verbs ask of the control plane.

use std::fmt::Write;
use std::path::Path;

use bytes::Bytes;
use clap::ArgMatches;
use http::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};
use shared::settings::Exit;

use super::folder::Folder;
use crate::Config;
use crate::cli::admin_api::{Access, AdminApi, AdminError, AdminUrl};
use crate::cli::reach;

const PLUGINS: &str = "/custom-plugins";

/// The Admin API of the control plane that keeps the plugins.
pub(super) struct Remote(AdminApi);

/// Why the control plane did not do it.
#[derive(Debug, thiserror::Error)]
pub(super) enum RemoteError {
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error(
        "admin_listen is off, so that there is nobody to ask (name an Admin API with --admin URL)"
    )]
    Nobody,
    #[error(
        "that control plane takes no custom plugins (its setting 'custom_plugin_streaming_enabled' is off)"
    )]
    Off,
    #[error(
        "there is no custom plugin '{0}' (`headgate-cp plugin list` shows those that there are)"
    )]
    Missing(String),
    #[error("{}nothing was changed: mend it and push again", lines(problems))]
    Refused {
        /// A file or a field each, and what is wrong with it.
        problems: Vec<(String, String)>,
    },
    #[error(
        "{message}\n{}nothing was changed: bring the plugins and the custom plugin in step with one file \
         (`headgate-cp config apply`), or have the schema take what they say",
        lines(problems)
    )]
    Misfit {
        message: String,
        /// A plugin's id each, and what is wrong with it.
        problems: Vec<(String, String)>,
    },
    #[error("{0} (delete these plugins first, or have them use another)")]
    InUse(String),
}

fn lines(problems: &[(String, String)]) -> String {
    problems
        .iter()
        .fold(String::new(), |mut text, (place, said)| {
            let _ = writeln!(text, "{place}: {said}"); // writing to a text cannot fail
            text
        })
}

impl RemoteError {
    pub(super) fn exit(&self) -> Exit {
        match self {
            RemoteError::Admin(AdminError::Unreachable { .. }) => Exit::Unreachable,
            RemoteError::Admin(AdminError::Url(_) | AdminError::Certificates { .. })
            | RemoteError::Nobody => Exit::Usage,
            _ => Exit::Failed,
        }
    }

    /// The same, with the files by the names that they have in a folder, as compilers write them.
    pub(super) fn in_folder(self, dir: &Path) -> Self {
        let RemoteError::Refused { problems } = self else {
            return self;
        };
        let placed = problems.into_iter().map(|(field, said)| {
            if !matches!(field.as_str(), "schema" | "handler") {
                return (field, said);
            }
            let file = format!("{field}.lua");
            let path = dir.join(&file).display().to_string();
            // `handler.lua:3: text`, where a line is known.
            let line = said.strip_prefix(&format!("{file}:"));
            let line = line.and_then(|rest| rest.split_once(": "));
            match line {
                Some((line, text)) => (format!("{path}:{line}"), text.to_owned()),
                None => (path, said),
            }
        });
        RemoteError::Refused {
            problems: placed.collect(),
        }
    }
}

impl Remote {
    pub(super) fn reach(settings: &Config, verb: &ArgMatches) -> Result<Self, RemoteError> {
        let access = Access::read(verb);
        let api = match &access.named {
            Some(text) => AdminApi::new(AdminUrl::parse(text)?, &access, settings)?,
            None => reach::own_api(settings, &access)?.ok_or(RemoteError::Nobody)?,
        };
        Ok(Self(api))
    }

    /// The plugin of that name, as the Admin API answers it.
    pub(super) async fn find(&self, name: &str) -> Result<Option<Value>, RemoteError> {
        let (status, answer) = self.ask(Method::GET, &path(name), None).await?;
        match status {
            StatusCode::OK => Ok(Some(answer)),
            // Absent, or a control plane that has no such address: the list tells.
            StatusCode::NOT_FOUND => self.page(&format!("{PLUGINS}?size=1")).await.map(|_| None),
            _ => Err(refused(status, &answer)),
        }
    }

    /// The same, where one is needed.
    pub(super) async fn existing(&self, name: &str) -> Result<Value, RemoteError> {
        let found = self.find(name).await?;
        found.ok_or_else(|| RemoteError::Missing(name.to_owned()))
    }

    /// Every custom plugin, by name.
    pub(super) async fn all(&self) -> Result<Vec<Value>, RemoteError> {
        let mut all = Vec::new();
        let mut next = Some(PLUGINS.to_owned());
        while let Some(path) = next {
            let page = self.page(&path).await?;
            all.extend(page["data"].as_array().into_iter().flatten().cloned());
            next = page["next"].as_str().map(str::to_owned);
        }
        all.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
        Ok(all)
    }

    async fn page(&self, path: &str) -> Result<Value, RemoteError> {
        let (status, answer) = self.ask(Method::GET, path, None).await?;
        match status {
            StatusCode::OK => Ok(answer),
            StatusCode::NOT_FOUND => Err(RemoteError::Off),
            _ => Err(refused(status, &answer)),
        }
    }

    /// Stores source under a name; the plugin as it is then. One that exists keeps its labels.
    pub(super) async fn store(
        &self,
        name: &str,
        exists: bool,
        folder: &Folder,
    ) -> Result<Value, RemoteError> {
        let method = if exists { Method::PATCH } else { Method::PUT };
        let body = json!({ "schema": folder.schema, "handler": folder.handler });
        let (status, answer) = self.ask(method, &path(name), Some(&body)).await?;
        match status.is_success() {
            true => Ok(answer),
            false => Err(refused(status, &answer)),
        }
    }

    /// Deletes a plugin.
    pub(super) async fn delete(&self, plugin: &Value) -> Result<(), RemoteError> {
        let id = plugin["id"].as_str().unwrap_or_default();
        let (status, answer) = self.ask(Method::DELETE, &path(id), None).await?;
        match status.is_success() {
            true => Ok(()),
            false => Err(refused(status, &answer)),
        }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Value), RemoteError> {
        let kind = body.map(|_| "application/json");
        let bytes = body.map(|body| Bytes::from(body.to_string()));
        let sent = self.0.send(method, path, kind, bytes.unwrap_or_default());
        let (status, bytes) = sent.await?;
        Ok((status, serde_json::from_slice(&bytes).unwrap_or_default()))
    }
}

fn path(name: &str) -> String {
    format!("{PLUGINS}/{}", utf8_percent_encode(name, NON_ALPHANUMERIC))
}

/// Why the Admin API refused, in the words of who pushes.
fn refused(status: StatusCode, answer: &Value) -> RemoteError {
    let message = answer["message"].as_str().unwrap_or_default().to_owned();
    let fields = answer["fields"].as_object();
    match (status, fields) {
        (StatusCode::BAD_REQUEST, Some(fields)) => RemoteError::Refused {
            problems: problems(fields),
        },
        (StatusCode::CONFLICT, Some(fields)) => match fields.get("plugins") {
            Some(Value::Object(plugins)) => RemoteError::Misfit {
                message,
                problems: problems(plugins),
            },
            _ => RemoteError::InUse(message),
        },
        _ => RemoteError::Admin(AdminError::Refused { status, message }),
    }
}

/// What is wrong, by the members that it is wrong with.
fn problems(fields: &Map<String, Value>) -> Vec<(String, String)> {
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    fields
        .iter()
        .map(|(name, said)| (name.clone(), text(said)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_name_the_file_and_the_line() {
        let answer = json!({
            "message": "2 schema violations (…)",
            "fields": {
                "handler": "handler.lua:3: unexpected symbol near '}'",
                "schema": "expected name 'x', got 'y'",
                "name": "invalid value: X",
            },
        });
        let error = refused(StatusCode::BAD_REQUEST, &answer).in_folder(Path::new("dir"));
        assert_eq!(
            error.to_string(),
            "dir/handler.lua:3: unexpected symbol near '}'\n\
             dir/schema.lua: expected name 'x', got 'y'\n\
             name: invalid value: X\n\
             nothing was changed: mend it and push again"
        );
    }

    #[test]
    fn what_uses_it_is_told_with_the_next_step() {
        let misfit = json!({
            "message": "plugins do not fit what the custom plugin 'x' would become: 1",
            "fields": { "plugins": { "1": { "config": { "n": "unknown field" } } } },
        });
        assert_eq!(
            refused(StatusCode::CONFLICT, &misfit).to_string(),
            "plugins do not fit what the custom plugin 'x' would become: 1\n\
             1: {\"config\":{\"n\":\"unknown field\"}}\n\
             nothing was changed: bring the plugins and the custom plugin in step with one file \
             (`headgate-cp config apply`), or have the schema take what they say"
        );
        let used = json!({
            "message": "the custom plugin 'x' is in use by plugins: 1",
            "fields": { "@referenced_by": ["1"] },
        });
        assert_eq!(
            refused(StatusCode::CONFLICT, &used).to_string(),
            "the custom plugin 'x' is in use by plugins: 1 \
             (delete these plugins first, or have them use another)"
        );
    }

    #[test]
    fn names_are_written_so_that_no_path_is_another() {
        assert_eq!(path("a/../b"), "/custom-plugins/a%2F%2E%2E%2Fb");
    }
}
