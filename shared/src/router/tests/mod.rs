//! The router as a whole. Each rule has its table; the last word is a slow and obvious matcher that must agree.

mod matching;
mod order;
mod reference;
mod scale;

use super::*;
use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// A route as a test writes it.
#[derive(Clone, Debug, Default)]
struct Sample {
    id: u128,
    methods: Vec<String>,
    hosts: Option<Vec<String>>,
    paths: Vec<String>,
    headers: Vec<(String, Vec<String>)>,
    snis: Vec<String>,
    regex_priority: i64,
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| text.to_string()).collect()
}

impl Sample {
    fn id(mut self, id: u128) -> Sample {
        self.id = id;
        self
    }

    fn methods(mut self, methods: &[&str]) -> Sample {
        self.methods = owned(methods);
        self
    }

    fn hosts(mut self, hosts: &[&str]) -> Sample {
        self.hosts = Some(owned(hosts));
        self
    }

    fn paths(mut self, paths: &[&str]) -> Sample {
        self.paths = owned(paths);
        self
    }

    fn header(mut self, name: &str, values: &[&str]) -> Sample {
        self.headers.push((name.to_string(), owned(values)));
        self
    }

    fn snis(mut self, snis: &[&str]) -> Sample {
        self.snis = owned(snis);
        self
    }

    fn regex_priority(mut self, priority: i64) -> Sample {
        self.regex_priority = priority;
        self
    }

    fn input(&self, index: u32) -> RouteInput<'_> {
        fn texts(texts: &[String]) -> Vec<&str> {
            texts.iter().map(String::as_str).collect()
        }
        RouteInput {
            index,
            id: Uuid::from_u128(self.id),
            methods: texts(&self.methods),
            hosts: self.hosts.as_deref().map(texts),
            paths: self.paths.iter().map(|path| PathInput::new(path)).collect(),
            headers: self
                .headers
                .iter()
                .map(|(name, values)| (name.as_str(), texts(values)))
                .collect(),
            snis: texts(&self.snis),
            regex_priority: self.regex_priority,
        }
    }
}

fn any() -> Sample {
    Sample::default()
}

fn router(samples: &[Sample]) -> Router {
    Router::build(
        (0..)
            .zip(samples)
            .map(|(index, sample)| sample.input(index)),
        None,
    )
}

/// A request as a test writes it. `host` is the header's value.
#[derive(Clone, Debug)]
struct Request {
    method: &'static str,
    host: Option<String>,
    path: String,
    headers: HeaderMap,
    sni: Option<String>,
    https: bool,
}

/// The port that the requests of tests came in by.
const LISTENING: u16 = 8000;

fn get(path: &str) -> Request {
    Request {
        method: "GET",
        host: Some("gateway.test".to_string()),
        path: path.to_string(),
        headers: HeaderMap::new(),
        sni: None,
        https: false,
    }
}

impl Request {
    fn method(mut self, method: &'static str) -> Request {
        self.method = method;
        self
    }

    fn host(mut self, host: &str) -> Request {
        self.host = Some(host.to_string());
        self
    }

    fn no_host(mut self) -> Request {
        self.host = None;
        self
    }

    fn header(mut self, name: &str, value: &[u8]) -> Request {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
        self.headers.append(
            name,
            HeaderValue::from_bytes(value).expect("a header value"),
        );
        self
    }

    fn sni(mut self, sni: &str) -> Request {
        (self.sni, self.https) = (Some(sni.to_string()), true);
        self
    }

    fn https(mut self) -> Request {
        self.https = true;
        self
    }

    fn query(&self) -> Query<'_> {
        let (host, port) = match &self.host {
            Some(host) => {
                let (host, port) = split_host(host, LISTENING);
                (Some(host), port)
            }
            None => (None, LISTENING),
        };
        Query {
            method: self.method,
            host,
            port,
            path: &self.path,
            headers: &self.headers,
            sni: self.sni.as_deref(),
            https: self.https,
        }
    }
}

/// Which of the samples the request goes to.
fn matched(samples: &[Sample], request: &Request) -> Option<u32> {
    router(samples)
        .find(&request.query())
        .map(|found| found.index)
}
