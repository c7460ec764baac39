//! How long a change takes from its answer to traffic, and what it costs: bytes to the node, CPU of the node.

use std::time::{Duration, Instant};

use anyhow::Context;
use hdrhistogram::Histogram;
use serde_json::json;
use tests::Request;
use tests::admin::Admin;
use tests::gateway::{Gateway, Setup};
use tests::relay::Relay;
use tests::wire::Conn;
use tokio::task::JoinSet;

use crate::cpu::{resident, used};

/// How many clients create the routes.
const CLIENTS: usize = 8;

/// Between two changes, so that each one travels alone.
const PAUSE: Duration = Duration::from_millis(50);

pub async fn run(sizes: &[usize], changes: usize) -> anyhow::Result<()> {
    for routes in sizes {
        measure(*routes, changes).await?;
    }
    Ok(())
}

async fn measure(routes: usize, changes: usize) -> anyhow::Result<()> {
    let mut gateway = Gateway::with(Setup::nodes(0)).await;
    let relay = Relay::to(gateway.control_plane.sync).await;
    gateway.join_through(relay.address, &[]).await;
    let begin = Instant::now();
    let before = used(gateway.control_plane.process.id());
    create(gateway.admin(), routes).await;
    let (took, spent) = (
        begin.elapsed(),
        used(gateway.control_plane.process.id()) - before,
    );
    gateway.settled().await;
    println!(
        "{routes} routes created by {CLIENTS} clients: {:.0} writes/s, {:.2} ms CPU of the control plane each",
        routes as f64 / took.as_secs_f64(),
        spent.as_secs_f64() * 1000.0 / routes as f64
    );
    gateway
        .admin()
        .create(
            "/routes",
            json!({ "name": "probe", "paths": ["/probe-first"] }),
        )
        .await;
    gateway.settled().await;
    // What is still being written to disk or freed must not count as the cost of a change.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut times = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3)?;
    let mut conn = Conn::plain(gateway.node().proxy).await?;
    for number in 0..changes {
        tokio::time::sleep(PAUSE).await;
        times.record(
            visible(gateway.admin(), &mut conn, number)
                .await?
                .as_micros() as u64,
        )?;
    }
    // The cost is counted apart, while nobody asks the node anything.
    let (bytes, node) = (relay.down(), gateway.node().process.id());
    let before = used(node);
    for number in changes..2 * changes {
        tokio::time::sleep(PAUSE).await;
        change(gateway.admin(), number).await;
    }
    let each = (relay.down() - bytes) as f64 / changes as f64;
    let cpu = (used(node) - before).as_secs_f64() * 1000.0 / changes as f64;
    let ms = |quantile: f64| times.value_at_quantile(quantile) as f64 / 1000.0;
    println!(
        "{routes} routes, {changes} one-route changes: commit to traffic p50 {:.2} ms, p99 {:.2} ms, most {:.2} ms; \
         {each:.0} bytes to the node and {cpu:.2} ms of its CPU each; it holds {} MiB",
        ms(0.5),
        ms(0.99),
        ms(1.0),
        resident(node) >> 20
    );
    Ok(())
}

async fn create(admin: &Admin, routes: usize) {
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let admin = admin.clone();
        clients.spawn(async move {
            for number in (client..routes).step_by(CLIENTS) {
                let hosts = [format!("host{}.example.test", number % 500)];
                let paths = [format!("/api/v1/resource-{number}")];
                let route =
                    json!({ "name": format!("route-{number}"), "hosts": hosts, "paths": paths });
                admin.create("/routes", route).await;
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client.expect("every route is created");
    }
}

/// Moves the probe route; gives its new path.
async fn change(admin: &Admin, number: usize) -> String {
    let path = format!("/probe-{number}");
    let patch = json!({ "paths": [path] });
    admin.patch("/routes/probe", patch).await.expect_status(200);
    path
}

/// The time from the answer to a change until traffic sees it.
async fn visible(admin: &Admin, conn: &mut Conn, number: usize) -> anyhow::Result<Duration> {
    let path = change(admin, number).await;
    let committed = Instant::now();
    let question = Request::get(&path).bytes("gateway.test");
    loop {
        conn.send(&question).await?;
        // The route has no service: 503 once it is there, 404 before.
        match conn.reply("GET").await.status {
            404 => {}
            503 => return Ok(committed.elapsed()),
            other => Err(anyhow::anyhow!("status {other}")).context("the probe route")?,
        }
    }
}
