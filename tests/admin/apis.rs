//! An API as old instructions make it, up to the traffic.

use tests::{Gateway, Upstream, eventually};

#[tokio::test]
async fn an_api_of_old_instructions_serves_traffic_with_its_plugins() {
    let gateway = Gateway::start().await;
    let upstream = Upstream::start().await;
    let admin = gateway.admin();
    let body = format!(
        "name=example-api&upstream_url={}&uris=/example, /other",
        upstream.url()
    );
    admin.form("/apis/", &body).await.expect_status(201);
    let plugin = "name=request-transformer&config.add.headers=x-new-header:some,value";
    admin
        .form("/apis/example-api/plugins", plugin)
        .await
        .expect_status(201);
    gateway.get("/example/path").await.expect_status(200);
    let seen = upstream.last();
    assert_eq!(seen.path, "/path", "the uri is stripped");
    assert_eq!(seen.header("x-new-header"), Some("some,value"));
    gateway.get("/other").await.expect_status(200);
    admin.delete("/apis/example-api").await.expect_status(204);
    eventually("the API is gone", || async {
        gateway.get("/example/path").await.status == 404
    })
    .await;
}
