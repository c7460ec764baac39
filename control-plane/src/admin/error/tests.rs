use super::*;

fn body(failure: Failure) -> (u16, Value) {
    let reply = failure.into_reply();
    let body = serde_json::from_slice(&reply.body).expect("errors are JSON");
    (reply.status.as_u16(), body)
}

const ID: Uuid = Uuid::from_u128(1);

#[test]
fn store_rejections_read_as_kong_words_them() {
    let plugin = json!({
        "service": { "id": ID }, "name": "acl", "route": null, "consumer": null,
    });
    let Value::Object(plugin) = plugin else {
        unreachable!("written as an object above")
    };
    let cases = [
        (
            Rejection::PrimaryKey {
                kind: "services",
                id: ID,
            },
            400,
            json!({"code": 3, "name": "primary key violation",
                "message": "primary key violation on key '{id=\"00000000-0000-0000-0000-000000000001\"}'",
                "fields": {"id": ID}}),
        ),
        (
            Rejection::Unique {
                kind: "plugins",
                fields: plugin,
            },
            409,
            json!({"code": 5, "name": "unique constraint violation",
                "message": "UNIQUE violation detected on '{consumer=null,name=\"acl\",route=null,service={id=\"00000000-0000-0000-0000-000000000001\"}}'",
                "fields": {"consumer": null, "name": "acl", "route": null, "service": {"id": ID}}}),
        ),
        (
            Rejection::ForeignMissing {
                kind: "routes",
                field: "service".into(),
                to_kind: "services".into(),
                to_id: ID,
            },
            400,
            json!({"code": 4, "name": "foreign key violation",
                "message": "the foreign key '{id=\"00000000-0000-0000-0000-000000000001\"}' does not reference an existing 'services' entity.",
                "fields": {"service": {"id": ID}}}),
        ),
        (
            Rejection::Referenced {
                kind: "services",
                id: ID,
                by: "routes".into(),
            },
            400,
            json!({"code": 4, "name": "foreign key violation",
                "message": "an existing 'routes' entity references this 'services' entity",
                "fields": {"@referenced_by": "routes"}}),
        ),
    ];
    for (rejection, status, expected) in cases {
        assert_eq!(body(rejection.into()), (status, expected));
    }
}

#[test]
fn a_missing_entity_is_named_by_what_it_was_looked_up_with() {
    let (status, by_name) = body(Failure::missing("services", "name", "foo"));
    assert_eq!(status, 404);
    assert_eq!(
        by_name["message"],
        "could not find the entity with '{name=\"foo\"}'"
    );
    let (_, by_id) = body(Failure::missing("services", "id", "x"));
    assert_eq!(
        by_id["message"],
        "could not find the entity with primary key '{id=\"x\"}'"
    );
}

#[test]
fn unresolved_references_name_what_was_looked_for() {
    let (_, found) = body(Failure::unresolved(vec![Unresolved {
        field: "service".into(),
        key: "name".into(),
        value: json!("nope"),
        kind: "services",
        meant: Some("hope".into()),
    }]));
    assert_eq!(
        found["hints"],
        json!({ "service": { "name": "did you mean 'hope'?" } })
    );
    assert_eq!(
        found["message"],
        "foreign key unresolved (service.name: the foreign key cannot be resolved with '{name=\"nope\"}' for an existing 'services' entity)"
    );
    assert_eq!(
        found["fields"]["service"]["name"],
        "the foreign key cannot be resolved with '{name=\"nope\"}' for an existing 'services' entity"
    );
}

#[test]
fn secrets_are_not_repeated() {
    let fields = json!({"key": "open-sesame"}).as_object().cloned();
    let (status, taken) = body(Failure::from(Rejection::Unique {
        kind: "keyauth_credentials",
        fields: fields.expect("an object"),
    }));
    assert_eq!(status, 409);
    assert_eq!(taken["fields"], json!({"key": "******"}));
    assert_eq!(
        taken["message"],
        "UNIQUE violation detected on '{key=\"******\"}'"
    );
    let (_, missing) = body(Failure::missing(
        "keyauth_credentials",
        "key",
        "open-sesame",
    ));
    assert_eq!(
        missing["message"],
        "could not find the entity with '{key=\"******\"}'"
    );
}
