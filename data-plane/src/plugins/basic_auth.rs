//! `basic-auth`: identifies consumers by user name and password (proxy-and-routing.md 10.4).

use std::ops::Range;
use std::sync::Arc;

use http::header::{AUTHORIZATION, PROXY_AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use shared::entities::BasicAuth;
use shared::plugins::BasicAuthConfig;

use super::identity::{self, Anonymous, Proof};
use super::{Answer, Ctx, Flow, PhaseSet, Phases, Plugin, base64};

/// The handler.
pub struct Handler {
    hide: bool,
    anonymous: Option<Anonymous>,
    challenge: HeaderValue,
}

/// Why a client is not let in; nobody is told more.
struct Refused;

/// What a client wrote into a header, decoded.
struct Login {
    text: Vec<u8>,
    /// Where the user name begins and ends.
    username: Range<usize>,
}

impl Plugin for Handler {
    type Config = BasicAuthConfig;

    fn new(config: &BasicAuthConfig) -> Self {
        Self {
            hide: config.hide_credentials,
            anonymous: config.anonymous.as_deref().map(Anonymous::new),
            challenge: identity::challenge("Basic", Some(&config.realm)),
        }
    }
}

impl Phases for Handler {
    fn phases(&self) -> PhaseSet {
        PhaseSet {
            access: true,
            ..PhaseSet::default()
        }
    }

    fn access(&self, ctx: &mut Ctx) -> Flow {
        if identity::is_settled(&self.anonymous, ctx) {
            return Flow::Continue;
        }
        let found = self.authenticate(ctx).map(|credential| Proof {
            credential: credential.id.uuid(),
            consumer: credential.consumer.uuid(),
            identifier: credential.username.clone(),
        });
        identity::conclude(&self.anonymous, ctx, found, |Refused| {
            Answer::message(StatusCode::UNAUTHORIZED, "Unauthorized")
                .with(WWW_AUTHENTICATE, self.challenge.clone())
        })
    }
}

impl Handler {
    /// A user that `Proxy-Authorization` names is the one whose password counts; `Authorization` is only read, and
    /// hidden, where that header names nobody.
    fn authenticate(&self, ctx: &mut Ctx) -> Result<Arc<BasicAuth>, Refused> {
        let (credential, login) = self
            .look_up(ctx, PROXY_AUTHORIZATION)
            .or_else(|| self.look_up(ctx, AUTHORIZATION))
            .ok_or(Refused)?;
        let accepted = credential.accepts(login.password());
        accepted.then_some(credential).ok_or(Refused)
    }

    fn look_up(&self, ctx: &mut Ctx, header: HeaderName) -> Option<(Arc<BasicAuth>, Login)> {
        let login = Login::read(&ctx.request.headers, &header);
        if self.hide {
            ctx.request.headers.remove(header);
        }
        let login = login?;
        let credential = ctx.runtime.basic_auth(login.username()?)?.clone();
        Some((credential, login))
    }
}

impl Login {
    /// `Basic <base64 of username:password>`; further colons belong to the password.
    fn read(headers: &HeaderMap, name: &HeaderName) -> Option<Self> {
        let header = headers.get(name)?.as_bytes();
        let encoded = identity::after_scheme(header, "Basic").find(|rest| !rest.is_empty())?;
        let text = base64::decode(encoded.trim_ascii_start())?;
        // Kong's pattern looks for the first text before a colon.
        let start = text.iter().position(|byte| *byte != b':')?;
        let colon = start + text[start..].iter().position(|byte| *byte == b':')?;
        Some(Self {
            text,
            username: start..colon,
        })
    }

    /// `None`: it is no UTF-8, hence nobody's.
    fn username(&self) -> Option<&str> {
        std::str::from_utf8(&self.text[self.username.clone()]).ok()
    }

    fn password(&self) -> &[u8] {
        &self.text[self.username.end + 1..]
    }
}

#[cfg(test)]
mod tests {
    use ::base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn user_name_and_password_are_read_out_of_the_header() {
        let login = |username: &str, password: &str| Some(format!("{username} {password}"));
        for (header, expected) in [
            ("Basic dS1oaWRlOnDDpDpzcyB3", login("u-hide", "pä:ss w")),
            ("basic dTpw", login("u", "p")),
            ("BasicdTpw", login("u", "p")),
            ("Other, Basic \t dTpw", login("u", "p")),
            ("Basic dTo", login("u", "")),
            ("Basic OjphOmI=", login("a", "b")), // ::a:b
            ("Basic Og==", None),                // :
            ("Basic OnB3", None),                // :pw
            ("bAsIc dTpw", None),
            ("Basic ###", None),
            ("Basic dS1uby1jb2xvbg==", None),
            ("Basic", None),
            ("Basic 6Tpw", None), // a user name that is no UTF-8
            ("Bearer dTpw", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_static(header));
            let read = Login::read(&headers, &AUTHORIZATION).and_then(|login| {
                let password = String::from_utf8_lossy(login.password());
                Some(format!("{} {password}", login.username()?))
            });
            assert_eq!(read, expected, "{header}");
            assert!(Login::read(&headers, &PROXY_AUTHORIZATION).is_none());
        }
    }
    proptest::proptest! {
        #[test]
        fn nothing_a_client_sends_makes_the_reader_panic(login: Vec<u8>, text in "[Bb]asic[ -~]{0,40}") {
            for value in [text, format!("Basic {}", ::base64::Engine::encode(&STANDARD, login))] {
                let mut headers = HeaderMap::new();
                headers.insert(AUTHORIZATION, HeaderValue::from_str(&value).expect("printable"));
                let _ = Login::read(&headers, &AUTHORIZATION).map(|login| login.password().len());
            }
        }
    }
}
