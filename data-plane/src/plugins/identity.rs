//! Who the client is: what every authentication plugin does once it knows, or once it knows that it does not
//! (proxy-and-routing.md 10.4).

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use shared::entities::Consumer;
use tracing::error;
use uuid::Uuid;

use super::transform::headers::value;
use super::{Answer, Ctx, Flow};
use crate::proxy::ctx::Credential;

const CONSUMER_ID: HeaderName = HeaderName::from_static("x-consumer-id");
const CONSUMER_CUSTOM_ID: HeaderName = HeaderName::from_static("x-consumer-custom-id");
const CONSUMER_USERNAME: HeaderName = HeaderName::from_static("x-consumer-username");
const CREDENTIAL_IDENTIFIER: HeaderName = HeaderName::from_static("x-credential-identifier");
const ANONYMOUS: HeaderName = HeaderName::from_static("x-anonymous-consumer");

/// A credential that a client has proved to hold.
pub(super) struct Proof {
    /// The credential's id.
    pub(super) credential: Uuid,
    /// Whose it is.
    pub(super) consumer: Uuid,
    /// What the upstream is told of it.
    pub(super) identifier: String,
}

/// Who stands for clients that nobody knows: an id or a username.
pub(super) struct Anonymous {
    text: String,
    id: Option<Uuid>,
}

/// Whether somebody else has said already who the client is, and this plugin only offers another way to.
pub(super) fn is_settled(anonymous: &Option<Anonymous>, ctx: &Ctx) -> bool {
    anonymous.is_some() && ctx.credential.is_some()
}

/// `Basic realm="…"`
pub(super) fn challenge(scheme: &str, realm: Option<&str>) -> HeaderValue {
    match realm {
        Some(realm) => value(format!("{scheme} realm=\"{realm}\"").as_bytes()),
        None => value(scheme.as_bytes()),
    }
}

/// What follows the name of a scheme, at each place where the name stands. Like Kong's patterns this is not tied to the
/// start of the header, and lets only the first letter be of either case.
pub(super) fn after_scheme<'h>(
    header: &'h [u8],
    scheme: &'static str,
) -> impl Iterator<Item = &'h [u8]> {
    let (first, rest) = scheme.as_bytes().split_at(1);
    (0..header.len()).filter_map(move |at| {
        let (letter, behind) = header[at..].split_at(1);
        letter
            .eq_ignore_ascii_case(first)
            .then_some(behind)?
            .strip_prefix(rest)
    })
}

/// Lets the client in as the owner of its credential, as the anonymous consumer, or not at all.
pub(super) fn conclude<R>(
    anonymous: &Option<Anonymous>,
    ctx: &mut Ctx,
    found: Result<Proof, R>,
    refuse: impl FnOnce(R) -> Answer,
) -> Flow {
    match (found, anonymous) {
        (Ok(proof), _) => admit(ctx, proof),
        (Err(_), Some(anonymous)) => anonymous.admit(ctx),
        (Err(refusal), None) => refuse(refusal).into(),
    }
}

fn admit(ctx: &mut Ctx, proof: Proof) -> Flow {
    let Some(consumer) = ctx.runtime.consumer(&proof.consumer).cloned() else {
        return Flow::Fail(format!("credential {} has no consumer", proof.credential));
    };
    identify(&mut ctx.request.headers, &consumer, Some(&proof.identifier));
    ctx.consumer = Some(consumer);
    ctx.credential = Some(Credential {
        id: proof.credential,
        identifier: proof.identifier,
    });
    Flow::Continue
}

impl Anonymous {
    pub(super) fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            id: text.parse().ok(),
        }
    }

    fn admit(&self, ctx: &mut Ctx) -> Flow {
        let by_id = self.id.and_then(|id| ctx.runtime.consumer(&id));
        let found = by_id
            .or_else(|| ctx.runtime.consumer_by_username(&self.text))
            .cloned();
        let Some(consumer) = found else {
            let message = format!(
                "anonymous consumer {} is configured but doesn't exist",
                self.text
            );
            error!("{message}");
            return Answer::message(StatusCode::INTERNAL_SERVER_ERROR, message).into();
        };
        identify(&mut ctx.request.headers, &consumer, None);
        ctx.consumer = Some(consumer);
        ctx.credential = None;
        Flow::Continue
    }
}

/// Tells the upstream who the client is; what a client claims about itself goes.
fn identify(headers: &mut HeaderMap, consumer: &Consumer, credential: Option<&str>) {
    for claimed in [
        CONSUMER_ID,
        CONSUMER_CUSTOM_ID,
        CONSUMER_USERNAME,
        CREDENTIAL_IDENTIFIER,
        ANONYMOUS,
    ] {
        headers.remove(claimed);
    }
    // Only now: a removal moves the last header into the gap, and these keep their order.
    let mut set = |name: HeaderName, text: Option<&str>| {
        if let Some(text) = text {
            let _ = headers.try_insert(name, value(text.as_bytes()));
        }
    };
    let mut id = Uuid::encode_buffer();
    let id = consumer.id.uuid().hyphenated().encode_lower(&mut id);
    set(CONSUMER_ID, Some(id));
    set(CONSUMER_CUSTOM_ID, consumer.custom_id.as_deref());
    set(CONSUMER_USERNAME, consumer.username.as_deref());
    set(CREDENTIAL_IDENTIFIER, credential);
    set(ANONYMOUS, credential.is_none().then_some("true"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header_map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn the_upstream_is_told_what_is_known_and_nothing_a_client_claims() {
        let mut headers = header_map(&[
            ("x-consumer-username", "evil"),
            ("x-consumer-custom-id", "evil"),
            ("x-anonymous-consumer", "true"),
            ("x-credential-identifier", "evil"),
        ]);
        let consumer: Consumer = serde_json::from_value(serde_json::json!({
            "id": "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "username": "bob",
        }))
        .expect("a consumer");
        identify(&mut headers, &consumer, Some("bob-1"));
        assert_eq!(
            headers,
            header_map(&[
                ("x-consumer-id", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
                ("x-consumer-username", "bob"),
                ("x-credential-identifier", "bob-1"),
            ])
        );
        identify(&mut headers, &consumer, None);
        assert_eq!(
            headers,
            header_map(&[
                ("x-consumer-id", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
                ("x-consumer-username", "bob"),
                ("x-anonymous-consumer", "true"),
            ])
        );
    }

    #[test]
    fn a_scheme_is_found_where_its_name_stands() {
        for (header, expected) in [
            ("Basic x", vec![" x"]),
            ("basicx", vec!["x"]),
            ("a Basic b basic c", vec![" b basic c", " c"]),
            ("BASIC x", vec![]),
            ("Basi", vec![]),
            ("", vec![]),
        ] {
            let found: Vec<_> = after_scheme(header.as_bytes(), "Basic").collect();
            let expected: Vec<_> = expected.into_iter().map(str::as_bytes).collect();
            assert_eq!(found, expected, "{header}");
        }
    }

    #[test]
    fn a_realm_cannot_start_a_line() {
        assert_eq!(challenge("Key", None), "Key");
        let realm = challenge("Basic", Some("my\r\nrealm"));
        assert_eq!(realm, "Basic realm=\"my%0D%0Arealm\"");
    }
}
