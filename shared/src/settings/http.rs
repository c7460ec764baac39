//! Settings about HTTP: which headers Headgate adds, where it trusts one, where it logs.

use std::path::PathBuf;

use http::HeaderName;
use serde_json::Value;

use super::SettingValue;
use super::value::pieces;

impl SettingValue for HeaderName {
    const HINT: &'static str = "the name of a header";

    fn parse(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("proxy_protocol") {
            return Err("the PROXY protocol is not built yet".to_owned());
        }
        HeaderName::from_bytes(text.as_bytes()).map_err(|_| String::new())
    }

    fn render(&self) -> String {
        self.as_str().to_owned()
    }
}

/// Where pages come from that may use the Admin API: origins such as `https://ui.example:8002`, separated by commas. Of
/// a URL with a path only the origin counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(pub Vec<String>);

impl SettingValue for Origins {
    const HINT: &'static str = "origins such as `https://ui.example:8002`, separated by commas";

    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(pieces(text).map(origin).collect::<Result<_, _>>()?))
    }

    fn render(&self) -> String {
        self.0.join(", ")
    }

    fn shown(&self) -> Value {
        Value::from(self.0.clone())
    }
}

fn origin(text: &str) -> Result<String, String> {
    let url: Option<http::Uri> = text.parse().ok();
    let scheme = url.as_ref().and_then(http::Uri::scheme_str);
    let authority = url.as_ref().and_then(http::Uri::authority);
    match (scheme, authority) {
        (Some(scheme @ ("http" | "https")), Some(authority))
            if !authority.as_str().contains('@') =>
        {
            Ok(format!("{scheme}://{authority}").to_ascii_lowercase())
        }
        _ => Err(format!(
            "'{text}' does not begin with http:// or https:// and a host"
        )),
    }
}

/// Which headers of its own Headgate puts on answers (Kong's `headers`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeaderTokens {
    /// `Server` on answers made here.
    pub server: bool,
    /// `Via` on answers of an upstream.
    pub via: bool,
    /// `X-Kong-Proxy-Latency`.
    pub proxy_latency: bool,
    /// `X-Kong-Upstream-Latency`.
    pub upstream_latency: bool,
    /// `X-Kong-Response-Latency`, on answers made here.
    pub response_latency: bool,
    /// `X-Kong-Admin-Latency`, on answers of the Admin API.
    pub admin_latency: bool,
    /// `X-Kong-Upstream-Status`.
    pub upstream_status: bool,
    /// `X-Kong-Request-Id`.
    pub request_id: bool,
}

/// A token and the headers it stands for.
type Token = (&'static str, fn(&mut HeaderTokens) -> Vec<&mut bool>);

const TOKENS: &[Token] = &[
    ("server_tokens", |t| vec![&mut t.server, &mut t.via]),
    ("latency_tokens", |t| {
        vec![
            &mut t.proxy_latency,
            &mut t.upstream_latency,
            &mut t.response_latency,
            &mut t.admin_latency,
        ]
    }),
    ("Server", |t| vec![&mut t.server]),
    ("Via", |t| vec![&mut t.via]),
    ("X-Kong-Proxy-Latency", |t| vec![&mut t.proxy_latency]),
    ("X-Kong-Upstream-Latency", |t| vec![&mut t.upstream_latency]),
    ("X-Kong-Response-Latency", |t| vec![&mut t.response_latency]),
    ("X-Kong-Admin-Latency", |t| vec![&mut t.admin_latency]),
    ("X-Kong-Upstream-Status", |t| vec![&mut t.upstream_status]),
    ("X-Kong-Request-Id", |t| vec![&mut t.request_id]),
];

impl SettingValue for HeaderTokens {
    const HINT: &'static str =
        "`off`, or a list of `server_tokens`, `latency_tokens` and single header names";

    fn parse(text: &str) -> Result<Self, String> {
        let mut tokens = Self::default();
        if text == "off" {
            return Ok(tokens);
        }
        for piece in pieces(text) {
            let known = TOKENS
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(piece));
            let Some((_, headers)) = known else {
                let names: Vec<_> = TOKENS.iter().map(|(name, _)| *name).collect();
                let hint = super::suggest::among(piece, &names);
                return Err(format!("'{piece}' is none of them {hint}")
                    .trim_end()
                    .to_owned());
            };
            for header in headers(&mut tokens) {
                *header = true;
            }
        }
        Ok(tokens)
    }

    fn render(&self) -> String {
        let mut left = *self;
        let mut names = Vec::new();
        // The tokens for several headers come first in the list, so they are used where they fit.
        for (name, headers) in TOKENS {
            if headers(&mut left).iter().all(|header| **header) {
                names.push(*name);
                for header in headers(&mut left) {
                    *header = false;
                }
            }
        }
        if names.is_empty() {
            "off".to_owned()
        } else {
            names.join(", ")
        }
    }
}

/// Which headers of its own Headgate puts on requests to upstreams (Kong's `headers_upstream`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UpstreamTokens {
    /// `X-Kong-Request-Id`.
    pub request_id: bool,
}

impl SettingValue for UpstreamTokens {
    const HINT: &'static str = "`off` or `X-Kong-Request-Id`";

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self { request_id: false }),
            _ if text.eq_ignore_ascii_case("X-Kong-Request-Id") => Ok(Self { request_id: true }),
            _ => Err(String::new()),
        }
    }

    fn render(&self) -> String {
        if self.request_id {
            "X-Kong-Request-Id"
        } else {
            "off"
        }
        .to_owned()
    }
}

/// Where a line for each request goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AccessLog {
    /// Nowhere.
    #[default]
    Off,
    /// To a file.
    File {
        /// The file, `/dev/stdout` for instance.
        path: PathBuf,
        /// One JSON object for each request instead of nginx's line.
        json: bool,
    },
}

impl SettingValue for AccessLog {
    const HINT: &'static str = "`off`, or a path, or a path followed by `json`";

    fn parse(text: &str) -> Result<Self, String> {
        let words: Vec<_> = text.split_ascii_whitespace().collect();
        match words[..] {
            ["off"] => Ok(Self::Off),
            [path] => Ok(Self::File {
                path: path.into(),
                json: false,
            }),
            [path, "json"] => Ok(Self::File {
                path: path.into(),
                json: true,
            }),
            _ => Err(String::new()),
        }
    }

    fn render(&self) -> String {
        match self {
            Self::Off => "off".to_owned(),
            Self::File { path, json: false } => path.display().to_string(),
            Self::File { path, json: true } => format!("{} json", path.display()),
        }
    }
}

/// Whose word about a certificate is taken: the system's list, files, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedCertificates {
    /// The system's list.
    pub system: bool,
    /// Files of PEM certificates.
    pub files: Vec<PathBuf>,
}

impl SettingValue for TrustedCertificates {
    const HINT: &'static str = "`system` and paths of PEM files, separated by commas";

    fn parse(text: &str) -> Result<Self, String> {
        let mut trusted = Self::default();
        for piece in pieces(text) {
            match piece {
                "system" => trusted.system = true,
                path => trusted.files.push(path.into()),
            }
        }
        Ok(trusted)
    }

    fn render(&self) -> String {
        let system = self.system.then(|| "system".to_owned());
        let files = self.files.iter().map(|path| path.display().to_string());
        system
            .into_iter()
            .chain(files)
            .collect::<Vec<_>>()
            .join(", ")
    }
}
