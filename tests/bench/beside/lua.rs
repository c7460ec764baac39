//! The work of the cases as an operator of nginx would write it in Lua.

/// What the handlers below use, loaded once.
pub const LOADED: &str = r#"cjson = require "cjson.safe"; keys = { secret = "ann" }
function joined(old, more)
    if not old then return more end
    if type(old) ~= "table" then return { old, more } end
    old[#old + 1] = more
    return old
end"#;

/// One header for each of the five operations: their number, and what replace, add and append write.
pub struct Five {
    n: u8,
    other: &'static str,
    add: &'static str,
    more: &'static str,
}

/// As the configurations of the cases say.
pub const TEN: [Five; 2] = [
    Five {
        n: 1,
        other: "other",
        add: "one",
        more: "more",
    },
    Five {
        n: 2,
        other: "another",
        add: "two",
        more: "two",
    },
];

/// A handler before the upstream is asked.
pub fn access(code: &str) -> String {
    format!("access_by_lua_block {{ {code} }}\n")
}

/// A handler of the answer's head.
pub fn header_filter(code: &str) -> String {
    format!("header_filter_by_lua_block {{ {code} }}\n")
}

/// A handler of a JSON answer, whose `document` the code changes; `head` is run on its head.
pub fn json(head: &str, code: &str) -> String {
    let opened = r#"local kind = ngx.header.content_type
        if kind and kind:find("application/json", 1, true) then ngx.header.content_length = nil ngx.ctx.parts = {} end"#;
    let body = format!(
        r#"body_filter_by_lua_block {{
            local parts = ngx.ctx.parts
            if not parts then return end
            parts[#parts + 1] = ngx.arg[1]
            if not ngx.arg[2] then ngx.arg[1] = nil return end
            local body = table.concat(parts)
            local document = cjson.decode(body)
            if type(document) ~= "table" then ngx.arg[1] = body return end
            {code}
            ngx.arg[1] = cjson.encode(document)
        }}
        "#
    );
    header_filter(&format!("{head}\n{opened}")) + &body
}

/// The five operations on a request header each; `other` and `more` are the values written.
pub fn on_request(headers: &[Five]) -> String {
    let opened = "local set, clear = ngx.req.set_header, ngx.req.clear_header local headers = ngx.req.get_headers() local old\n";
    let each = headers.iter().map(
        |Five {
             n,
             other,
             add,
             more,
         }| {
            format!(
                r#"clear("X-Remove-{n}")
            old = headers["x-rename-{n}"]
            if old then set("X-Renamed-{n}", old) clear("X-Rename-{n}") end
            if headers["x-replace-{n}"] then set("X-Replace-{n}", "{other}") end
            if not headers["x-add-{n}"] then set("X-Add-{n}", "{add}") end
            set("X-Append-{n}", joined(headers["x-append-{n}"], "{more}"))
            "#
            )
        },
    );
    opened.to_owned() + &each.collect::<String>()
}

/// The same on response headers.
pub fn on_response(headers: &[Five]) -> String {
    let opened = "local headers = ngx.header local old\n";
    let each = headers.iter().map(
        |Five {
             n,
             other,
             add,
             more,
         }| {
            format!(
                r#"headers["X-Remove-{n}"] = nil
            old = headers["X-Rename-{n}"]
            if old then headers["X-Renamed-{n}"] = old headers["X-Rename-{n}"] = nil end
            if headers["X-Replace-{n}"] then headers["X-Replace-{n}"] = "{other}" end
            if not headers["X-Add-{n}"] then headers["X-Add-{n}"] = "{add}" end
            headers["X-Append-{n}"] = joined(headers["X-Append-{n}"], "{more}")
            "#
            )
        },
    );
    opened.to_owned() + &each.collect::<String>()
}

/// Ten operations that find nothing to do.
pub const IDLE: &str = r#"local set, clear = ngx.req.set_header, ngx.req.clear_header local headers = ngx.req.get_headers()
    clear("X-None-1") clear("X-None-2") clear("X-None-3")
    if headers["x-none-4"] then set("X-Other-4", headers["x-none-4"]) clear("X-None-4") end
    if headers["x-none-5"] then set("X-Other-5", headers["x-none-5"]) clear("X-None-5") end
    if headers["x-none-6"] then set("X-None-6", "other") end
    if headers["x-none-7"] then set("X-None-7", "other") end
    if headers["x-none-8"] then set("X-None-8", "other") end
    if not headers["x-user"] then set("X-User", "nobody") end
    if not headers["x-append-1"] then set("X-Append-1", "nobody") end"#;

/// Headers made of another one.
pub const TEMPLATES: &str = r#"local user = ngx.req.get_headers()["x-user"]
    ngx.req.set_header("X-From", user or "")
    ngx.req.set_header("X-Who", "user " .. (user or "none"))"#;

/// A header worked out from another one.
pub const EXPRESSION: &str =
    r#"ngx.req.set_header("X-Who", "user " .. ngx.req.get_headers()["x-user"]:upper())"#;

/// A key looked up, a request header added.
pub const KEY: &str = r#"local consumer = keys[ngx.req.get_headers()["apikey"] or ""]
    if not consumer then return ngx.exit(401) end
    ngx.req.set_header("X-Consumer-Username", consumer)
    ngx.req.set_header("X-Added", "1")"#;

/// A response header added.
pub const ANSWERED: &str = r#"ngx.header["X-Answered"] = "1""#;

/// The five operations on a JSON object.
pub const EDIT: &str = r#"document.field000 = nil
    document.renamed, document.field001 = document.field001, nil
    if document.field002 ~= nil then document.field002 = "other" end
    if document.added == nil then document.added = "1" end
    document.field003 = { document.field003, "more" }"#;

/// A property added, another one removed.
pub const SMALL_EDIT: &str = r#"document.field000 = nil
    if document.added == nil then document.added = "1" end"#;
