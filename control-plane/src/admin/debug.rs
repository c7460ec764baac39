//! Steering the process: what it keeps in memory, and how much it logs (admin-api.md 11.5).

use super::Answer;
use super::error::Failure;
use super::openapi::About;
use super::openapi::shape::{count, list, object, text};
use super::reply::Reply;
use super::serve::Call;
use http::StatusCode;
use serde_json::{Value, json};
use shared::settings::{LogLevel, SettingValue};
use std::time::Duration;

/// The one thing that is kept: the names of configured plugins, for `GET /`.
const ENABLED_PLUGINS: &str = "enabled_plugins";
/// How long a changed level lasts, as in Kong.
const DEFAULT_TIMEOUT: u64 = 60;

/// What [`clear`] answers.
pub fn about_clear() -> About {
    About::new("Forgets what is kept in memory").answers_nothing(204)
}

/// `DELETE /cache`
pub fn clear(call: &Call<'_>) -> Reply {
    call.admin.forget_enabled();
    Reply::empty(StatusCode::NO_CONTENT)
}

/// What [`cached`] answers.
pub fn about_cached(method: &http::Method) -> About {
    if *method == http::Method::DELETE {
        return About::new("Forgets what is kept under this key").answers_nothing(204);
    }
    About::new("What is kept under this key")
        .answers(200, object([("message", list(text()))]))
        .refuses(404)
}

/// `GET` and `DELETE /cache/{key}`
pub fn cached(call: &Call<'_>) -> Answer {
    let known = call.key(0) == ENABLED_PLUGINS;
    if call.method == http::Method::DELETE {
        if known {
            call.admin.forget_enabled();
        }
        return Ok(Reply::empty(StatusCode::NO_CONTENT));
    }
    let names = known.then(|| call.admin.known_enabled()).flatten();
    let names = names.ok_or_else(Failure::not_found)?;
    Ok(Reply::ok(&json!({ "message": names })))
}

/// What [`log_level`] answers.
pub fn about_log_level() -> About {
    About::new("How much is logged").answers(200, object([("message", text())]))
}

/// `GET /debug/node/log-level`
pub fn log_level(call: &Call<'_>) -> Reply {
    let level = call.admin.log_level.current().render();
    Reply::ok(&json!({ "message": format!("log level: {level}") }))
}

/// What [`set_log_level`] takes and answers.
pub fn about_set_log_level() -> About {
    About::new("Changes for a while how much is logged")
        .query(
            "timeout",
            count(),
            "Seconds until the configured level is back.",
        )
        .answers(200, object([("message", text())]))
}

/// `PUT /debug/node/log-level/{level}?timeout=60`: after so many seconds the configured level is back.
pub fn set_log_level(call: &Call<'_>) -> Answer {
    let word = call.key(0);
    let level = LogLevel::parse(word)
        .map_err(|_| Failure::bad_request(format!("unknown log level: {word}")))?;
    let timeout = timeout(call)?;
    let said = if level == call.admin.log_level.current() {
        format!("log level is already {word}")
    } else {
        call.admin.log_level.change(level, timeout);
        tracing::info!(level = word, ?timeout, who = %call.author.name, "log level changed");
        "log level changed".to_owned()
    };
    Ok(Reply::ok(&json!({ "message": said })))
}

fn timeout(call: &Call<'_>) -> Result<Duration, Failure> {
    let in_body = call.arguments.document.get("timeout");
    let text = match (call.query.first("timeout"), in_body) {
        (Some(text), _) => text.to_owned(),
        (None, Some(Value::String(text))) => text.clone(),
        (None, Some(other)) => other.to_string(),
        (None, None) => return Ok(Duration::from_secs(DEFAULT_TIMEOUT)),
    };
    let seconds = text.parse().map(Duration::from_secs);
    seconds.map_err(|_| Failure::bad_request("timeout must be greater than or equal to 0"))
}
