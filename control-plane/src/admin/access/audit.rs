//! `GET /headgate/audit`: who wrote what, newest first.

use crate::admin::Answer;
use crate::admin::error::Failure;
use crate::admin::query::{next_address, token};
use crate::admin::reply::Reply;
use crate::admin::serve::Call;
use crate::store::{AuditPage, AuditRow};
use serde_json::{Value, json};

/// `GET /headgate/audit?who=token:ci&kind=services&since=1700000000&size=100`
pub async fn list(call: &Call<'_>) -> Answer {
    let query = &call.query;
    let size = query.size()?;
    let page = AuditPage {
        before: before(call)?,
        size: size + 1,
        who: query.first("who").map(str::to_owned),
        kind: query.first("kind").map(str::to_owned),
        since: query.first("since").map(since).transpose()?,
    };
    let mut rows = call.admin.store.audit(page).await?;
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
