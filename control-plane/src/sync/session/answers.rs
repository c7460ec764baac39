//! What a node says in the course of a session.

use super::super::nodes::{LastNack, PluginHealth};
use super::super::record;
use super::super::rollout::Event;
use super::greeting::version;
use super::{Over, Session};
use shared::sync::proto::ack::Stage;
use shared::sync::proto::from_node::M as From;
use shared::sync::proto::nack::Code;
use shared::sync::proto::{self, Ack, FromNode, Nack};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Texts of a Nack that are kept.
const ISSUES: usize = 20;

/// Plugins of which a node's word is kept.
const PLUGINS: usize = 1000;

impl Session {
    pub(super) fn take(&mut self, message: FromNode) -> Result<(), Over> {
        self.last_heard = Instant::now();
        match message.m {
            Some(From::Ack(ack)) => self.acknowledged(ack),
            Some(From::Nack(nack)) => self.rejected(nack),
            Some(From::Heartbeat(heartbeat)) => {
                self.node_clock = heartbeat.sent_ms;
                self.shared.nodes.heard(self.node, self.number);
                Ok(())
            }
            Some(From::Status(status)) => {
                let told = status.plugins.into_iter().take(PLUGINS);
                let plugins = told.map(PluginHealth::from).collect();
                self.shared.nodes.told(self.node, self.number, plugins);
                Ok(())
            }
            Some(From::Goodbye(_)) => Err(Over::Gone),
            Some(From::Hello(_)) => Err(Over::protocol("a second Hello")),
            None => Ok(()), // something newer than we are
        }
    }

    fn acknowledged(&mut self, ack: Ack) -> Result<(), Over> {
        let Some(version) = version(ack.version.as_ref())? else {
            return Err(Over::protocol("an Ack without a version"));
        };
        match ack.stage() {
            Stage::Durable => self.shared.nodes.durable(self.node, self.number, version),
            Stage::Applied => {
                let asked = self
                    .outstanding
                    .take_if(|update| update.id == ack.update_id && update.target == version);
                let Some(update) = asked else {
                    return Err(Over::protocol("an Ack of something that was not sent"));
                };
                self.last_build = Duration::from_millis(ack.build_ms.into());
                self.peer.applied(version);
                self.shared.nodes.applied(self.node, self.number, version);
                self.shared.tell(Event::Applied {
                    node: self.node,
                    version,
                });
                let (node, revision, took) = (self.node, version.revision, update.began.elapsed());
                tracing::debug!(%node, revision, ?took, build_ms = ack.build_ms, "update applied");
            }
            Stage::Unspecified => return Err(Over::protocol("an Ack of an unknown stage")),
        }
        Ok(())
    }

    fn rejected(&mut self, nack: Nack) -> Result<(), Over> {
        let Some(update) = self
            .outstanding
            .take_if(|update| update.id == nack.update_id)
        else {
            return Err(Over::protocol("a Nack of something that was not sent"));
        };
        let code = nack.code();
        let issues: Vec<String> = nack.issues.iter().take(ISSUES).map(describe).collect();
        tracing::warn!(node = %self.node, revision = update.target.revision, code = code.as_str_name(), ?issues, "update rejected");
        let last = LastNack {
            revision: update.target.revision,
            code: code.as_str_name().to_owned(),
            at: record::now(),
            issues: issues.clone(),
        };
        self.shared.nodes.refused(self.node, self.number, last);
        self.peer.rejected(update.target, code, Instant::now());
        if matches!(code, Code::Invalid | Code::Build | Code::Limit) {
            let reason = format!("{}: {}", code.as_str_name(), issues.join("; "));
            self.shared.tell(Event::Refused {
                node: self.node,
                digest: update.target.digest,
                reason,
            });
        }
        Ok(())
    }
}

fn describe(issue: &proto::Issue) -> String {
    let id = Uuid::from_slice(&issue.id).map_or_else(|_| String::new(), |id| id.to_string());
    let place = [
        issue.kind.as_str(),
        issue.name.as_str(),
        id.as_str(),
        issue.field.as_str(),
    ];
    let place: Vec<&str> = place.into_iter().filter(|part| !part.is_empty()).collect();
    if place.is_empty() {
        issue.message.clone()
    } else {
        format!("{}: {}", place.join(" "), issue.message)
    }
}
