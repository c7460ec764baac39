//! The Admin API under load: one import of everything, single durable writes, and lists of many pages.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use tests::Request;
use tests::admin::Admin;
use tests::gateway::{Gateway, Setup};
use tests::wire::Conn;
use tokio::task::JoinSet;

use crate::cpu::{resident, used};

/// How many clients send the single writes.
const CLIENTS: usize = 16;

/// Documents of one page.
const PAGE: usize = 1000;

/// `each` services, routes and plugins in one request; `posts` single writes; a list of `listed` routes.
pub async fn run(each: usize, posts: usize, listed: usize) -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{cores} cores; the load generator runs on the same ones");
    import(each).await?;
    single(posts).await?;
    pages(listed).await
}

/// Everything in one `/config`, into an empty control plane and then over itself.
async fn import(each: usize) -> anyhow::Result<()> {
    let gateway = Gateway::with(Setup::nodes(0)).await;
    let process = gateway.control_plane.process.id();
    let body = whole(each);
    let entities = 3 * each;
    println!(
        "import of {entities} entities, {} KiB in one request:",
        body.len() >> 10
    );
    let before = resident(process);
    for what in ["into nothing", "unchanged"] {
        let (begun, cpu) = (Instant::now(), used(process));
        let request = Request::new("POST", "/config")
            .header("Content-Type", "application/json")
            .body(body.clone());
        let reply = gateway.admin().send(&request).await;
        ensure!(reply.status == 201, "{}: {}", reply.status, reply.text());
        let took = begun.elapsed();
        println!(
            "  {what}: {:.0} ms, {:.0} entities/s, {:.0} ms CPU of the control plane, revision {}",
            millis(took),
            entities as f64 / took.as_secs_f64(),
            millis(used(process) - cpu),
            gateway.admin().revision(),
        );
    }
    settle(gateway.admin()).await;
    let held = resident(process).saturating_sub(before);
    println!(
        "  the control plane holds {} MiB more than empty: {} bytes per entity",
        held >> 20,
        held / entities as u64
    );
    Ok(())
}

/// A document of services with a route and a plugin each.
fn whole(each: usize) -> Vec<u8> {
    let service = |number: usize| {
        json!({
            "name": format!("service-{number}"),
            "host": format!("host{number}.example.test"),
            "tags": ["bench"],
            "routes": [{
                "name": format!("route-{number}"),
                "paths": [format!("/api/v1/resource-{number}")],
                "plugins": [{
                    "name": "request-transformer",
                    "config": { "add": { "headers": [format!("x-number:{number}")] } },
                }],
            }],
        })
    };
    let services: Vec<Value> = (0..each).map(service).collect();
    json!({ "_format_version": "3.0", "services": services })
        .to_string()
        .into_bytes()
}

/// Durable writes of one document each.
async fn single(posts: usize) -> anyhow::Result<()> {
    let gateway = Gateway::with(Setup::nodes(0)).await;
    let process = gateway.control_plane.process.id();
    let (begun, cpu) = (Instant::now(), used(process));
    let times = create_routes(gateway.admin(), posts).await?;
    let took = begun.elapsed();
    println!(
        "{posts} single POSTs by {CLIENTS} clients: {:.0} writes/s, p50 {:.2} ms, p99 {:.2} ms, {:.2} ms CPU each",
        posts as f64 / took.as_secs_f64(),
        times.value_at_quantile(0.5) as f64 / 1000.0,
        times.value_at_quantile(0.99) as f64 / 1000.0,
        millis(used(process) - cpu) / posts as f64,
    );
    Ok(())
}

/// All clients at once, each on a connection that it keeps.
async fn create_routes(admin: &Admin, routes: usize) -> anyhow::Result<Histogram<u64>> {
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let address = admin.address();
        clients.spawn(async move {
            let mut times = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3)?;
            let mut conn = Conn::plain(address).await?;
            for number in (client..routes).step_by(CLIENTS) {
                let route = json!({
                    "name": format!("route-{number}"),
                    "hosts": [format!("host{}.example.test", number % 500)],
                    "paths": [format!("/api/v1/resource-{number}")],
                });
                let begun = Instant::now();
                let request = Request::new("POST", "/routes").json(&route);
                conn.send(&request.bytes("localhost")).await?;
                conn.reply("POST").await.expect_status(201);
                times.record(begun.elapsed().as_micros() as u64)?;
            }
            anyhow::Ok(times)
        });
    }
    let mut all = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3)?;
    while let Some(times) = clients.join_next().await {
        all.add(times.context("a client")??)?;
    }
    Ok(all)
}

/// A list from its first page to its last; the last must cost what the first one does.
async fn pages(listed: usize) -> anyhow::Result<()> {
    let gateway = Gateway::with(Setup::nodes(0)).await;
    let process = gateway.control_plane.process.id();
    let before = resident(process);
    create_routes(gateway.admin(), listed).await?;
    let mut conn = Conn::plain(gateway.admin().address()).await?;
    let mut next = format!("/routes?size={PAGE}");
    let (mut times, mut found) = (Vec::new(), 0);
    loop {
        let begun = Instant::now();
        conn.send(&Request::get(&next).bytes("localhost")).await?;
        let page = conn.reply("GET").await.expect_status(200);
        times.push(begun.elapsed());
        let page = page.json();
        found += page["data"].as_array().map_or(0, Vec::len);
        match page["next"].as_str() {
            Some(path) => next = path.to_owned(),
            None => break,
        }
    }
    ensure!(found == listed, "{found} of {listed} routes are listed");
    settle(gateway.admin()).await;
    let tenth = times.len().div_ceil(10);
    println!(
        "{listed} routes in {} pages of {PAGE}: median of the first tenth {:.2} ms, of the last {:.2} ms; \
         the control plane holds {} bytes per entity",
        times.len(),
        millis(median(&times[..tenth])),
        millis(median(&times[times.len() - tenth..])),
        resident(process).saturating_sub(before) / listed as u64,
    );
    Ok(())
}

/// A few more writes and a moment: the allocator gives back what the burst took when it is next asked for something.
async fn settle(admin: &Admin) {
    for number in 0..10 {
        let name = format!("settle-{number}");
        admin
            .create("/consumers", json!({ "username": name }))
            .await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
}

fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
