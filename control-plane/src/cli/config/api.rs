//! What the verbs ask of the control plane.

use std::time::Duration;

use bytes::Bytes;
use clap::ArgMatches;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use shared::declarative::{Format, Mode};

use super::Failure;
use super::file::File;
use crate::Config;
use crate::cli::admin_api::{Access, AdminApi, AdminError, AdminUrl};
use crate::cli::{PROGRAM, reach};

/// How often a long wait says that it still waits.
const PATIENCE: Duration = Duration::from_secs(5);

/// The Admin API of the control plane whose configuration it is.
pub(super) struct Api(AdminApi);

/// What loading a file did.
#[derive(Debug, Deserialize)]
pub(super) struct Counts {
    pub(super) created: u64,
    pub(super) changed: u64,
    pub(super) unchanged: u64,
    pub(super) deleted: u64,
}

impl Api {
    pub(super) fn reach(settings: &Config, verb: &ArgMatches) -> Result<Self, Failure> {
        let access = Access::read(verb);
        let api = match &access.named {
            Some(text) => AdminApi::new(AdminUrl::parse(text)?, &access, settings)?,
            None => reach::own_api(settings, &access)?.ok_or(Failure::Nobody)?,
        };
        Ok(Self(api))
    }

    /// Everything there is, as a text.
    pub(super) async fn export(&self, format: Format) -> Result<String, Failure> {
        let path = match format {
            Format::Yaml => "/config?format=yaml",
            Format::Json => "/config?format=json",
        };
        let (status, body) = self.send(Method::GET, path, None, Bytes::new()).await?;
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        match answer["config"].as_str() {
            Some(text) if status.is_success() => Ok(text.to_owned()),
            _ => Err(refused(status, &answer).into()),
        }
    }

    /// Loads a file: one revision, or none.
    pub(super) async fn load(&self, file: &File, mode: Mode) -> Result<Counts, Failure> {
        let path = match mode {
            Mode::Replace => "/config?mode=replace",
            Mode::Prune => "/config?mode=prune",
            Mode::Merge => "/config?mode=merge",
        };
        let text = Bytes::from(file.text.clone());
        let (status, body) = self
            .send(Method::POST, path, Some("text/yaml"), text)
            .await?;
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        if status == StatusCode::BAD_REQUEST && answer["code"] == 14 {
            return Err(file.mistaken_by(&answer["fields"]));
        }
        match serde_json::from_value(answer.clone()) {
            Ok(counts) if status.is_success() => Ok(counts),
            _ => Err(refused(status, &answer).into()),
        }
    }

    /// One request; says now and then that it takes long.
    async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: Option<&str>,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), AdminError> {
        let asking = self.0.send(method, path, content_type, body);
        let mut asking = std::pin::pin!(asking);
        let mut waited = Duration::ZERO;
        loop {
            match tokio::time::timeout(PATIENCE, &mut asking).await {
                Ok(answer) => return answer,
                Err(_) => {
                    waited += PATIENCE;
                    eprintln!(
                        "{PROGRAM}: waiting for the control plane, {} s",
                        waited.as_secs()
                    );
                }
            }
        }
    }
}

fn refused(status: StatusCode, answer: &Value) -> AdminError {
    let message = answer["message"].as_str().unwrap_or("no message");
    AdminError::Refused {
        status,
        message: message.to_owned(),
    }
}
