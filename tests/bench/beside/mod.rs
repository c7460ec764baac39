//! What plugins cost: each case beside the same request without plugins and beside nginx doing the same in Lua.
//!
//! Read [`transformers`] and [`plugins`] (what is configured and asked), [`lua`] (the same for nginx), [`report`] (what the
//! figures say of the aims). Instructions are counted, not timed, and so hold on a busy machine; ratios do not.

mod lua;
mod memory;
pub mod plugins;
mod report;
pub mod transformers;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use ::tests::Request;

use crate::alone::{self, Alone};
use crate::cpu::{cores, model, pin, used};
use crate::load::{Question, ask, wrk_is_there};
use crate::peers::{self, Peer};
use serde_json::{Value, json};

/// A request, and so the run without plugins that a case is compared with.
#[derive(Debug)]
pub struct Asked {
    /// The route without plugins.
    pub off: &'static str,
    /// What the upstream is asked for.
    pub path: &'static str,
    /// What the client sends beside Host.
    pub headers: &'static [(&'static str, &'static str)],
    /// The size of the answer's body.
    pub bytes: usize,
}

/// One configuration.
pub struct Case {
    /// Name of its route in both proxies.
    pub route: &'static str,
    /// For the reader.
    pub title: &'static str,
    pub asked: &'static Asked,
    /// Plugins of the route.
    pub plugins: fn() -> Value,
    /// The same as directives of an nginx location.
    pub lua: fn() -> String,
}

/// Cases that are measured together.
pub struct Suite {
    pub cases: &'static [Case],
    /// Every request that the cases make.
    pub asked: &'static [&'static Asked],
    /// Plugins that the node gets as source.
    pub custom: fn() -> Value,
    /// The route whose long answers must stream.
    pub streams: Option<&'static str>,
    /// Says what the figures should be, and whether they are.
    pub aims: fn(&Figures),
}

fn plugin(name: &str, config: Value) -> Value {
    json!({ "name": name, "config": config })
}

impl Suite {
    /// Every case and every run without plugins as a route of one service.
    fn document(&self, upstream: &str) -> Value {
        let route = |name: &str, plugins: Value| json!({ "name": name, "paths": [format!("/{name}")], "plugins": plugins });
        let cases = self
            .cases
            .iter()
            .map(|case| route(case.route, (case.plugins)()));
        let off = self.asked.iter().map(|asked| route(asked.off, json!([])));
        let routes: Vec<Value> = cases.chain(off).collect();
        json!({
            "_format_version": "3.0",
            "services": [{ "name": "bench", "url": upstream, "routes": routes }],
            "custom_plugins": (self.custom)(),
            "consumers": [{ "username": "ann", "keyauth_credentials": [{ "key": "secret" }] }],
        })
    }

    /// Every route of the node and the request it gets: those of one request together, the one without plugins first.
    fn routes(&self) -> impl Iterator<Item = (&'static str, &'static Asked)> {
        self.asked.iter().flat_map(|asked| {
            let same = |case: &&Case| case.asked.off == asked.off;
            let on = self.cases.iter().filter(same).map(|case| case.route);
            std::iter::once(asked.off)
                .chain(on)
                .map(|route| (route, *asked))
        })
    }
}

/// Everything that was measured.
#[derive(Default)]
pub struct Figures {
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
pub async fn run(
    suite: &Suite,
    rounds: usize,
    seconds: usize,
    counted: usize,
) -> anyhow::Result<()> {
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
        count(
            suite,
            folder.path(),
            upstream.address,
            counted,
            &mut figures,
        )
        .await?;
    }
    let nginx = rival(suite, folder.path(), upstream.address, own, other);
    let node = node(suite, folder.path(), upstream.address, own, other).await?;
    if rounds > 0 {
        let length = Duration::from_secs(seconds as u64);
        time(suite, &node, nginx.as_ref(), rounds, length, &mut figures).await?;
    }
    if let Some(route) = suite.streams {
        figures.memory = Some(memory::streamed(&node, route).await?);
    }
    report::print(suite, &figures);
    Ok(())
}

/// nginx with the cases in Lua; says so if there can be none.
fn rival(
    suite: &Suite,
    folder: &Path,
    upstream: SocketAddr,
    own: usize,
    other: usize,
) -> Option<Peer> {
    if !peers::nginx_has_lua() {
        println!("left out: nginx with Lua is not installed (Debian: libnginx-mod-http-lua)");
        return None;
    }
    pin(own);
    let nginx = nginx(suite, folder, upstream);
    pin(other);
    if let Err(error) = &nginx {
        println!(
            "left out: nginx with Lua does not start (Debian: libnginx-mod-http-lua, lua-cjson): {error:#}"
        );
    }
    nginx.ok()
}

fn nginx(suite: &Suite, folder: &Path, upstream: SocketAddr) -> anyhow::Result<Peer> {
    let locations = suite.cases.iter().map(|case| (case.route, (case.lua)()));
    peers::locations_nginx(folder, upstream, lua::LOADED, locations)
}

async fn node(
    suite: &Suite,
    folder: &Path,
    upstream: SocketAddr,
    own: usize,
    other: usize,
) -> anyhow::Result<Alone> {
    pin(own);
    let document = suite.document(&format!("http://{upstream}"));
    let node = Alone::start(&folder.join("node"), &document).await;
    pin(other);
    node
}

async fn count(
    suite: &Suite,
    folder: &Path,
    upstream: SocketAddr,
    requests: usize,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    if !alone::valgrind_is_there() {
        println!("left out: instructions; valgrind is not installed (Debian: valgrind)");
        return Ok(());
    }
    let document = suite.document(&format!("http://{upstream}"));
    for (route, asked) in suite.routes() {
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
    suite: &Suite,
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
    let targets: Vec<(Target, u32, Question)> = suite
        .routes()
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
