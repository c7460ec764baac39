//! Every row of the tables of messages (transformers.md 2.2, 3.1, 4.1) and what is taken although it looks odd.

use super::{ADVANCED, REQUEST, RESPONSE, at, found, tell};
use crate::client::Plane;
use serde_json::{Value, json};

/// A place (braces hold alternatives), what is put there, and the error at that place.
const REQUEST_ROWS: &str = r#"
http_method | "get" | "invalid value: get"
http_method | "HELLO!" | "invalid value: HELLO!"
http_method | "" | "length must be at least 1"
http_method | 5 | "expected a string"
{rename,replace,add,append}.headers | ["just_a_key"] | ["invalid value: just_a_key"]
{rename,replace,add,append}.headers | [":v"] | ["invalid value: :v"]
{rename,replace,add,append}.headers | ["x y:1"] | ["'x y' is not a valid header"]
{remove,rename,replace,add,append}.{headers,querystring,body} | [""] | ["length must be at least 1"]
{remove,rename,replace,add,append}.{headers,querystring,body} | [5] | ["expected a string"]
{remove,rename,replace,add,append}.{headers,querystring,body} | [null] | ["required field missing"]
{remove,rename,replace,add,append}.{headers,querystring,body} | "x:1" | "expected an array"
{remove,rename,replace,add,append}.{headers,querystring,body} | null | "required field missing"
{remove,rename,replace,add,append} | null | "required field missing"
{remove,rename,replace,add,append} | 5 | "expected a record"
rename.headers | ["a:b c"] | ["'b c' is not a valid header"]
rename.headers | ["a:"] | ["'' is not a valid header"]
rename.headers | ["a:$(x)"] | ["'$(x)' is not a valid header"]
remove.headers | ["x y"] | ["'x y' is not a valid header"]
remove.headers | ["x y:1"] | ["'x y' is not a valid header"]
remove.headers | [":v"] | ["'' is not a valid header"]
{rename,replace,add,append}.{querystring,body} | ["just_a_key"] | ["key 'just_a_key' has no value"]
{rename,replace,add,append}.{querystring,body} | ["q:"] | ["key 'q' has no value"]
{rename,replace,add,append}.{querystring,body} | ["q:::"] | ["key 'q' has no value"]
{rename,replace,add,append}.{querystring,body} | [":v"] | ["invalid value: :v"]
{rename,replace,add,append}.{querystring,body} | ["q:$(a b)"] | ["value '$(a b)' is not in supported format, error:[string \"TMP\"]:1: ')' expected near 'b'"]
{rename,replace,add,append}.{querystring,body} | ["b:$()"] | ["value '$()' is not in supported format, error:[string \"TMP\"]:1: unexpected symbol near ')'"]
replace.uri | "" | "length must be at least 1"
replace.uri | ["/x"] | "expected a string"
{remove,rename,add,append}.uri | "/x" | "unknown field"
{remove,rename,replace,add,append}.json | ["a:1"] | "unknown field"
bogus | 1 | "unknown field"
"#;

/// What `response-transformer` and `response-transformer-advanced` refuse alike.
const BOTH_ROWS: &str = r#"
{rename,replace,add,append}.headers | ["just_a_key"] | ["invalid value: just_a_key"]
{rename,replace,add,append}.headers | [":v"] | ["invalid value: :v"]
{replace,add,append}.json | ["just_a_key"] | ["invalid value: just_a_key"]
{replace,add,append}.json | [":v"] | ["invalid value: :v"]
rename.headers | ["x-requ,est-id:x"] | ["'x-requ,est-id' is not a valid header"]
rename.headers | ["a:b,c"] | ["'b,c' is not a valid header"]
rename.headers | ["a:"] | ["'' is not a valid header"]
{remove,rename,replace,add,append}.headers | [""] | ["length must be at least 1"]
{remove,rename,replace,add,append}.headers | null | "required field missing"
{remove,replace,add,append}.json | [""] | ["length must be at least 1"]
{remove,replace,add,append}.json | null | "required field missing"
{replace,add,append}.json_types | ["int"] | ["expected one of: boolean, number, string"]
{replace,add,append}.json_types | null | "required field missing"
{remove,rename}.json_types | [] | "unknown field"
{remove,rename,replace,add,append} | null | "required field missing"
http_method | "GET" | "unknown field"
"#;

const RESPONSE_ROWS: &str = r#"
rename.json | ["just_a_key"] | ["invalid value: just_a_key"]
rename.json | null | "required field missing"
{remove,rename,replace,add,append}.if_status | [] | "unknown field"
replace.body | "x" | "unknown field"
{allow,transform} | {} | "unknown field"
dots_in_keys | true | "unknown field"
"#;

/// A-c1, A-c2 and A-c4 of the page among them.
const ADVANCED_ROWS: &str = r#"
rename.json | ["a:b"] | "unknown field"
replace.body | "" | "length must be at least 1"
replace.body | {} | "expected a string"
dots_in_keys | "no" | "expected a boolean"
{allow,transform} | null | "required field missing"
allow.if_status | [] | "unknown field"
allow.json | "a" | "expected an array"
allow.json | [""] | ["length must be at least 1"]
remove.headers | ["a:/(/"] | ["not a valid regex: ("]
remove.headers | [":v"] | ["invalid value: :v"]
transform.{functions,json,if_status} | null | "required field missing"
{remove,rename,replace,add,append,transform}.if_status | [404] | ["expected a string"]
{remove,rename,replace,add,append,transform}.if_status | ["5xx"] | ["value '5xx' is not a status code or a range of status codes"]
{remove,rename,replace,add,append,transform}.if_status | ["599-500"] | ["value '599-500' is not a status code or a range of status codes"]
add.if_status | ["200", "99"] | [null, "value '99' is not a status code or a range of status codes"]
add.if_status | ["1000"] | ["value '1000' is not a status code or a range of status codes"]
add.if_status | ["404-"] | ["value '404-' is not a status code or a range of status codes"]
add.if_status | ["-404"] | ["value '-404' is not a status code or a range of status codes"]
add.if_status | ["200-299-399"] | ["value '200-299-399' is not a status code or a range of status codes"]
add.if_status | ["2 00"] | ["value '2 00' is not a status code or a range of status codes"]
add.if_status | [" "] | ["value ' ' is not a status code or a range of status codes"]
"#;

/// `{a,b}.{c,d}` written out.
fn alternatives(path: &str) -> Vec<String> {
    let Some((before, rest)) = path.split_once('{') else {
        return vec![path.to_owned()];
    };
    let (inside, after) = rest.split_once('}').expect("a closing brace");
    let one = |name| alternatives(&format!("{before}{name}{after}"));
    inside.split(',').flat_map(one).collect()
}

async fn refused(plugins: &[&str], rows: &str) {
    let plane = Plane::start().await;
    for line in rows.lines().filter(|line| !line.is_empty()) {
        let cells: Vec<_> = line.splitn(3, " | ").collect();
        let [paths, value, error] = cells[..] else {
            panic!("three cells: {line}");
        };
        let parsed = |text| serde_json::from_str::<Value>(text).expect("a cell of JSON");
        for (path, plugin) in alternatives(paths)
            .iter()
            .flat_map(|path| plugins.iter().map(move |plugin| (path, plugin)))
        {
            let config = at(path, parsed(value));
            let answer = tell(&plane, plugin, &config).await.expect(400);
            let fields = json!({ "config": at(path, parsed(error)) });
            assert_eq!(answer["fields"], fields, "{plugin} {config}");
            assert_eq!(
                (&answer["code"], &answer["name"]),
                (&json!(2), &json!("schema violation")),
                "{plugin} {config}"
            );
        }
    }
}

#[tokio::test]
async fn request_transformer_refuses_in_kongs_words() {
    refused(&[REQUEST], REQUEST_ROWS).await;
}

#[tokio::test]
async fn response_transformers_refuse_in_kongs_words() {
    refused(&[RESPONSE, ADVANCED], BOTH_ROWS).await;
    refused(&[RESPONSE], RESPONSE_ROWS).await;
}

#[tokio::test]
async fn the_advanced_transformer_says_what_is_wrong() {
    refused(&[ADVANCED], ADVANCED_ROWS).await;
}

#[tokio::test]
async fn what_looks_odd_and_has_a_meaning_is_taken() {
    let plane = Plane::start().await;
    for (plugin, path, value) in [
        (REQUEST, "http_method", json!("FOO")),
        (REQUEST, "http_method", Value::Null),
        (REQUEST, "add.headers", json!(["x:", "x:$(a b)", "x:$()"])),
        (REQUEST, "add.querystring", json!(["q:$(a"])),
        (REQUEST, "add.body", json!(["q:$"])),
        (REQUEST, "remove.headers", json!(["x:y z", "x:$(a b)"])),
        (REQUEST, "remove.querystring", json!(["a:$(a b)"])),
        (REQUEST, "replace.uri", json!("no slash $(a b)")),
        (RESPONSE, "add.headers", json!(["x y:1", "x:"])),
        (RESPONSE, "remove.headers", json!(["x y"])),
        (RESPONSE, "add.json", json!(["x:"])),
        (RESPONSE, "rename.json", json!(["x:"])),
        (RESPONSE, "add.json_types", json!(["number", "string"])),
        (
            ADVANCED,
            "add.if_status",
            json!(["100", "999", " 200 - 299 ", "404-404"]),
        ),
        (
            ADVANCED,
            "remove.headers",
            json!(["h1:/", "h1://", "h1:/a/b/"]),
        ),
        (ADVANCED, "allow.json", json!([])),
    ] {
        let config = at(path, value.clone());
        let made = tell(&plane, plugin, &config).await.expect(201);
        assert_eq!(found(&made["config"], path), &value, "{plugin} {config}");
    }
}

#[tokio::test]
async fn only_requests_may_come_over_streams() {
    let plane = Plane::start().await;
    for (plugin, protocols, accepted) in [
        (REQUEST, json!(["http", "tcp", "tls"]), true),
        (RESPONSE, json!(["grpc", "https"]), true),
        (RESPONSE, json!(["http", "tcp"]), false),
        (ADVANCED, json!(["grpcs"]), true),
        (ADVANCED, json!(["http", "tls"]), false),
    ] {
        let body = json!({ "name": plugin, "protocols": protocols });
        let answer = plane.post("/plugins", body).await;
        match accepted {
            true => assert_eq!(answer.expect(201)["protocols"], protocols, "{plugin}"),
            false => assert_eq!(
                answer.expect(400)["fields"],
                json!({ "protocols": [null, "expected one of: grpc, grpcs, http, https"] }),
                "{plugin}"
            ),
        }
    }
}
