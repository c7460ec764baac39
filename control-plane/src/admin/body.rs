//! Request bodies: which types are taken, and how each becomes arguments (admin-api.md 1.4 and 2).

use super::error::Failure;
use super::query::MAX_ARGUMENTS;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, StatusCode, header};
use serde_json::Value;
use shared::schema::{Document, Violations, form};
use std::convert::Infallible;

/// What a body is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// No body, or one that is ignored.
    None,
    Json,
    Form,
    Multipart,
    /// YAML; for addresses that read it themselves.
    Text,
}

/// Decoded arguments.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    pub document: Document,
    /// Values are texts that the schema must make sense of: they came in a form.
    pub form: bool,
}

/// Which decoder a write's body needs. `empty`: there is no body. `text`: the address takes YAML.
pub fn encoding(headers: &HeaderMap, empty: bool, text: bool) -> Result<Encoding, Failure> {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let unsupported = || Failure::Bare(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let Some(first) = types.next() else {
        return if empty {
            Ok(Encoding::None)
        } else {
            Err(unsupported())
        };
    };
    if types.next().is_some() {
        return Err(Failure::Text(
            StatusCode::BAD_REQUEST,
            "Multiple Content-Type headers not allowed",
        ));
    }
    let kinds = [
        ("application/json", Encoding::Json),
        ("multipart/form-data", Encoding::Multipart),
        ("application/x-www-form-urlencoded", Encoding::Form),
        ("application/yaml", Encoding::Text),
        ("text/yaml", Encoding::Text),
    ];
    let found = kinds
        .into_iter()
        .filter(|(_, encoding)| text || *encoding != Encoding::Text)
        .find(|(name, _)| first.as_bytes().starts_with(name.as_bytes()));
    found.map(|(_, encoding)| encoding).ok_or_else(unsupported)
}

/// Decodes a body that [`encoding`] accepted.
pub async fn decode(
    encoding: Encoding,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Arguments, Failure> {
    match encoding {
        Encoding::None | Encoding::Text => Ok(Arguments::default()),
        Encoding::Json => json(&body).map(|document| Arguments {
            document,
            form: false,
        }),
        Encoding::Form => {
            let pairs = form_urlencoded::parse(&body)
                .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())));
            expand(pairs.take(MAX_ARGUMENTS + 1).collect())
        }
        Encoding::Multipart => expand(parts(headers, body).await?),
    }
}

/// A body that must be one JSON object.
fn json(body: &[u8]) -> Result<Document, Failure> {
    let refused = |_| Failure::bad_request("Cannot parse JSON body");
    serde_json::from_slice(body).map_err(refused)
}

fn expand(pairs: Vec<(String, Value)>) -> Result<Arguments, Failure> {
    if pairs.len() > MAX_ARGUMENTS {
        return Err(Failure::bad_request("Too many arguments"));
    }
    Ok(Arguments {
        document: form::expand_values(pairs, true),
        form: true,
    })
}

/// Every part is a field; one of type `application/json` is a structured value.
async fn parts(headers: &HeaderMap, body: Bytes) -> Result<Vec<(String, Value)>, Failure> {
    let content_type = headers.get(header::CONTENT_TYPE);
    let boundary = content_type
        .and_then(|value| value.to_str().ok())
        .and_then(|value| multer::parse_boundary(value).ok())
        .ok_or_else(malformed)?;
    let body = stream::iter([Ok::<Bytes, Infallible>(body)]);
    let mut reader = multer::Multipart::new(body, boundary);
    let mut pairs = Vec::new();
    while let Some(part) = reader.next_field().await.map_err(|_| malformed())? {
        let Some(name) = part.name().map(str::to_owned) else {
            continue;
        };
        let structured = part
            .content_type()
            .is_some_and(|kind| kind.subtype() == "json");
        let bytes = part.bytes().await.map_err(|_| malformed())?;
        let value = match structured {
            true => serde_json::from_slice(&bytes)
                .map_err(|_| Failure::bad_request("Cannot parse JSON body"))?,
            false => Value::String(text(&name, bytes)?),
        };
        pairs.push((name, value));
        if pairs.len() > MAX_ARGUMENTS {
            break;
        }
    }
    Ok(pairs)
}

/// A file that is no text cannot be a value: what it would become in JSON is something else.
fn text(part: &str, bytes: Bytes) -> Result<String, Failure> {
    let text = String::from_utf8(bytes.into());
    text.map_err(|_| Failure::schema_violation(&Violations::one(part, "expected text in UTF-8")))
}

fn malformed() -> Failure {
    Failure::bad_request("Cannot parse multipart body")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use serde_json::json;

    fn typed(kinds: &[&'static str]) -> HeaderMap {
        let kinds = kinds.iter().map(|kind| HeaderValue::from_static(kind));
        kinds.map(|kind| (header::CONTENT_TYPE, kind)).collect()
    }

    fn status(failure: Failure) -> u16 {
        failure.into_reply().status.as_u16()
    }

    #[test]
    fn only_json_and_forms_are_taken() {
        let good = [
            (vec![], true, Encoding::None),
            (
                vec!["application/json; charset=utf-8"],
                false,
                Encoding::Json,
            ),
            (
                vec!["application/x-www-form-urlencoded"],
                false,
                Encoding::Form,
            ),
            (
                vec!["multipart/form-data; boundary=x"],
                false,
                Encoding::Multipart,
            ),
        ];
        for (kinds, empty, expected) in good {
            let found = encoding(&typed(&kinds), empty, false).expect("accepted");
            assert_eq!(found, expected, "{kinds:?}");
        }
        for kind in ["application/yaml", "text/yaml; charset=utf-8"] {
            let found = encoding(&typed(&[kind]), false, true).expect("accepted");
            assert_eq!(found, Encoding::Text, "{kind}");
        }
        let bad = [
            (vec!["application/yaml"], false, 415),
            (vec![], false, 415),
            (vec!["text/plain"], true, 415),
            (vec!["Application/JSON"], false, 415),
            (vec!["application/json", "application/json"], false, 400),
        ];
        for (kinds, empty, expected) in bad {
            let found = encoding(&typed(&kinds), empty, false).expect_err("refused");
            assert_eq!(status(found), expected, "{kinds:?}");
        }
    }

    #[tokio::test]
    async fn json_bodies_are_objects_and_keep_the_text_of_numbers() {
        let decode = |text: &'static str| async move {
            decode(
                Encoding::Json,
                &HeaderMap::new(),
                Bytes::from_static(text.as_bytes()),
            )
            .await
        };
        let found = decode(r#"{"n": 12345678901234567890123, "f": 1e2}"#).await;
        let document = found.expect("an object").document;
        assert_eq!(document["n"].to_string(), "12345678901234567890123");
        for text in ["", "{", "[]", "[{}]", "1", "null"] {
            let reply = decode(text).await.expect_err(text).into_reply();
            assert_eq!(&reply.body[..], br#"{"message":"Cannot parse JSON body"}"#);
        }
    }

    #[tokio::test]
    async fn forms_and_multipart_follow_the_same_rules() {
        let body = Bytes::from_static(b"name=a+b&service.id=x&hosts%5B%5D=h");
        let no_headers = HeaderMap::new();
        let form = decode(Encoding::Form, &no_headers, body);
        let expected = json!({ "name": "a b", "service": { "id": "x" }, "hosts": ["h"] });
        assert_eq!(Value::Object(form.await.expect("form").document), expected);

        let body = "--B\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\na b\r\n\
            --B\r\nContent-Disposition: form-data; name=\"service.id\"; filename=\"f\"\r\n\r\nx\r\n\
            --B\r\nContent-Disposition: form-data; name=\"hosts\"\r\nContent-Type: application/json\r\n\r\n[\"h\"]\r\n--B--\r\n";
        let headers = typed(&["multipart/form-data; boundary=B"]);
        let multipart = decode(
            Encoding::Multipart,
            &headers,
            Bytes::from_static(body.as_bytes()),
        );
        assert_eq!(
            Value::Object(multipart.await.expect("multipart").document),
            expected
        );

        let cut = decode(
            Encoding::Multipart,
            &headers,
            Bytes::from_static(b"--B\r\nContent"),
        );
        assert_eq!(status(cut.await.expect_err("cut short")), 400);
    }
}
