//! `GET /headgate/audit`: who wrote what, newest first.

use crate::admin::Answer;
use crate::admin::error::Failure;
use crate::admin::openapi::About;
use crate::admin::openapi::shape::{count, list as list_of, nullable, object, page, text};
use crate::admin::query::{next_address, token};
use crate::admin::reply::Reply;
use crate::admin::serve::Call;
use crate::store::{AuditPage, AuditRow};
use serde_json::{Value, json};

/// What [`list`] takes and answers.
pub fn about() -> About {
    let row = object([
        ("seq", count()),
        ("at", json!({ "type": "number" })),
        ("who", text()),
        ("from", nullable(text())),
        ("what", nullable(text())),
        ("revision", nullable(count())),
        ("changed", count()),
        ("changes", list_of(json!({ "type": "object" }))),
    ]);
    About::new("Who wrote what, the newest first")
        .paged()
        .query("who", text(), "Only of this caller: `token:ci`.")
        .query("kind", text(), "Only of this kind of document.")
        .query("since", text(), "Only after this second since the epoch.")
        .answers(200, page(row))
}

/// `GET /headgate/audit?who=token:ci&kind=services&since=1700000000&size=100`
pub async fn list(call: &Call<'_>) -> Answer {
    let query = &call.query;
    let size = query.size()?;
    let asked = AuditPage {
        before: before(call)?,
        size: size + 1,
        who: query.first("who").map(str::to_owned),
        kind: query.first("kind").map(str::to_owned),
        since: query.first("since").map(since).transpose()?,
    };
    let mut rows = call.admin.store.audit(asked).await?;
    let more = rows.len() > size;
    rows.truncate(size);
    let data: Vec<Value> = rows.iter().map(shown).collect();
    let mut body = json!({ "data": data, "next": null });
    if let Some(last) = rows.last().filter(|_| more) {
        let token = token(&[&last.seq.to_string()]);
        let sent = ["who", "kind", "since", "size"].map(|name| (name, query.first(name)));
        body["next"] = json!(next_address("/headgate/audit", &token, &sent));
        body["offset"] = json!(token);
    }
    Ok(Reply::ok(&body))
}

fn before(call: &Call<'_>) -> Result<Option<u64>, Failure> {
    let Some(keys) = call.query.offset()? else {
        return Ok(None);
    };
    let seq = match keys.as_slice() {
        [seq] => seq.parse().ok(),
        _ => None,
    };
    let sent = call.query.first("offset").unwrap_or_default();
    seq.map(Some)
        .ok_or_else(|| Failure::invalid_offset(sent, "bad row"))
}

fn since(text: &str) -> Result<i64, Failure> {
    let seconds: Option<f64> = text.parse().ok();
    let seconds = seconds.filter(|seconds| seconds.is_finite());
    let expected = "expected seconds since the epoch, such as 1700000000";
    let millis = seconds.map(|seconds| (seconds * 1000.0) as i64);
    millis.ok_or_else(|| Failure::invalid_option("since", expected))
}

fn shown(row: &AuditRow) -> Value {
    json!({
        "seq": row.seq,
        "at": row.at as f64 / 1000.0,
        "who": row.who,
        "from": row.from,
        "what": row.action,
        "revision": row.revision,
        "changed": row.changed,
        "changes": row.changes,
    })
}
