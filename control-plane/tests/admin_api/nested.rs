//! Documents under others, and the ones above them: section 4 of the page.

use crate::client::Plane;
use serde_json::json;

#[tokio::test]
async fn children_belong_to_the_parent_of_the_address() {
    let plane = Plane::start().await;
    let [one, other] = [plane.service("one").await, plane.service("other").await];
    let body = json!({ "name": "r", "paths": ["/r"], "service": { "id": other } });
    let made = plane.post("/services/one/routes", body).await.expect(201);
    assert_eq!(made["service"], json!({ "id": one }));
    assert_eq!(plane.get("/services/one/routes/r").await.expect(200), made);
    let listed = plane.get("/services/one/routes").await.expect(200);
    assert_eq!(listed, json!({ "data": [made], "next": null }));
    for path in [
        "/services/other/routes/r",
        "/services/none/routes/r",
        "/services/none/routes",
    ] {
        assert_eq!(
            plane.get(path).await.expect(404),
            json!({ "message": "Not found" }),
            "{path}"
        );
    }
    for path in ["/services/other/routes/r", "/services/none/routes/r"] {
        assert_eq!(
            plane.patch(path, json!({})).await.expect(404),
            json!({ "message": "Not found" })
        );
        assert_eq!(
            plane.delete(path).await.expect(404),
            json!({ "message": "Not found" })
        );
    }
    let missing = plane
        .post("/services/none/routes", json!({ "paths": ["/x"] }))
        .await;
    assert_eq!(missing.expect(404), json!({ "message": "Not found" }));
}

#[tokio::test]
async fn nested_writes_work_on_the_child() {
    let plane = Plane::start().await;
    let service = plane.service("s").await;
    let made = plane
        .put("/services/s/routes/r", json!({ "paths": ["/r"] }))
        .await
        .expect(200);
    assert_eq!(
        (&made["name"], &made["service"]),
        (&json!("r"), &json!({ "id": service }))
    );
    let changed = plane
        .patch("/services/s/routes/r", json!({ "strip_path": false }))
        .await;
    assert_eq!(changed.expect(200)["strip_path"], json!(false));
    assert_eq!(plane.delete("/services/s/routes/r").await.status, 204);
    assert_eq!(plane.get("/routes/r").await.status, 404);
}

#[tokio::test]
async fn the_parent_is_read_and_written_through_the_child() {
    let plane = Plane::start().await;
    let service = plane.service("s").await;
    plane.route("r", Some(&service)).await;
    assert_eq!(
        plane.get("/routes/r/service").await.expect(200)["id"],
        json!(service)
    );
    let changed = plane
        .patch("/routes/r/service", json!({ "port": 99 }))
        .await
        .expect(200);
    assert_eq!(
        (&changed["id"], &changed["port"]),
        (&json!(service), &json!(99))
    );
    let replaced = plane
        .put("/routes/r/service", json!({ "host": "i.test" }))
        .await
        .expect(200);
    assert_eq!(
        (&replaced["id"], &replaced["port"]),
        (&json!(service), &json!(80))
    );
    assert_eq!(plane.delete("/routes/r/service").await.status, 405);
}

#[tokio::test]
async fn a_parent_that_is_not_set_can_be_put() {
    let plane = Plane::start().await;
    plane.route("r", None).await;
    assert_eq!(plane.get("/routes/r/service").await.status, 404);
    assert_eq!(
        plane.patch("/routes/r/service", json!({})).await.status,
        404
    );
    assert_eq!(plane.delete("/routes/r/service").await.status, 404);
    let made = plane
        .put("/routes/r/service", json!({ "host": "h.test" }))
        .await;
    assert_eq!(
        made.header("headgate-revision"),
        "2",
        "both changes are one revision"
    );
    let made = made.expect(200);
    assert_eq!(
        plane.get("/routes/r").await.expect(200)["service"],
        json!({ "id": made["id"] })
    );
    assert_eq!(plane.get("/routes/none/service").await.status, 404);
}
