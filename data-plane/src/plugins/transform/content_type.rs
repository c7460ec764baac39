//! Which bodies are taken for what. The request side looks for a substring, the response side reads media types.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// How a request body is changed (transformers.md 2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestBody {
    /// Contains `application/json`.
    Json,
    /// Contains `multipart/form-data`.
    Multipart,
    /// Contains `application/x-www-form-urlencoded`.
    Form,
}

/// What the content type of a request says; `None` for a body that is not even read.
pub fn of_request(headers: &HeaderMap) -> Option<RequestBody> {
    let value = headers.get(CONTENT_TYPE)?.as_bytes();
    [
        ("application/json", RequestBody::Json),
        ("multipart/form-data", RequestBody::Multipart),
        ("application/x-www-form-urlencoded", RequestBody::Form),
    ]
    .into_iter()
    .find(|(text, _)| contains(value, text.as_bytes()))
    .map(|(_, body)| body)
}

/// Whether a request carries an urlencoded form, whatever else its content type says.
pub fn is_form(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| contains(value.as_bytes(), b"application/x-www-form-urlencoded"))
}

/// Whether `value` contains `wanted`, which is in lower case, regardless of case.
fn contains(value: &[u8], wanted: &[u8]) -> bool {
    value
        .windows(wanted.len())
        .any(|window| window.eq_ignore_ascii_case(wanted))
}

/// Whether a response is JSON: one of the media types of its content type is `application/json` or
/// `application/…+json` (transformers.md 3.3).
pub fn is_json_response(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| is_json(value.as_bytes()))
}

fn is_json(value: &[u8]) -> bool {
    // What nearly all JSON is sent as.
    if value == b"application/json" {
        return true;
    }
    let Ok(text) = std::str::from_utf8(value) else {
        return false;
    };
    text.split(',')
        .any(|element| is_json_type(element.trim_matches([' ', '\t'])))
}

fn is_json_type(element: &str) -> bool {
    let (media, parameters) = match element.split_once(';') {
        Some((media, parameters)) => (media, Some(parameters)),
        None => (element, None),
    };
    let Some((kind, subtype)) = media.trim_end().split_once('/') else {
        return false;
    };
    kind.eq_ignore_ascii_case("application")
        && is_token(subtype)
        && is_json_subtype(subtype)
        && parameters.is_none_or(|all| all.split(';').all(is_parameter))
}

fn is_json_subtype(subtype: &str) -> bool {
    let subtype = subtype.to_ascii_lowercase();
    // gRPC may call itself `grpc+json`, but its bodies are frames.
    subtype == "json" || (subtype.ends_with("+json") && !subtype.starts_with("grpc"))
}

fn is_parameter(text: &str) -> bool {
    let Some((name, value)) = text.trim_matches([' ', '\t']).split_once('=') else {
        return false;
    };
    let quoted = value.len() > 1 && value.starts_with('"') && value.ends_with('"');
    is_token(name) && (quoted || is_token(value))
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn a_request_body_is_known_by_a_substring() {
        for (value, body) in [
            ("application/json", Some(RequestBody::Json)),
            ("APPLICATION/JSON; charset=utf-8", Some(RequestBody::Json)),
            ("application/json-patch+json", Some(RequestBody::Json)),
            ("x; application/json", Some(RequestBody::Json)),
            ("application/vnd.api+json", None),
            (
                "multipart/form-data; boundary=XX",
                Some(RequestBody::Multipart),
            ),
            ("Application/X-WWW-Form-Urlencoded", Some(RequestBody::Form)),
            ("text/plain", None),
            ("", None),
        ] {
            assert_eq!(of_request(&headers(value)), body, "{value}");
        }
        assert_eq!(of_request(&HeaderMap::new()), None);
    }

    #[test]
    fn a_response_is_json_by_its_media_type() {
        for (value, json) in [
            ("application/json", true),
            ("application/json; charset=utf-8", true),
            ("application/json;charset=\"utf-8\"", true),
            ("APPLICATION/JSON", true),
            ("application/vnd.api+json", true),
            ("application/problem+JSON", true),
            ("text/plain, application/json", true),
            ("application/grpc+json", false),
            ("application/json;", false),
            ("application/json; charset", false),
            ("text/json", false),
            ("application/x-json", false),
            ("application/*", false),
            ("*/*", false),
            ("application/jsonp", false),
            ("json", false),
            ("", false),
        ] {
            assert_eq!(is_json_response(&headers(value)), json, "{value}");
        }
        assert!(!is_json_response(&HeaderMap::new()));
    }
}
