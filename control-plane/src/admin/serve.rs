//! What all requests share: methods, body types and limits, CORS, and the headers of every answer.

use super::access::Caller;
use super::body::{self, Arguments, Encoding};
use super::endpoints::{Action, Endpoint, Fixed};
use super::error::Failure;
use super::query::Query;
use super::reply::Reply;
use super::wait::Wait;
use super::{
    Admin, Answer, access, apis, batch, cors, crud, custom_plugins, debug, declarative, dry_run,
    groups, list, nested, nodes, openapi, schemas, status, tags, targets, upload,
};
use crate::store::Author;
use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};
use percent_encoding::percent_decode_str;
use std::sync::Arc;
use std::time::Instant;

const SERVER: HeaderValue =
    HeaderValue::from_static(concat!("headgate/", env!("CARGO_PKG_VERSION")));
const LATENCY: HeaderName = HeaderName::from_static("x-kong-admin-latency");

/// A request for an address that exists, ready to be acted on.
pub struct Call<'a> {
    pub admin: &'a Admin,
    /// HEAD arrives as GET.
    pub method: Method,
    /// As it was sent.
    pub path: &'a str,
    /// The decoded segments that the address leaves open.
    pub keys: Vec<String>,
    pub query: Query,
    pub arguments: Arguments,
    /// Who asks.
    pub caller: Caller,
    /// The same, for the change log and the audit.
    pub author: Author,
    /// Whether a write is answered only after nodes run it.
    pub wait: Option<Wait>,
}

impl Call<'_> {
    pub fn key(&self, position: usize) -> &str {
        &self.keys[position]
    }
}

/// A request for a known address.
pub async fn endpoint(admin: Arc<Admin>, endpoint: Arc<Endpoint>, request: Request) -> Response {
    let begun = Instant::now();
    let _serving = admin.traffic.begin();
    let (head, body) = request.into_parts();
    if head.method == Method::TRACE {
        return trace();
    }
    let reply = match head.method {
        Method::OPTIONS => options(&endpoint, &head.headers),
        _ => answer(&admin, &endpoint, &head, body)
            .await
            .unwrap_or_else(Failure::into_reply),
    };
    let path = endpoint.told(head.uri.path());
    tracing::debug!(method = %head.method, path, status = reply.status.as_u16(), "admin request");
    dress(&admin, &head, reply, begun)
}

/// A request for anything else.
pub async fn unknown(admin: Arc<Admin>, request: Request) -> Response {
    let begun = Instant::now();
    let _serving = admin.traffic.begin();
    let (head, _) = request.into_parts();
    if head.method == Method::TRACE {
        return trace();
    }
    let arrival = head.extensions.get();
    // Whoever must have a token does not learn which addresses there are.
    let failure = match admin.identify(arrival, &head.headers).await {
        Ok(_) => Failure::not_found(),
        Err(refused) => refused,
    };
    dress(&admin, &head, failure.into_reply(), begun)
}

async fn answer(admin: &Admin, endpoint: &Endpoint, head: &Parts, body: Body) -> Answer {
    let arrival = head.extensions.get();
    let caller = admin
        .admit(arrival, &head.headers, &endpoint.action, &head.method)
        .await?;
    let query = Query::parse(head.uri.query())?;
    let encoding = match head.method {
        // The body of any other method is ignored, even a malformed one.
        Method::POST | Method::PUT | Method::PATCH => {
            body::encoding(&head.headers, body.is_end_stream(), endpoint.takes_text())?
        }
        _ => Encoding::None,
    };
    let method = match head.method {
        Method::HEAD => Method::GET,
        ref other => other.clone(),
    };
    if !endpoint.takes(&method) {
        return Err(Failure::method_not_allowed());
    }
    let arguments = match encoding {
        Encoding::None => Arguments::default(),
        _ if endpoint.takes_text() => {
            let limit = upload::Limit::of_files(&admin.config);
            let bytes = upload::read(body, &head.headers, limit).await?;
            declarative::arguments(encoding, &head.headers, bytes).await?
        }
        _ => {
            let limit = upload::Limit::of_bodies(&admin.config);
            let bytes = upload::read(body, &head.headers, limit).await?;
            body::decode(encoding, &head.headers, bytes).await?
        }
    };
    let path = head.uri.path();
    let wait = match method {
        Method::GET => None,
        _ => Wait::parse(&query)?,
    };
    let dry_run = method != Method::GET && dry_run::wanted(&query)?;
    let admin = match dry_run {
        true if !endpoint.action.writes_documents() => return Err(dry_run::impossible()),
        true => admin.staged().await?,
        false => admin.clone(),
    };
    let admin = admin.current().await?;
    let call = Call {
        admin: &admin,
        caller: caller.clone(),
        method,
        path,
        author: caller.author(format!("{} {}", head.method, endpoint.told(path))),
        keys: keys(endpoint, path)?,
        wait,
        query,
        arguments,
    };
    let reply = act(endpoint.action, call).await?;
    match dry_run {
        false => Ok(reply),
        true => dry_run::report(&admin, &reply).await,
    }
}

async fn act(action: Action, call: Call<'_>) -> Answer {
    match action {
        Action::Fixed(fixed) => act_fixed(fixed, call).await,
        of_entity => act_on_entity(of_entity, call).await,
    }
}

/// Does what an address that was made from the entity list stands for.
pub async fn act_on_entity(action: Action, call: Call<'_>) -> Answer {
    match action {
        Action::Collection(entity) if call.method == Method::GET => {
            list::collection(&call, entity).await
        }
        Action::Collection(entity) => crud::create(call, entity, None).await,
        Action::Item(entity) if groups::is_shown_whole(entity, &call.method) => {
            groups::show(&call).await
        }
        Action::Item(entity) => crud::item(call, entity).await,
        Action::Children(link) => nested::children(call, link).await,
        Action::Child(link) => nested::child(call, link).await,
        Action::Parent(link) => nested::parent(call, link).await,
        Action::Fixed(_) => Err(Failure::not_found()),
    }
}

async fn act_fixed(fixed: Fixed, call: Call<'_>) -> Answer {
    match fixed {
        Fixed::Root => status::root(&call).await,
        Fixed::Status => status::status(&call).await,
        Fixed::Endpoints => Ok(status::endpoints(&call)),
        Fixed::OpenApi => openapi::serve(&call),
        Fixed::Robots => Ok(Reply::text(StatusCode::OK, "User-agent: *\nDisallow: /")),
        Fixed::EnabledPlugins => Ok(schemas::enabled_plugins(&call)),
        Fixed::EntitySchema => schemas::entity(&call),
        Fixed::PluginSchema => schemas::plugin(&call),
        Fixed::PluginConfigSchema => schemas::plugin_config(&call),
        Fixed::ValidateEntity => schemas::validate_entity(call).await,
        Fixed::ValidatePlugin => schemas::validate_plugin(call).await,
        Fixed::Declarative => declarative::config(call).await,
        Fixed::VaultSchema => schemas::vault(&call),
        Fixed::ValidateVault => schemas::validate_vault(call).await,
        Fixed::Tags => tags::all(&call).await,
        Fixed::Tag => tags::one(&call).await,
        Fixed::FilterChains => Err(Failure::bad_request(
            "this endpoint is only available when wasm is enabled",
        )),
        Fixed::ClusterNodes => nodes::kong_list(&call),
        Fixed::ClusterStatus => Ok(nodes::kong_status(&call)),
        Fixed::Nodes => Ok(nodes::list(&call)),
        Fixed::Tokens => nodes::create_token(call).await,
        Fixed::AdminTokens => access::tokens(call).await,
        Fixed::AdminToken => access::token(call).await,
        Fixed::Apis => apis::collection(call).await,
        Fixed::Api => apis::item(call).await,
        Fixed::Audit => access::audit(&call).await,
        Fixed::Cache => Ok(debug::clear(&call)),
        Fixed::CacheKey => debug::cached(&call),
        Fixed::LogLevel => Ok(debug::log_level(&call)),
        Fixed::SetLogLevel => debug::set_log_level(&call),
        Fixed::AllTargets => targets::all(&call).await,
        Fixed::UpstreamHealth => targets::health(&call).await,
        Fixed::GroupConsumers => groups::members(call, groups::GROUPS).await,
        Fixed::GroupConsumer => groups::leave(call, groups::GROUPS).await,
        Fixed::ConsumerGroups => groups::members(call, groups::CONSUMERS).await,
        Fixed::ConsumerGroup => groups::leave(call, groups::CONSUMERS).await,
        Fixed::Batch => batch::run(call).await,
        Fixed::ValidateCustomPlugin => custom_plugins::validate(call).await,
        Fixed::CustomPluginStatus => custom_plugins::status(&call).await,
    }
}

/// The open segments of the path, percent-decoded once.
pub fn keys(endpoint: &Endpoint, path: &str) -> Result<Vec<String>, Failure> {
    let decode = |segment: &str| {
        if segment.is_empty() {
            return Err(Failure::not_found());
        }
        let text = percent_decode_str(segment).decode_utf8();
        let name = match endpoint.action {
            Action::Fixed(Fixed::Tag) => "tag",
            _ => "name",
        };
        text.map(String::from)
            .map_err(|_| Failure::invalid_unique(name, format!("'{segment}' is not valid utf-8")))
    };
    endpoint.keys(path).into_iter().map(decode).collect()
}

fn options(endpoint: &Endpoint, headers: &HeaderMap) -> Reply {
    let allow = HeaderValue::from_str(&endpoint.allow()).expect("method names are visible ASCII");
    let requested = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let allowed = requested
        .cloned()
        .unwrap_or(HeaderValue::from_static("Content-Type"));
    Reply::empty(StatusCode::NO_CONTENT)
        .with(header::ALLOW, allow.clone())
        .with(header::ACCESS_CONTROL_ALLOW_METHODS, allow)
        .with(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed)
}

/// Kong's web server refuses this method before Kong sees it.
fn trace() -> Response {
    const PAGE: &str = "<html>\r\n<head><title>405 Not Allowed</title></head>\r\n<body>\r\n\
        <center><h1>405 Not Allowed</h1></center>\r\n</body>\r\n</html>\r\n";
    let mut response = Response::new(Body::from(PAGE));
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=UTF-8"),
    );
    response
}

/// Adds the headers that every answer has.
fn dress(admin: &Admin, head: &Parts, reply: Reply, begun: Instant) -> Response {
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    headers.extend(reply.headers);
    let origin = cors::allowed(&admin.config, head.headers.get(header::ORIGIN));
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
        HeaderValue::from_static("true"),
    );
    if admin.config.headers.server {
        headers.insert(header::SERVER, SERVER);
    }
    if admin.config.headers.admin_latency {
        let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        headers.insert(LATENCY, HeaderValue::from(millis));
    }
    response
}
