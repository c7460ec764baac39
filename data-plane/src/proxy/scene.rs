//! Requests for tests: a context as it is when plugins get it, without a socket.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Version};
use serde_json::Value;
use shared::model::Model;
use shared::plugins::Catalog;
use shared::sync::State;
use uuid::Uuid;

use super::body::RequestBody;
use super::ctx::Ctx;
use crate::config::Config;
use crate::listen::Connection;
use crate::runtime::{Pinned, ProxySettings, Runtime};

/// What a request meets, and what it is.
pub(crate) struct Scene {
    /// The node's settings.
    pub(crate) config: Config,
    /// Kind and document; defaults are filled in.
    pub(crate) documents: Vec<(&'static str, Value)>,
    /// The client's address.
    pub(crate) peer: SocketAddr,
    /// Whether it speaks TLS.
    pub(crate) tls: bool,
    /// `GET`
    pub(crate) method: &'static str,
    /// Path and query.
    pub(crate) target: &'static str,
    pub(crate) version: Version,
    /// Host is one of them.
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) body: Option<&'static [u8]>,
    /// Whether a route has been looked for.
    pub(crate) routed: bool,
}

impl Default for Scene {
    /// `GET /` for `a.test`, from 10.1.2.3, to a node without any document.
    fn default() -> Self {
        Self {
            config: Config::default(),
            documents: Vec::new(),
            peer: SocketAddr::from(([10, 1, 2, 3], 4567)),
            tls: false,
            method: "GET",
            target: "/",
            version: Version::HTTP_11,
            headers: vec![("host", "a.test")],
            body: None,
            routed: true,
        }
    }
}

impl Scene {
    /// A revision that holds the documents.
    pub(crate) fn runtime(&self) -> Runtime {
        let mut state = State::new();
        for (kind, document) in &self.documents {
            let entity = shared::entities::find(kind).expect("a known kind");
            let document = document.as_object().expect("an object").clone();
            let document = entity.schema.complete(None, document);
            let id = Uuid::parse_str(document["id"].as_str().expect("an id")).expect("an id");
            state.insert(&(*kind).into(), id, shared::sync::canonical(&document));
        }
        let model = Model::build(&state, None, Catalog::builtin()).expect("good documents");
        let settings = Arc::new(ProxySettings::new(&self.config));
        Runtime::build(Arc::new(model), None, None, settings).holding(state)
    }

    /// The request, as the access phase gets it; or if no route is wanted, as the rewrite phase does.
    pub(crate) fn ctx(&self) -> Box<Ctx> {
        let runtime = Pinned::new(Arc::new(self.runtime()));
        let local = SocketAddr::from(([127, 0, 0, 1], if self.tls { 8443 } else { 8000 }));
        let settings = Arc::new(ProxySettings::new(&self.config));
        let conn = Connection::new(self.peer, local, self.tls, None, settings);
        let mut request = Request::builder()
            .method(self.method)
            .uri(self.target)
            .version(self.version);
        for (name, value) in &self.headers {
            request = request.header(*name, *value);
        }
        let body = match self.body {
            Some(body) => RequestBody::Full(Bytes::from_static(body)),
            None => RequestBody::Empty,
        };
        let request = request.body(body).expect("a request");
        let mut ctx = Ctx::new(runtime, Rc::new(conn), request);
        assert!(ctx.check().is_ok(), "the request is a good one");
        if self.routed && ctx.find_route().is_ok() {
            ctx.tell_upstream();
        }
        ctx
    }
}
