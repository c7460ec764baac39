//! A node of one worker whose configuration is a file: nothing else happens in the process that is measured.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ::tests::Request;
use ::tests::process::{Launch, Process, binary};
use ::tests::wire::Conn;
use anyhow::{Context, bail};
use serde_json::Value;

/// The node, and where it proxies.
pub struct Alone {
    pub process: Process,
    pub proxy: SocketAddr,
}

/// What runs the node.
enum Under {
    Itself,
    /// `valgrind`, which counts the instructions that the node executes itself (not the kernel's) into this file.
    Cachegrind(PathBuf),
}

impl Alone {
    /// Starts it on a declarative document.
    pub async fn start(folder: &Path, document: &Value) -> anyhow::Result<Alone> {
        Alone::launch(folder, document, Under::Itself).await
    }

    async fn launch(folder: &Path, document: &Value, under: Under) -> anyhow::Result<Alone> {
        fs::create_dir_all(folder)?;
        let file = folder.join("configuration.json");
        fs::write(&file, serde_json::to_vec(document)?)?;
        let launch = match under {
            Under::Itself => Launch::new("headgate-dp", folder),
            Under::Cachegrind(log) => Launch::other("valgrind".into(), folder).args([
                "--tool=cachegrind".to_owned(),
                "--cache-sim=no".to_owned(),
                "--cachegrind-out-file=/dev/null".to_owned(),
                format!("--log-file={}", log.display()),
                binary("headgate-dp").display().to_string(),
            ]),
        };
        let launch = launch
            .args([
                "--data-dir".to_owned(),
                folder.join("state").display().to_string(),
            ])
            .args([
                "--declarative-config".to_owned(),
                file.display().to_string(),
            ])
            .args(["--proxy-listen", "127.0.0.1:0", "--status-listen", "off"])
            .args(["--proxy-access-log", "off", "--workers", "1"]);
        let process = launch.start().await;
        let proxy = process.address("proxy");
        Ok(Alone { process, proxy })
    }
}

/// Whether instructions can be counted here.
pub fn valgrind_is_there() -> bool {
    let mut command = Command::new("valgrind");
    command.arg("--version").stdout(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// User instructions of the node for one request: a run with `many` requests less one with a few, so that starting and
/// ending cancel out.
pub async fn instructions(
    folder: &Path,
    document: &Value,
    request: &Request,
    many: usize,
) -> anyhow::Result<f64> {
    const FEW: usize = 100;
    let short = counted(folder, document, request, FEW).await?;
    let long = counted(folder, document, request, FEW + many).await?;
    Ok((long as f64 - short as f64) / many as f64)
}

async fn counted(
    folder: &Path,
    document: &Value,
    request: &Request,
    requests: usize,
) -> anyhow::Result<u64> {
    let log = folder.join("cachegrind.log");
    let mut node = Alone::launch(folder, document, Under::Cachegrind(log.clone())).await?;
    let mut conn = Conn::plain(node.proxy).await?;
    let bytes = request.bytes("bench");
    for _ in 0..requests {
        conn.send(&bytes).await?;
        let reply = conn.reply(&request.method).await;
        if reply.status != 200 || !reply.note.is_empty() {
            bail!("{} fails: {reply}", request.path);
        }
    }
    drop(conn);
    node.process.terminate();
    node.process.exit().await;
    refs(&fs::read_to_string(&log)?).with_context(|| format!("no count in {}", log.display()))
}

/// The number in the line `==123== I   refs:      1,234,567`; newer versions write `I refs:`.
fn refs(log: &str) -> Option<u64> {
    let lines = log.lines().filter_map(|line| line.split_once("refs:"));
    let mut lines = lines.filter(|(before, _)| before.contains("== I"));
    let (_, number) = lines.next()?;
    number.trim().replace(',', "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_from_what_valgrind_says() {
        for (log, expected) in [
            (
                "==7== Cachegrind\n==7== \n==7== I   refs:      1,234,567\n",
                Some(1_234_567),
            ),
            ("==7== I refs:        12\n", Some(12)),
            ("==7== D   refs:      12\n", None),
            ("==7== Process terminating\n", None),
        ] {
            assert_eq!(refs(log), expected, "{log:?}");
        }
    }
}
