//! basic-auth, hmac-auth and jwt, as Kong 3.10 declares them.

use serde_json::{Value, json};

use super::{refusal, store, stored};
use crate::plugins::{Catalog, JwtConfig, Scopes};

const HMAC: [&str; 4] = ["hmac-sha1", "hmac-sha256", "hmac-sha384", "hmac-sha512"];

#[test]
fn priorities_scopes_and_defaults_are_kongs() {
    for (name, priority, config) in [
        (
            "basic-auth",
            1100,
            json!({"anonymous": null, "hide_credentials": false, "realm": "service"}),
        ),
        (
            "hmac-auth",
            1030,
            json!({
                "hide_credentials": false, "clock_skew": 300, "anonymous": null,
                "validate_request_body": false, "enforce_headers": [], "algorithms": HMAC, "realm": null,
            }),
        ),
        (
            "jwt",
            1450,
            json!({
                "uri_param_names": ["jwt"], "cookie_names": [], "key_claim_name": "iss",
                "secret_is_base64": false, "claims_to_verify": null, "anonymous": null,
                "run_on_preflight": true, "maximum_expiration": 0, "header_names": ["authorization"],
                "realm": null,
            }),
        ),
    ] {
        let plugin = Catalog::builtin().plugin(name).expect("declared");
        assert_eq!(plugin.priority, priority, "{name}");
        let scopes = Scopes {
            consumer: false,
            service: true,
            route: true,
        };
        assert_eq!(plugin.scopes, scopes, "{name}");
        assert_eq!(stored(name, json!({})), config, "{name}");
        let document = store(name, json!({})).expect("defaults are enough");
        assert_eq!(
            document["protocols"],
            json!(["grpc", "grpcs", "http", "https"])
        );
    }
}

#[test]
fn wrong_values_are_told_in_kongs_words() {
    let required = "required field missing";
    for (name, config, expected) in [
        (
            "basic-auth",
            json!({"realm": null}),
            json!({"realm": required}),
        ),
        (
            "basic-auth",
            json!({"realm": ""}),
            json!({"realm": "length must be at least 1"}),
        ),
        (
            "basic-auth",
            json!({"hide_credentials": "yes"}),
            json!({"hide_credentials": "expected a boolean"}),
        ),
        (
            "basic-auth",
            json!({"anonymous": true}),
            json!({"anonymous": "expected a string"}),
        ),
        (
            "hmac-auth",
            json!({"clock_skew": 0}),
            json!({"clock_skew": "value must be greater than 0"}),
        ),
        (
            "hmac-auth",
            json!({"clock_skew": "5"}),
            json!({"clock_skew": "expected a number"}),
        ),
        (
            "hmac-auth",
            json!({"algorithms": ["hmac-sha256", "hmac-sha224"]}),
            json!({"algorithms": [null, format!("expected one of: {}", HMAC.join(", "))]}),
        ),
        (
            "hmac-auth",
            json!({"enforce_headers": "date"}),
            json!({"enforce_headers": "expected an array"}),
        ),
        (
            "jwt",
            json!({"claims_to_verify": ["iat"]}),
            json!({"claims_to_verify": ["expected one of: exp, nbf"]}),
        ),
        (
            "jwt",
            json!({"maximum_expiration": -1}),
            json!({"maximum_expiration": "value should be between 0 and 31536000"}),
        ),
        (
            "jwt",
            json!({"uri_param_names": "jwt"}),
            json!({"uri_param_names": "expected a set"}),
        ),
        (
            "jwt",
            json!({"run_on_preflight": null}),
            json!({"run_on_preflight": required}),
        ),
        (
            "jwt",
            json!({"secret_is_base64": null}),
            json!({"secret_is_base64": required}),
        ),
        (
            "jwt",
            json!({"secret": "x"}),
            json!({"secret": "unknown field"}),
        ),
    ] {
        assert_eq!(refusal(name, &config), expected, "{name} {config}");
    }
}

#[test]
fn a_limit_of_lifetimes_needs_their_end_to_be_verified() {
    for claims in [json!(["nbf"]), json!([])] {
        let config = json!({"maximum_expiration": 60, "claims_to_verify": claims});
        let refused = store("jwt", config)
            .expect_err("exp is not verified")
            .fields();
        assert_eq!(
            refused["@entity"],
            json!([
                "failed conditional validation given value of field 'config.maximum_expiration'"
            ])
        );
        let expected = json!({"claims_to_verify": "expected to contain: exp"});
        assert_eq!(refused["config"], expected);
    }
    for config in [
        json!({"maximum_expiration": 60, "claims_to_verify": ["exp", "nbf"]}),
        json!({"maximum_expiration": 0, "claims_to_verify": ["nbf"]}),
    ] {
        stored("jwt", config);
    }
}

#[test]
fn sets_drop_what_was_said_before_and_numbers_may_have_a_fraction() {
    let config = stored(
        "jwt",
        json!({"header_names": ["a", "b", "a"], "maximum_expiration": 1.5,
        "claims_to_verify": ["exp"]}),
    );
    assert_eq!(config["header_names"], json!(["a", "b"]));
    let plugin = Catalog::builtin().plugin("jwt").expect("declared");
    let read = plugin
        .parse(Value::to_string(&config).as_bytes())
        .expect("valid");
    let read = read.downcast::<JwtConfig>().expect("its own type");
    assert_eq!(read.maximum_expiration, Some(1.5));
}
