//! `acl`: lets consumers in or keeps them out by their groups (proxy-and-routing.md 10.4).

use std::collections::HashSet;

use http::{HeaderName, StatusCode};
use shared::plugins::AclConfig;

use super::transform::headers;
use super::{Answer, Ctx, Flow, PhaseSet, Phases, Plugin};

const CONSUMER_GROUPS: HeaderName = HeaderName::from_static("x-consumer-groups");
const AUTHENTICATED_GROUPS: HeaderName = HeaderName::from_static("x-authenticated-groups");

/// The handler.
pub struct Handler {
    rule: Rule,
    hide_groups: bool,
    prefer_authenticated: bool,
}

enum Rule {
    /// Only members of one of these may pass.
    Allow(HashSet<String>),
    /// Members of any of these may not.
    Deny(HashSet<String>),
}

/// What a request is judged by.
#[derive(Debug, PartialEq, Eq)]
enum Standing<'a> {
    /// Nobody is known, or somebody without any group is, and no credential was shown.
    Nobody,
    /// A credential was shown, and no group belongs to it.
    NoGroups,
    /// Groups, and the header that tells the upstream.
    Groups(Vec<&'a str>, HeaderName),
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// With the header for the upstream.
    Passes(HeaderName, String),
    Forbidden,
    /// Whoever it is has to say so first.
    Unknown,
}

impl Plugin for Handler {
    type Config = AclConfig;

    fn new(config: &AclConfig) -> Self {
        let groups =
            |list: &Option<Vec<String>>| list.iter().flatten().cloned().collect::<HashSet<_>>();
        let denied = groups(&config.deny);
        Self {
            rule: if denied.is_empty() {
                Rule::Allow(groups(&config.allow))
            } else {
                Rule::Deny(denied)
            },
            hide_groups: config.hide_groups_header,
            prefer_authenticated: config.always_use_authenticated_groups,
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
        let (name, groups) = match self.judge(self.standing(ctx)) {
            Verdict::Passes(name, groups) => (name, groups),
            Verdict::Unknown => {
                return Answer::message(StatusCode::UNAUTHORIZED, "Unauthorized").into();
            }
            Verdict::Forbidden => {
                let message = "You cannot consume this service";
                return Answer::message(StatusCode::FORBIDDEN, message).into();
            }
        };
        if !self.hide_groups {
            let value = headers::value(groups.as_bytes());
            let _ = ctx.request.headers.try_insert(name, value);
        }
        Flow::Continue
    }
}

impl Handler {
    /// The groups that count: those of the consumer, or those an auth plugin brought where there is no consumer or
    /// no credential.
    fn standing<'a>(&self, ctx: &'a Ctx) -> Standing<'a> {
        let may_bring =
            ctx.consumer.is_none() || ctx.credential.is_none() || self.prefer_authenticated;
        if let Some(groups) = ctx.authenticated_groups.as_ref().filter(|_| may_bring) {
            return Standing::Groups(
                groups.iter().map(String::as_str).collect(),
                AUTHENTICATED_GROUPS,
            );
        }
        let groups: Vec<&str> = match &ctx.consumer {
            Some(consumer) => ctx
                .runtime
                .groups(&consumer.id.uuid())
                .iter()
                .map(|group| &**group)
                .collect(),
            None => Vec::new(),
        };
        let known = ctx.consumer.is_some() && matches!(self.rule, Rule::Deny(_));
        match (groups.is_empty() && !known, ctx.credential.is_some()) {
            (false, _) => Standing::Groups(groups, CONSUMER_GROUPS),
            (true, true) => Standing::NoGroups,
            (true, false) => Standing::Nobody,
        }
    }

    fn judge(&self, standing: Standing<'_>) -> Verdict {
        let (groups, header) = match standing {
            Standing::Nobody => return Verdict::Unknown,
            Standing::NoGroups => return Verdict::Forbidden,
            Standing::Groups(groups, header) => (groups, header),
        };
        let passes = match &self.rule {
            Rule::Allow(allowed) => groups.iter().any(|group| allowed.contains(*group)),
            Rule::Deny(denied) => !groups.iter().any(|group| denied.contains(*group)),
        };
        if passes {
            Verdict::Passes(header, groups.join(", "))
        } else {
            Verdict::Forbidden
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::plugins::Catalog;

    use super::*;

    fn handler(config: serde_json::Value) -> Handler {
        let schema = Catalog::builtin().plugin("acl").expect("declared");
        let config = schema.parse(config.to_string().as_bytes()).expect("valid");
        Handler::new(&config.downcast().expect("its own type"))
    }

    #[test]
    fn groups_decide_who_passes() {
        let allow = json!({"allow": ["g1", "g2"]});
        let deny = json!({"deny": ["g1"]});
        for (config, groups, passes) in [
            (&allow, vec!["g2"], Some("g2")),
            (&allow, vec!["a", "g1", "z"], Some("a, g1, z")),
            (&allow, vec!["g3"], None),
            (&allow, vec![], None),
            (&deny, vec!["g1", "g2"], None),
            (&deny, vec!["g2"], Some("g2")),
            (&deny, vec![], Some("")),
        ] {
            let standing = Standing::Groups(groups.clone(), CONSUMER_GROUPS);
            let expected = match passes {
                Some(text) => Verdict::Passes(CONSUMER_GROUPS, text.to_owned()),
                None => Verdict::Forbidden,
            };
            let judged = handler(config.clone()).judge(standing);
            assert_eq!(judged, expected, "{config} {groups:?}");
        }
    }

    #[test]
    fn whoever_shows_no_credential_is_asked_for_one() {
        let handler = handler(json!({"allow": ["g1"]}));
        assert_eq!(handler.judge(Standing::Nobody), Verdict::Unknown);
        assert_eq!(handler.judge(Standing::NoGroups), Verdict::Forbidden);
    }
}
