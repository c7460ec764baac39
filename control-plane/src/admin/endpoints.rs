//! Every address the Admin API has: made from the entity list, plus the few that are not about one entity.

use super::lookup;
use http::Method;
use shared::entities::{self, CustomPlugin, Entity};
use shared::schema::Kind;
use shared::types::{HIDDEN, Referenced};
use std::sync::Arc;

/// What an address answers to.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    /// `/services`
    Collection(&'static Entity),
    /// `/services/{s}`
    Item(&'static Entity),
    /// `/services/{s}/routes`
    Children(Link),
    /// `/services/{s}/routes/{r}`
    Child(Link),
    /// `/routes/{r}/service`
    Parent(Link),
    Fixed(Fixed),
}

/// A foreign key: documents of `child` name one of `parent` in `field`.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    pub parent: &'static Entity,
    pub child: &'static Entity,
    pub field: &'static str,
}

/// Addresses that are not made from the entity list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fixed {
    Root,
    Status,
    Endpoints,
    OpenApi,
    Robots,
    EnabledPlugins,
    /// `/plugins/schema/{name}`
    PluginConfigSchema,
    EntitySchema,
    PluginSchema,
    VaultSchema,
    ValidateEntity,
    ValidatePlugin,
    /// `/config`
    Declarative,
    ValidateVault,
    Tags,
    Tag,
    FilterChains,
    /// `/clustering/data-planes`
    ClusterNodes,
    ClusterStatus,
    /// `/headgate/data-planes`
    Nodes,
    /// `/headgate/tokens`: join tokens of nodes
    Tokens,
    /// `/headgate/admin-tokens`
    AdminTokens,
    AdminToken,
    Audit,
    /// `/apis`
    Apis,
    Api,
    Cache,
    CacheKey,
    /// `/debug/node/log-level`
    LogLevel,
    SetLogLevel,
    /// `/upstreams/{u}/targets/all`
    AllTargets,
    /// `/upstreams/{u}/health`
    UpstreamHealth,
    /// `/consumer_groups/{g}/consumers`
    GroupConsumers,
    GroupConsumer,
    /// `/consumers/{c}/consumer_groups`
    ConsumerGroups,
    ConsumerGroup,
    /// `/headgate/batch`
    Batch,
    /// `/custom-plugins/validate`
    ValidateCustomPlugin,
    /// `/custom-plugins/{name}/status`
    CustomPluginStatus,
}

/// One address.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// As `/endpoints` lists it; `{…}` stands for one segment.
    pub path: String,
    /// Without HEAD and OPTIONS.
    pub methods: &'static [Method],
    pub action: Action,
    /// Left out of `/endpoints`: an old spelling of another address.
    pub alias: bool,
}

const GET: &[Method] = &[Method::GET];
const POST: &[Method] = &[Method::POST];
const PUT: &[Method] = &[Method::PUT];
const DELETE: &[Method] = &[Method::DELETE];
const LOOK_OR_DELETE: &[Method] = &[Method::DELETE, Method::GET];
const COLLECTION: &[Method] = &[Method::GET, Method::POST];
const MEMBERS: &[Method] = &[Method::DELETE, Method::GET, Method::POST];
const ITEM: &[Method] = &[Method::DELETE, Method::GET, Method::PATCH, Method::PUT];
const ANY: &[Method] = &[
    Method::DELETE,
    Method::GET,
    Method::PATCH,
    Method::POST,
    Method::PUT,
];

const FIXED: &[(&str, &[Method], Fixed)] = &[
    ("/", GET, Fixed::Root),
    ("/status", GET, Fixed::Status),
    ("/endpoints", GET, Fixed::Endpoints),
    ("/openapi.json", GET, Fixed::OpenApi),
    ("/robots.txt", GET, Fixed::Robots),
    ("/plugins/enabled", GET, Fixed::EnabledPlugins),
    ("/plugins/schema/{name}", GET, Fixed::PluginConfigSchema),
    ("/schemas/{entity}", GET, Fixed::EntitySchema),
    ("/schemas/{entity}/validate", POST, Fixed::ValidateEntity),
    ("/schemas/plugins/{name}", GET, Fixed::PluginSchema),
    ("/schemas/plugins/validate", POST, Fixed::ValidatePlugin),
    ("/config", COLLECTION, Fixed::Declarative),
    ("/schemas/vaults/{name}", GET, Fixed::VaultSchema),
    ("/schemas/vaults/validate", POST, Fixed::ValidateVault),
    ("/tags", GET, Fixed::Tags),
    ("/tags/{tags}", GET, Fixed::Tag),
    ("/clustering/data-planes", GET, Fixed::ClusterNodes),
    ("/clustering/status", GET, Fixed::ClusterStatus),
    ("/headgate/data-planes", GET, Fixed::Nodes),
    ("/headgate/tokens", POST, Fixed::Tokens),
    ("/headgate/admin-tokens", COLLECTION, Fixed::AdminTokens),
    (
        "/headgate/admin-tokens/{name}",
        LOOK_OR_DELETE,
        Fixed::AdminToken,
    ),
    ("/headgate/audit", GET, Fixed::Audit),
    ("/cache", DELETE, Fixed::Cache),
    ("/cache/{key}", LOOK_OR_DELETE, Fixed::CacheKey),
    ("/debug/node/log-level", GET, Fixed::LogLevel),
    ("/debug/node/log-level/{level}", PUT, Fixed::SetLogLevel),
    ("/upstreams/{upstreams}/targets/all", GET, Fixed::AllTargets),
    ("/upstreams/{upstreams}/health", GET, Fixed::UpstreamHealth),
    (
        "/consumer_groups/{consumer_groups}/consumers",
        MEMBERS,
        Fixed::GroupConsumers,
    ),
    (
        "/consumer_groups/{consumer_groups}/consumers/{consumers}",
        DELETE,
        Fixed::GroupConsumer,
    ),
    (
        "/consumers/{consumers}/consumer_groups",
        MEMBERS,
        Fixed::ConsumerGroups,
    ),
    (
        "/consumers/{consumers}/consumer_groups/{consumer_groups}",
        DELETE,
        Fixed::ConsumerGroup,
    ),
    ("/headgate/batch", POST, Fixed::Batch),
    (
        "/custom-plugins/validate",
        POST,
        Fixed::ValidateCustomPlugin,
    ),
    (
        "/custom-plugins/{custom_plugins}/status",
        GET,
        Fixed::CustomPluginStatus,
    ),
];

/// Where Kong answers that it was built without WebAssembly; clients take that as an absent feature.
const FILTER_CHAINS: [&str; 6] = [
    "/filter-chains",
    "/filter-chains/{filter_chains}",
    "/services/{services}/filter-chains",
    "/services/{services}/filter-chains/{filter_chains}",
    "/routes/{routes}/filter-chains",
    "/routes/{routes}/filter-chains/{filter_chains}",
];

/// All addresses. `aliases`: with those of old clients (admin-api.md 2.6).
pub fn all(aliases: bool) -> Vec<Endpoint> {
    let mut found = Vec::new();
    for entity in entities::all() {
        of_entity(&mut found, entity);
        for link in links(entity) {
            of_link(&mut found, link, aliases);
        }
    }
    for (path, methods, fixed) in FIXED {
        push(
            &mut found,
            (*path).to_owned(),
            methods,
            Action::Fixed(*fixed),
        );
    }
    for path in FILTER_CHAINS {
        push(
            &mut found,
            path.to_owned(),
            ANY,
            Action::Fixed(Fixed::FilterChains),
        );
    }
    found.sort_by_cached_key(|endpoint| order(&endpoint.path));
    found
}

/// `/` comes before any other character.
fn order(path: &str) -> Vec<u8> {
    path.bytes()
        .map(|byte| if byte == b'/' { 0 } else { byte })
        .collect()
}

/// The foreign keys of an entity whose targets exist.
pub fn links(child: &'static Entity) -> impl Iterator<Item = Link> {
    let foreigns = child.foreigns().filter(|_| !child.no_addresses);
    foreigns.filter_map(move |field| {
        let Kind::Foreign { kind, .. } = &field.kind else {
            return None;
        };
        let parent = entities::find(kind)?;
        Some(Link {
            parent,
            child,
            field: &field.name,
        })
    })
}

fn of_entity(found: &mut Vec<Endpoint>, entity: &'static Entity) {
    if entity.nested_only || entity.no_addresses {
        return;
    }
    let collection = format!("/{}", entity.path);
    let item = format!("{collection}/{{{}}}", entity.kind);
    push(found, collection, COLLECTION, Action::Collection(entity));
    push(found, item, ITEM, Action::Item(entity));
}

fn of_link(found: &mut Vec<Endpoint>, link: Link, aliases: bool) {
    let Link {
        parent,
        child,
        field,
    } = link;
    let name = child.nested_path.unwrap_or(child.path);
    let children = format!("/{}/{{{}}}/{name}", parent.path, parent.kind);
    let one = format!("{children}/{{{}}}", child.kind);
    if aliases && parent.kind == "services" && child.kind == "plugins" {
        push_alias(found, "/apis", COLLECTION, Action::Fixed(Fixed::Apis));
        push_alias(found, "/apis/{services}", ITEM, Action::Fixed(Fixed::Api));
        push_alias(
            found,
            "/apis/{services}/plugins",
            COLLECTION,
            Action::Children(link),
        );
        push_alias(
            found,
            "/apis/{services}/plugins/{plugins}",
            ITEM,
            Action::Child(link),
        );
    }
    push(found, children, COLLECTION, Action::Children(link));
    push(found, one, ITEM, Action::Child(link));
    if child.nested_only || child.no_way_up {
        return;
    }
    let up = format!("/{}/{{{}}}/{field}", child.path, child.kind);
    push(found, up, ITEM, Action::Parent(link));
}

fn push(found: &mut Vec<Endpoint>, path: String, methods: &'static [Method], action: Action) {
    found.push(Endpoint {
        path,
        methods,
        action,
        alias: false,
    });
}

/// An old spelling.
fn push_alias(found: &mut Vec<Endpoint>, path: &str, methods: &'static [Method], action: Action) {
    found.push(Endpoint {
        path: path.to_owned(),
        methods,
        action,
        alias: true,
    });
}

impl Action {
    /// Whether writes to the address change documents and nothing else, so that they can be tried.
    pub fn writes_documents(self) -> bool {
        match self {
            Action::Fixed(fixed) => matches!(
                fixed,
                Fixed::Batch
                    | Fixed::Declarative
                    | Fixed::Apis
                    | Fixed::Api
                    | Fixed::GroupConsumers
                    | Fixed::GroupConsumer
                    | Fixed::ConsumerGroups
                    | Fixed::ConsumerGroup
            ),
            _ => true,
        }
    }

    /// Whether there is no such address where custom plugins are switched off.
    pub fn is_of_custom_plugins(self) -> bool {
        match self {
            Action::Collection(entity) | Action::Item(entity) => entity.kind == CustomPlugin::KIND,
            Action::Fixed(fixed) => {
                matches!(
                    fixed,
                    Fixed::ValidateCustomPlugin | Fixed::CustomPluginStatus
                )
            }
            _ => false,
        }
    }

    /// Whether the address was made from the entity list.
    pub fn is_of_entity(self) -> bool {
        !matches!(self, Action::Fixed(_))
    }
}

/// The endpoint of a path: of several that fit, the one that says more of it.
pub fn find<'e>(endpoints: &'e [Arc<Endpoint>], path: &str) -> Option<&'e Endpoint> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let fitting = endpoints.iter().filter(|endpoint| endpoint.fits(path));
    let found = fitting.min_by_key(|endpoint| endpoint.path.matches('{').count());
    found.map(|endpoint| &**endpoint)
}

impl Endpoint {
    fn fits(&self, path: &str) -> bool {
        let (mut pattern, mut sent) = (self.path.split('/'), path.split('/'));
        loop {
            match (pattern.next(), sent.next()) {
                (None, None) => return true,
                (Some(open), Some(given)) if open.starts_with('{') && !given.is_empty() => {}
                (Some(fixed), Some(given)) if fixed == given => {}
                _ => return false,
            }
        }
    }

    pub fn takes(&self, method: &Method) -> bool {
        self.methods.contains(method)
    }

    /// Whether a write may be YAML, and as long as a whole configuration is.
    pub fn takes_text(&self) -> bool {
        matches!(self.action, Action::Fixed(Fixed::Declarative))
    }

    /// The `Allow` header: sorted, with the methods every address has.
    pub fn allow(&self) -> String {
        let mut names: Vec<&str> = self.methods.iter().map(Method::as_str).collect();
        names.push("OPTIONS");
        if self.takes(&Method::GET) {
            names.push("HEAD");
        }
        names.sort_unstable();
        names.join(", ")
    }

    /// `path` as logs and the audit may tell it: without the keys of credentials.
    pub fn told(&self, path: &str) -> String {
        let hidden = |(pattern, sent): (&str, &str)| {
            let kind = pattern.strip_prefix('{')?.strip_suffix('}')?;
            let entity = entities::find(kind)?;
            let secret = entity.lookup.is_some_and(|field| entity.is_secret(field));
            (secret && lookup::id(sent).is_none()).then_some(HIDDEN)
        };
        let patterns = self.path.split('/').chain(std::iter::repeat(""));
        let segments: Vec<&str> = patterns
            .zip(path.split('/'))
            .map(|(pattern, sent)| hidden((pattern, sent)).unwrap_or(sent))
            .collect();
        segments.join("/")
    }

    /// The segments of `path` that stand for `{…}`, as they were sent.
    pub fn keys<'a>(&self, path: &'a str) -> Vec<&'a str> {
        let pattern = self.path.split('/');
        pattern
            .zip(path.split('/'))
            .filter(|(expected, _)| expected.starts_with('{'))
            .map(|(_, sent)| sent)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(path: &str) -> Endpoint {
        let found = all(true).into_iter().find(|endpoint| endpoint.path == path);
        found.unwrap_or_else(|| panic!("no endpoint '{path}'"))
    }

    #[test]
    fn addresses_follow_from_the_entity_list() {
        let paths = [
            ("/services", "GET, HEAD, OPTIONS, POST"),
            (
                "/services/{services}",
                "DELETE, GET, HEAD, OPTIONS, PATCH, PUT",
            ),
            (
                "/services/{services}/routes/{routes}",
                "DELETE, GET, HEAD, OPTIONS, PATCH, PUT",
            ),
            (
                "/routes/{routes}/service",
                "DELETE, GET, HEAD, OPTIONS, PATCH, PUT",
            ),
            ("/routes/{routes}/plugins", "GET, HEAD, OPTIONS, POST"),
            (
                "/consumers/{consumers}/key-auth/{keyauth_credentials}",
                "DELETE, GET, HEAD, OPTIONS, PATCH, PUT",
            ),
            (
                "/key-auths/{keyauth_credentials}/consumer",
                "DELETE, GET, HEAD, OPTIONS, PATCH, PUT",
            ),
            ("/consumers/{consumers}/acls", "GET, HEAD, OPTIONS, POST"),
            ("/", "GET, HEAD, OPTIONS"),
            ("/schemas/plugins/validate", "OPTIONS, POST"),
        ];
        for (path, allow) in paths {
            assert_eq!(find(path).allow(), allow, "{path}");
        }
    }

    #[test]
    fn a_slash_sorts_before_everything_else() {
        let listed = all(false);
        let position = |path: &str| listed.iter().position(|endpoint| endpoint.path == path);
        assert_eq!(position("/"), Some(0));
        assert!(position("/services/{services}/routes") < position("/status"));
        assert!(
            listed
                .iter()
                .all(|endpoint| !endpoint.path.starts_with("/apis"))
        );
    }

    #[test]
    fn what_is_nested_only_has_no_address_at_the_top() {
        let paths: Vec<String> = all(true)
            .into_iter()
            .map(|endpoint| endpoint.path)
            .collect();
        assert!(paths.iter().all(|path| !path.starts_with("/targets")));
        let nested = paths.iter().filter(|path| path.contains("/targets"));
        assert_eq!(
            nested.collect::<Vec<_>>(),
            [
                "/upstreams/{upstreams}/targets",
                "/upstreams/{upstreams}/targets/all",
                "/upstreams/{upstreams}/targets/{targets}",
            ]
        );
    }

    #[test]
    fn a_path_is_that_of_the_endpoint_that_says_most_of_it() {
        let endpoints: Vec<_> = all(false).into_iter().map(Arc::new).collect();
        let cases = [
            ("/services", Some("/services")),
            ("/services/", Some("/services")),
            ("/services/a", Some("/services/{services}")),
            ("/plugins/enabled", Some("/plugins/enabled")),
            ("/plugins/x", Some("/plugins/{plugins}")),
            (
                "/services/a/routes/b",
                Some("/services/{services}/routes/{routes}"),
            ),
            ("/services/a/nothing", None),
            ("/services//routes", None),
            ("services", None),
            ("", None),
        ];
        for (path, expected) in cases {
            let found = super::find(&endpoints, path);
            assert_eq!(found.map(|found| found.path.as_str()), expected, "{path}");
        }
    }

    #[test]
    fn keys_are_the_segments_that_the_path_leaves_open() {
        let endpoint = find("/services/{services}/routes/{routes}");
        assert_eq!(endpoint.keys("/services/a%20b/routes/r/"), ["a%20b", "r"]);
    }

    #[test]
    fn a_path_is_told_without_the_key_of_a_credential() {
        let id = "00000000-0000-4000-8000-000000000001";
        let nested = "/consumers/{consumers}/key-auth/{keyauth_credentials}";
        for (pattern, path, told) in [
            (
                nested,
                "/consumers/c/key-auth/open",
                "/consumers/c/key-auth/******",
            ),
            (
                "/key-auths/{keyauth_credentials}",
                "/key-auths/open/",
                "/key-auths/******/",
            ),
            (
                "/key-auths/{keyauth_credentials}/consumer",
                "/key-auths/open/consumer",
                "/key-auths/******/consumer",
            ),
            (
                "/services/{services}",
                "/services/orders",
                "/services/orders",
            ),
        ] {
            assert_eq!(find(pattern).told(path), told);
        }
        let by_id = format!("/key-auths/{id}");
        assert_eq!(find("/key-auths/{keyauth_credentials}").told(&by_id), by_id);
    }
}
