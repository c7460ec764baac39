//! Which pages in a browser may read the answers (admin-api.md 1.2).

use crate::config::Config;
use http::HeaderValue;

const ANY: HeaderValue = HeaderValue::from_static("*");

/// `Access-Control-Allow-Origin`: without a list whoever asks; with one the origin if it is listed, else the first.
pub fn allowed(config: &Config, origin: Option<&HeaderValue>) -> HeaderValue {
    let mut listed = config
        .admin_gui_origin
        .0
        .iter()
        .chain(&config.admin_gui_url.0)
        .peekable();
    let Some(first) = listed.peek().copied() else {
        return origin.cloned().unwrap_or(ANY);
    };
    let known = origin.filter(|origin| listed.any(|one| one.as_bytes() == origin.as_bytes()));
    let first = || HeaderValue::from_str(first).expect("a URL is visible ASCII");
    known.cloned().unwrap_or_else(first)
}
