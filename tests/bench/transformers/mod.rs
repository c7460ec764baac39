//! What the transformers cost: each case beside the same request without plugins and beside nginx doing the same in Lua.
//!
//! Read [`cases`] (what is configured and asked), [`lua`] (the same for nginx), [`report`] (what the figures say of the
//! aims). Instructions are counted, not timed, and so hold on a busy machine; ratios do not.

pub mod cases;
mod lua;
mod memory;
mod report;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use ::tests::Request;

use crate::alone::{self, Alone};
use crate::cpu::{cores, model, pin, used};
use crate::load::{Question, ask, wrk_is_there};
use crate::peers::{self, Peer};
use cases::{ASKED, Asked, CASES, Case};

/// Everything that was measured.
#[derive(Default)]
struct Figures {
    /// User instructions per request, by route of the node.
    instructions: BTreeMap<&'static str, f64>,
    /// Requests per CPU-second, round by round.
    speeds: BTreeMap<Target, Vec<f64>>,
    memory: Option<memory::Streamed>,
}

/// Whose CPU is counted, on which route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Node(&'static str),
    Nginx(&'static str),
}

/// `rounds` of `seconds` for each target, and `counted` requests for the instructions; either may be 0.
pub async fn run(rounds: usize, seconds: usize, counted: usize) -> anyhow::Result<()> {
    if !peers::installed("nginx", "-v") {
        anyhow::bail!("nginx is needed, as the upstream (Debian: nginx)");
    }
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    let (own, other) = cores();
    println!(
        "{all} cores ({}); the proxy measured has core {own}, load and upstream core {other}",
        model()
    );
    let folder = tempfile::tempdir()?;
    pin(other);
    let upstream = peers::upstream(folder.path())?;
    let mut figures = Figures::default();
    if counted > 0 {
        count(folder.path(), upstream.address, counted, &mut figures).await?;
    }
    let nginx = rival(folder.path(), upstream.address, own, other);
    let node = node(folder.path(), upstream.address, own, other).await?;
    if rounds > 0 {
        let length = Duration::from_secs(seconds as u64);
        time(&node, nginx.as_ref(), rounds, length, &mut figures).await?;
    }
    figures.memory = Some(memory::streamed(&node).await?);
    report::print(&figures);
    Ok(())
}

/// nginx with the cases in Lua; says so if there can be none.
fn rival(folder: &Path, upstream: SocketAddr, own: usize, other: usize) -> Option<Peer> {
    if !peers::nginx_has_lua() {
        println!("left out: nginx with Lua is not installed (Debian: libnginx-mod-http-lua)");
        return None;
    }
    pin(own);
    let nginx = nginx(folder, upstream);
    pin(other);
    if let Err(error) = &nginx {
        println!(
            "left out: nginx with Lua does not start (Debian: libnginx-mod-http-lua, lua-cjson): {error:#}"
        );
    }
    nginx.ok()
}

fn nginx(folder: &Path, upstream: SocketAddr) -> anyhow::Result<Peer> {
    let locations = CASES.iter().map(|case| (case.route, (case.lua)()));
    peers::locations_nginx(folder, upstream, lua::LOADED, locations)
}

async fn node(
    folder: &Path,
    upstream: SocketAddr,
    own: usize,
    other: usize,
) -> anyhow::Result<Alone> {
    pin(own);
    let document = cases::document(&format!("http://{upstream}"));
    let node = Alone::start(&folder.join("node"), &document).await;
    pin(other);
    node
}

/// Every route of the node and the request it gets: those of one request together, the one without plugins first.
fn routes() -> impl Iterator<Item = (&'static str, &'static Asked)> {
    ASKED.iter().flat_map(|asked| {
        let same = |case: &&Case| case.asked.off == asked.off;
        let on = CASES.iter().filter(same).map(|case| case.route);
        std::iter::once(asked.off)
            .chain(on)
            .map(|route| (route, *asked))
    })
}

async fn count(
    folder: &Path,
    upstream: SocketAddr,
    requests: usize,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    if !alone::valgrind_is_there() {
        println!("left out: instructions; valgrind is not installed (Debian: valgrind)");
        return Ok(());
    }
    let document = cases::document(&format!("http://{upstream}"));
    for (route, asked) in routes() {
        let request = Request::get(&format!("/{route}{}", asked.path));
        let request = asked
            .headers
            .iter()
            .fold(request, |request, (name, value)| {
                request.header(name, value)
            });
        let folder = folder.join("counted");
        let each = alone::instructions(&folder, &document, &request, requests).await?;
        figures.instructions.insert(route, each);
    }
    Ok(())
}

/// Rounds of every target in turn, each round beginning with another one.
async fn time(
    node: &Alone,
    nginx: Option<&Peer>,
    rounds: usize,
    length: Duration,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let wrk = wrk_is_there();
    if !wrk {
        println!(
            "left out: wrk is not installed (Debian: wrk); the harness makes the load, slower"
        );
    }
    // What is compared is measured at nearly the same time.
    let targets: Vec<(Target, u32, Question)> = routes()
        .flat_map(|(route, asked)| {
            let path = format!("/{route}{}", asked.path);
            let question = |address| Question::new(address, path.clone(), asked.headers);
            let node = (Target::Node(route), node.process.id(), question(node.proxy));
            let rival = nginx.filter(|_| route != asked.off);
            let rival = rival.map(|it| (Target::Nginx(route), it.id(), question(it.address)));
            std::iter::once(node).chain(rival)
        })
        .collect();
    for (_, _, question) in &targets {
        ask(question, Duration::from_secs(1), wrk).await?;
    }
    for round in 0..rounds {
        for turn in 0..targets.len() {
            let (target, process, question) = &targets[(round + turn) % targets.len()];
            let before = used(*process);
            let answers = ask(question, length, wrk).await?;
            let spent = used(*process) - before;
            let speeds = figures.speeds.entry(*target).or_default();
            speeds.push(answers as f64 / spent.as_secs_f64());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
