//! The Admin API as the command line sees it: one request, one answer.

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// The longest answer that is read.
const LONGEST_ANSWER: usize = 16 << 20;

/// Where an Admin API is: `http://host:port`, with nothing behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminUrl {
    authority: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Not an address that can be spoken to.
    #[error(
        "'{0}' is not the URL of an Admin API (expected http://host:port; https is not built yet)"
    )]
    Url(String),
    /// Nobody answers.
    #[error(
        "cannot reach the Admin API at http://{authority}: {reason} (is the control plane running, and is that its admin_listen?)"
    )]
    Unreachable {
        /// Host and port.
        authority: String,
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
    /// Reads `http://host:port`; `host:port` alone is taken as well.
    pub fn parse(text: &str) -> Result<Self, AdminError> {
        let wrong = || AdminError::Url(text.to_owned());
        let with_scheme = if text.contains("://") {
            text.to_owned()
        } else {
            format!("http://{text}")
        };
        let uri: http::Uri = with_scheme.parse().map_err(|_| wrong())?;
        let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http"));
        let authority = authority.filter(|authority| !authority.as_str().contains('@'));
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(wrong());
        }
        let host = authority.ok_or_else(wrong)?;
        let authority = match host.port_u16() {
            Some(_) => host.to_string(),
            None => format!("{host}:80"),
        };
        Ok(Self { authority })
    }

    /// Sends a JSON body and gives the answer's, if the status is one of success.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, AdminError> {
        let (status, bytes) =
            self.exchange(path, body)
                .await
                .map_err(|error| AdminError::Unreachable {
                    authority: self.authority.clone(),
                    reason: error.to_string(),
                })?;
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

    async fn exchange(&self, path: &str, body: &Value) -> anyhow::Result<(StatusCode, Bytes)> {
        let stream = TcpStream::connect(&self.authority).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Ends by itself when the sender is dropped, at the end of this function.
        let connection = tokio::spawn(connection);
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(header::HOST, &self.authority)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body.to_string())))?;
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_admin_url_is_a_scheme_a_host_and_a_port() {
        for (text, authority) in [
            ("http://127.0.0.1:8001", Some("127.0.0.1:8001")),
            ("http://127.0.0.1:8001/", Some("127.0.0.1:8001")),
            ("http://[::1]:8001", Some("[::1]:8001")),
            ("cp.example:8001", Some("cp.example:8001")),
            ("http://cp.example", Some("cp.example:80")),
            ("https://cp.example:8444", None),
            ("http://cp.example:8001/services", None),
            ("http://user@cp.example:8001", None),
            ("", None),
        ] {
            let found = AdminUrl::parse(text).ok().map(|url| url.authority);
            assert_eq!(found.as_deref(), authority, "{text}");
        }
    }
}
