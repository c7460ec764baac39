//! The Admin API as the command line sees it: one request, one answer, with a token and over TLS where that is needed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use clap::{Arg, ArgMatches};
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use shared::settings::Secret;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::Config;
use crate::admin::certificate::CERTIFICATE;

/// The longest answer that is read: an export of a large configuration.
const LONGEST_ANSWER: usize = 1 << 30;

/// Where an Admin API is: `http://host:port` or `https://host:port`, with nothing behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminUrl {
    tls: bool,
    authority: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Not an address that can be spoken to.
    #[error(
        "'{0}' is not the URL of an Admin API (expected http://host:port or https://host:port)"
    )]
    Url(String),
    /// The certificates to trust cannot be read.
    #[error("cannot read the certificates in '{path}': {reason}")]
    Certificates {
        /// The file.
        path: String,
        /// What happened.
        reason: String,
    },
    /// Nobody answers.
    #[error(
        "cannot reach the Admin API at {url}: {reason} (is the control plane running, and is that its admin_listen?)"
    )]
    Unreachable {
        /// Scheme, host and port.
        url: String,
        /// What happened.
        reason: String,
    },
    /// It refuses.
    #[error("the Admin API answered {status}: {message}")]
    Refused {
        /// The status.
        status: StatusCode,
        /// Its message.
        message: String,
    },
}

impl AdminUrl {
    /// Reads `http://host:port` or `https://host:port`; `host:port` alone is taken as the former.
    ///
    /// # Errors
    /// For anything else.
    pub fn parse(text: &str) -> Result<Self, AdminError> {
        let wrong = || AdminError::Url(text.to_owned());
        let with_scheme = if text.contains("://") {
            text.to_owned()
        } else {
            format!("http://{text}")
        };
        let uri: http::Uri = with_scheme.parse().map_err(|_| wrong())?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong()),
        };
        let authority = uri.authority().map(http::uri::Authority::as_str);
        let authority = authority.filter(|authority| !authority.contains('@'));
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(wrong());
        }
        let host = authority.ok_or_else(wrong)?;
        let port = if tls { 443 } else { 80 };
        let authority = match uri.port_u16() {
            Some(_) => host.to_owned(),
            None => format!("{host}:{port}"),
        };
        Ok(Self { tls, authority })
    }
}

impl std::fmt::Display for AdminUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority)
    }
}

/// What the flags and variables of a verb say about the Admin API that it speaks to.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// The Admin API that was named, if one was.
    pub named: Option<String>,
    token: Option<Secret>,
    trusted: Option<PathBuf>,
}

impl Access {
    /// The flags that every verb of an operator has.
    pub fn flags() -> [Arg; 3] {
        let option = |name: &'static str, value: &'static str, help: &'static str| {
            Arg::new(name).long(name).value_name(value).help(help)
        };
        [
            option(
                "admin",
                "URL",
                "The Admin API to ask [else HEADGATE_ADMIN_URL, else the own admin_listen]",
            ),
            option(
                "token",
                "TOKEN",
                "The token to send [else HEADGATE_ADMIN_TOKEN, which other users of this machine do not see]",
            ),
            option(
                "admin-ca",
                "FILE",
                "Certificates to trust beside the system's, in PEM [else HEADGATE_ADMIN_CA, else admin.crt in data_dir]",
            ),
        ]
    }

    /// What was given on the command line, else in the environment.
    pub fn read(matches: &ArgMatches) -> Self {
        let given = |flag: &str, variable: &str| {
            let flag = matches.get_one::<String>(flag).cloned();
            let variable = || std::env::var(variable).ok();
            flag.or_else(variable).filter(|text| !text.is_empty())
        };
        Self {
            named: given("admin", "HEADGATE_ADMIN_URL"),
            token: given("token", "HEADGATE_ADMIN_TOKEN").map(|text| Secret::from(text.trim())),
            trusted: given("admin-ca", "HEADGATE_ADMIN_CA").map(PathBuf::from),
        }
    }
}

impl Access {
    /// With another token, if none was given.
    #[must_use]
    pub fn or_token(mut self, word: impl FnOnce() -> Option<String>) -> Self {
        let word = || word().map(|text| Secret::from(text.trim()));
        self.token = self.token.or_else(word);
        self
    }
}

/// An Admin API that can be asked.
pub struct AdminApi {
    url: AdminUrl,
    token: Option<Secret>,
    tls: Option<Arc<ClientConfig>>,
}

impl AdminApi {
    /// The Admin API at that URL, spoken to as `access` says.
    ///
    /// # Errors
    /// If the certificates to trust cannot be read.
    pub fn new(url: AdminUrl, access: &Access, config: &Config) -> Result<Self, AdminError> {
        let tls = url.tls.then(|| trust(access, config)).transpose()?;
        Ok(Self {
            url,
            token: access.token.clone(),
            tls: tls.map(Arc::new),
        })
    }

    /// Asks for a document.
    ///
    /// # Errors
    /// If nobody answers, or the status is not one of success.
    pub async fn get(&self, path: &str) -> Result<Value, AdminError> {
        self.ask(Method::GET, path, None, Bytes::new()).await
    }

    /// Sends a JSON body.
    ///
    /// # Errors
    /// As [`AdminApi::get`].
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, AdminError> {
        let body = Bytes::from(body.to_string());
        self.ask(Method::POST, path, Some("application/json"), body)
            .await
    }

    /// Deletes.
    ///
    /// # Errors
    /// As [`AdminApi::get`].
    pub async fn delete(&self, path: &str) -> Result<Value, AdminError> {
        self.ask(Method::DELETE, path, None, Bytes::new()).await
    }

    /// One request; the answer's body as JSON if the status is one of success.
    ///
    /// # Errors
    /// As [`AdminApi::get`].
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        content_type: Option<&str>,
        body: Bytes,
    ) -> Result<Value, AdminError> {
        let (status, bytes) = self.send(method, path, content_type, body).await?;
        let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if status.is_success() {
            return Ok(answer);
        }
        let message = answer["message"].as_str().map(str::to_owned);
        let text = || String::from_utf8_lossy(&bytes).into_owned();
        Err(AdminError::Refused {
            status,
            message: message.unwrap_or_else(text),
        })
    }

    /// One request, whatever the status.
    ///
    /// # Errors
    /// If nobody answers.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: Option<&str>,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), AdminError> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.url.authority);
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.expose()));
        }
        let answer = async {
            let request = request.body(Full::new(body))?;
            self.exchange(request).await
        };
        answer.await.map_err(|error| AdminError::Unreachable {
            url: self.url.to_string(),
            reason: error.to_string(),
        })
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> anyhow::Result<(StatusCode, Bytes)> {
        let stream = TcpStream::connect(&self.url.authority).await?;
        match &self.tls {
            None => speak(stream, request).await,
            Some(config) => {
                let host: http::uri::Authority = self.url.authority.parse()?;
                let host = host.host().trim_matches(['[', ']']).to_owned();
                let connector = TlsConnector::from(Arc::clone(config));
                let name = ServerName::try_from(host)?;
                speak(connector.connect(name, stream).await?, request).await
            }
        }
    }
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> anyhow::Result<(StatusCode, Bytes)> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends by itself when the sender is dropped, at the end of this function.
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let bytes = Limited::new(answer.into_body(), LONGEST_ANSWER)
        .collect()
        .await;
    let bytes = bytes.map_err(|error| anyhow::anyhow!(error))?.to_bytes();
    drop(sender);
    let _ = connection.await;
    Ok((status, bytes))
}

/// The system's certificates and the named ones; where none are named, the one that the own control plane made.
fn trust(access: &Access, config: &Config) -> Result<ClientConfig, AdminError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let made = config.data_dir.join(CERTIFICATE);
    match &access.trusted {
        Some(path) => add(&mut roots, path)?,
        None if made.exists() => add(&mut roots, &made)?,
        None => {}
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has the default versions");
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn add(roots: &mut RootCertStore, path: &Path) -> Result<(), AdminError> {
    let failed = |reason: String| AdminError::Certificates {
        path: path.display().to_string(),
        reason,
    };
    let found = CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?;
    for certificate in found {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        let added = roots.add(certificate);
        added.map_err(|error| failed(error.to_string()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_admin_url_is_a_scheme_a_host_and_a_port() {
        for (text, expected) in [
            ("http://127.0.0.1:8001", Some("http://127.0.0.1:8001")),
            ("http://127.0.0.1:8001/", Some("http://127.0.0.1:8001")),
            ("http://[::1]:8001", Some("http://[::1]:8001")),
            ("cp.example:8001", Some("http://cp.example:8001")),
            ("http://cp.example", Some("http://cp.example:80")),
            ("https://cp.example:8444", Some("https://cp.example:8444")),
            ("https://cp.example", Some("https://cp.example:443")),
            ("ftp://cp.example", None),
            ("http://cp.example:8001/services", None),
            ("http://user@cp.example:8001", None),
            ("", None),
        ] {
            let found = AdminUrl::parse(text).ok().map(|url| url.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }
}
