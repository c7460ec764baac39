//! Whole schemas.

use super::*;

#[test]
fn the_schema_of_the_guide_is_read() {
    let source = r#"local typedefs = require "kong.db.schema.typedefs"
return {
  name = "my-plugin",
  fields = {
    { consumer = typedefs.no_consumer },
    { protocols = typedefs.protocols_http },
    { config = { type = "record", fields = {
        { response_header_name = typedefs.header_name { required = false, default = "X-MyPlugin" } },
    } } },
  },
}
"#;
    let shape = shape(source).expect("a good schema");
    let scopes = shape.scopes;
    assert_eq!(
        (scopes.consumer, scopes.service, scopes.route),
        (false, true, true)
    );
    let http = ["grpc", "grpcs", "http", "https"].map(str::to_owned);
    assert_eq!(shape.protocols, Some(http.to_vec()));
    for (sent, stored, wrong) in [
        (
            json!({}),
            json!({ "response_header_name": "X-MyPlugin" }),
            json!({}),
        ),
        (
            json!({ "response_header_name": null }),
            json!({ "response_header_name": null }),
            json!({}),
        ),
        (
            json!({ "response_header_name": "X Y" }),
            json!({ "response_header_name": "X Y" }),
            json!({ "response_header_name":
                "bad header name 'X Y', allowed characters are A-Z, a-z, 0-9, '_', and '-'" }),
        ),
        (
            json!({ "header_name": "X" }),
            json!({ "response_header_name": "X-MyPlugin", "header_name": "X" }),
            json!({ "header_name": "unknown field" }),
        ),
    ] {
        assert_eq!(
            judged(&shape.config, sent.clone()),
            (stored, wrong),
            "{sent}"
        );
    }
    let shown = Field::record(shape.config).named("config").render_named();
    assert_eq!(
        shown["config"]["fields"],
        json!([{ "response_header_name": {
            "type": "string", "default": "X-MyPlugin", "description": "The name of a header." } }])
    );
}
