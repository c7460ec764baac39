//! Load on one address: by `wrk` if it is installed, else by the harness itself (slower, so it says so).

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use tests::Request;
use tests::traffic::Load;

pub const CONNECTIONS: usize = 48;

/// What to ask for.
#[derive(Clone)]
pub struct Question {
    pub address: SocketAddr,
    pub path: String,
    pub headers: &'static [(&'static str, &'static str)],
}

impl Question {
    pub fn new(
        address: SocketAddr,
        path: impl Into<String>,
        headers: &'static [(&'static str, &'static str)],
    ) -> Question {
        Question {
            address,
            path: path.into(),
            headers,
        }
    }
}

pub fn wrk_is_there() -> bool {
    Command::new("wrk").arg("-v").output().is_ok()
}

/// Asks for so long; gives how many answers came. Anything but a success is an error.
pub async fn ask(question: &Question, length: Duration, wrk: bool) -> anyhow::Result<u64> {
    if wrk {
        by_wrk(question, length)
    } else {
        by_harness(question, length).await
    }
}

fn by_wrk(question: &Question, length: Duration) -> anyhow::Result<u64> {
    let mut command = Command::new("wrk");
    command.args([
        "-t1",
        "-c",
        &CONNECTIONS.to_string(),
        "-d",
        &format!("{}s", length.as_secs()),
    ]);
    for (name, value) in question.headers {
        command.args(["-H", &format!("{name}: {value}")]);
    }
    let output = command
        .arg(format!("http://{}{}", question.address, question.path))
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    if text.contains("Non-2xx") || text.contains("Socket errors") || !output.status.success() {
        bail!("{}{} fails: {text}", question.address, question.path);
    }
    let line = text
        .lines()
        .find(|line| line.contains(" requests in "))
        .context("wrk says how many requests")?;
    Ok(line.trim().split(' ').next().unwrap_or_default().parse()?)
}

async fn by_harness(question: &Question, length: Duration) -> anyhow::Result<u64> {
    let request = Request::get(&question.path);
    let request = question
        .headers
        .iter()
        .fold(request, |request, (name, value)| {
            request.header(name, value)
        });
    let load = Load::checked(
        question.address,
        request,
        CONNECTIONS,
        |reply| match reply.status {
            200 => Ok(()),
            _ => Err(reply.to_string()),
        },
    );
    tokio::time::sleep(length).await;
    let outcome = load.stop().await;
    if outcome.failures > 0 {
        bail!(
            "{}{} fails: {:?}",
            question.address,
            question.path,
            outcome.described.first()
        );
    }
    Ok(outcome.requests as u64)
}
