//! What `require` gives (custom-plugins.md 5): one table of names.
//!
//! A module is opened when a machine first wants it, then kept. Scripts get it read-only, so none changes it for others.
//! Those that hold settings (`cjson`) are opened anew for everybody who requires them.

use std::collections::HashMap;

use mlua::chunk::ChunkMode;
use mlua::{Function, Lua, Result, Table, Value};

pub mod cjson;
mod kong;
pub mod ngx;
mod others;
mod pl;
mod resty;
pub use resty::openssl::certificate;
#[cfg(test)]
mod tests;

/// How a module is made.
enum Opening {
    /// In Rust.
    Rust(fn(&Lua) -> Result<Table>),
    /// In Lua. The source gets what the function gives and the last part of the module's name as `...`.
    Lua(&'static str, fn(&Lua) -> Result<Value>),
    /// It is part of what every script sees: the names that lead there.
    Seen(&'static [&'static str]),
    /// In Lua, over functions that the plane brings ([`provide`]) and the source gets as `...`. Where none has, these can be
    /// named and not called.
    Plane(&'static str),
}

/// Who gets the same one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    /// The whole machine.
    All,
    /// Everybody who requires it has their own, since it has settings.
    Own,
}

use Opening::{Lua as InLua, Plane, Rust, Seen};
use Sharing::{All, Own};

/// For modules in Lua that need nothing more.
fn none(_: &Lua) -> Result<Value> {
    Ok(Value::Nil)
}

/// One file is all the smaller tools: it is told its name.
const TOOL: Opening = InLua(include_str!("kong/small.lua"), kong::natives);

/// One file is all digests: it is told its name.
const DIGEST: Opening = InLua(include_str!("resty/digest.lua"), resty::digests);

/// The same for OpenSSL.
const OPENSSL: Opening = InLua(include_str!("resty/openssl.lua"), resty::digests);

/// And for certificates.
const X509: Opening = InLua(include_str!("resty/openssl/x509.lua"), resty::keys);

/// Every module, by name.
static MODULES: &[(&str, Sharing, Opening)] = &[
    ("bit", All, Seen(&["bit"])),
    ("cjson", Own, Rust(cjson::open)),
    ("cjson.safe", Own, Rust(cjson::open_safe)),
    ("coroutine", All, Seen(&["coroutine"])),
    (
        "inspect",
        All,
        InLua(include_str!("others/inspect.lua"), none),
    ),
    ("io", All, Seen(&["io"])),
    ("jit", All, Seen(&["jit"])),
    (
        "kong.constants",
        All,
        InLua(include_str!("kong/constants.lua"), none),
    ),
    (
        "kong.db.schema.typedefs",
        Own,
        Rust(crate::schema::typedefs),
    ),
    ("kong.meta", All, InLua(include_str!("kong/meta.lua"), none)),
    (
        "kong.plugins.base_plugin",
        All,
        InLua(include_str!("kong/base_plugin.lua"), none),
    ),
    (
        "kong.plugins.jwt.jwt_parser",
        All,
        InLua(include_str!("kong/jwt_parser.lua"), resty::signatures),
    ),
    ("kong.tools.cjson", All, TOOL),
    ("kong.tools.gzip", All, TOOL),
    ("kong.tools.http", All, TOOL),
    ("kong.tools.ip", All, TOOL),
    ("kong.tools.mime_type", All, TOOL),
    (
        "kong.tools.queue",
        Own,
        Plane(include_str!("kong/queue.lua")),
    ),
    ("kong.tools.rand", All, TOOL),
    ("kong.tools.sha256", All, TOOL),
    (
        "kong.tools.string",
        All,
        InLua(include_str!("kong/string.lua"), kong::natives),
    ),
    (
        "kong.tools.table",
        All,
        InLua(include_str!("kong/table.lua"), none),
    ),
    ("kong.tools.time", All, TOOL),
    ("kong.tools.timestamp", All, TOOL),
    ("kong.tools.uri", All, TOOL),
    (
        "kong.tools.utils",
        All,
        InLua(include_str!("kong/utils.lua"), none),
    ),
    ("kong.tools.uuid", All, TOOL),
    ("kong.tools.yield", All, TOOL),
    (
        "lyaml",
        All,
        InLua(include_str!("others/lyaml.lua"), others::yaml),
    ),
    ("math", All, Seen(&["math"])),
    (
        "multipart",
        All,
        InLua(include_str!("others/multipart.lua"), none),
    ),
    ("ngx.base64", All, Seen(&["ngx", "base64"])),
    (
        "ngx.errlog",
        All,
        InLua(include_str!("others/ngx.lua"), none),
    ),
    (
        "ngx.process",
        All,
        InLua(include_str!("others/ngx.lua"), none),
    ),
    ("ngx.re", All, Seen(&["ngx", "re"])),
    (
        "ngx.semaphore",
        All,
        Plane(include_str!("ngx/semaphore.lua")),
    ),
    ("os", All, Seen(&["os"])),
    ("pl.List", All, InLua(include_str!("pl/List.lua"), none)),
    ("pl.Map", All, InLua(include_str!("pl/Map.lua"), none)),
    (
        "pl.OrderedMap",
        All,
        InLua(include_str!("pl/OrderedMap.lua"), none),
    ),
    ("pl.Set", All, InLua(include_str!("pl/Set.lua"), none)),
    ("pl.class", All, InLua(include_str!("pl/class.lua"), none)),
    ("pl.compat", All, InLua(include_str!("pl/compat.lua"), none)),
    ("pl.path", All, InLua(include_str!("pl/path.lua"), none)),
    ("pl.pretty", All, InLua(include_str!("pl/pretty.lua"), none)),
    (
        "pl.stringx",
        All,
        InLua(include_str!("pl/stringx.lua"), none),
    ),
    ("pl.tablex", All, InLua(include_str!("pl/tablex.lua"), none)),
    (
        "pl.template",
        All,
        InLua(include_str!("pl/template.lua"), pl::load),
    ),
    ("pl.types", All, InLua(include_str!("pl/types.lua"), none)),
    ("pl.utils", All, InLua(include_str!("pl/utils.lua"), none)),
    (
        "resty.cookie",
        All,
        InLua(include_str!("resty/cookie.lua"), none),
    ),
    ("resty.http", All, Plane(include_str!("resty/http.lua"))),
    (
        "resty.ipmatcher",
        All,
        InLua(include_str!("resty/ipmatcher.lua"), resty::nets),
    ),
    (
        "resty.jit-uuid",
        All,
        InLua(include_str!("resty/jit_uuid.lua"), resty::random_native),
    ),
    (
        "resty.jwt",
        Own,
        InLua(include_str!("resty/jwt.lua"), resty::signatures),
    ),
    (
        "resty.jwt-validators",
        Own,
        InLua(include_str!("resty/jwt_validators.lua"), none),
    ),
    (
        "resty.lock",
        All,
        InLua(include_str!("resty/lock.lua"), none),
    ),
    (
        "resty.lrucache",
        All,
        InLua(include_str!("resty/lrucache.lua"), none),
    ),
    (
        "resty.lrucache.pureffi",
        All,
        InLua(include_str!("resty/lrucache.lua"), none),
    ),
    ("resty.md5", All, DIGEST),
    (
        "resty.openssl.bn",
        All,
        InLua(include_str!("resty/openssl/bn.lua"), none),
    ),
    ("resty.openssl.digest", All, OPENSSL),
    ("resty.openssl.hmac", All, OPENSSL),
    ("resty.openssl.mac", All, OPENSSL),
    (
        "resty.openssl.pkey",
        All,
        InLua(include_str!("resty/openssl/pkey.lua"), resty::keys),
    ),
    ("resty.openssl.rand", All, OPENSSL),
    ("resty.openssl.x509", All, X509),
    ("resty.openssl.x509.altname", All, X509),
    ("resty.openssl.x509.extension", All, X509),
    ("resty.openssl.x509.name", All, X509),
    ("resty.random", All, Rust(resty::random_module)),
    (
        "resty.redis",
        Own,
        InLua(include_str!("resty/redis.lua"), none),
    ),
    ("resty.sha1", All, DIGEST),
    ("resty.sha224", All, DIGEST),
    ("resty.sha256", All, DIGEST),
    ("resty.sha384", All, DIGEST),
    ("resty.sha512", All, DIGEST),
    ("resty.string", All, Rust(resty::string)),
    (
        "socket.url",
        All,
        InLua(include_str!("others/url.lua"), none),
    ),
    ("string", All, Seen(&["string"])),
    (
        "string.buffer",
        All,
        InLua(include_str!("others/buffer.lua"), none),
    ),
    ("table", All, Seen(&["table"])),
    ("table.clear", All, Seen(&["table", "clear"])),
    ("table.clone", All, Seen(&["table", "clone"])),
    ("table.isarray", All, Seen(&["table", "isarray"])),
    ("table.isempty", All, Seen(&["table", "isempty"])),
    ("table.new", All, Seen(&["table", "new"])),
    ("table.nkeys", All, Seen(&["table", "nkeys"])),
];

/// Whether `require` knows a module of this name, for plugins of every trust.
pub fn exists(name: &str) -> bool {
    entry(name).is_some()
}

fn entry(name: &str) -> Option<&'static (&'static str, Sharing, Opening)> {
    MODULES.iter().find(|(of, ..)| *of == name)
}

type Provider = Box<dyn Fn(&Lua) -> Result<Value>>;

/// What the plane brings to this machine.
#[derive(Default)]
struct Provided(HashMap<&'static str, Provider>);

/// Says how this machine makes the functions of a module that the table leaves to the plane. They are made when the module
/// is first required.
///
/// # Panics
/// If the table of modules does not leave `name` to the plane: that is a mistake in the program.
pub fn provide(lua: &Lua, name: &'static str, open: impl Fn(&Lua) -> Result<Value> + 'static) {
    assert!(
        matches!(entry(name), Some((_, _, Plane(_)))),
        "{name} is no module of a plane"
    );
    if let Some(mut provided) = lua.app_data_mut::<Provided>() {
        provided.0.insert(name, Box::new(open));
        return;
    }
    let provided = Provided(HashMap::from([(name, Box::new(open) as Provider)]));
    lua.set_app_data(provided);
}

/// Where a machine keeps the modules that it has opened, by name.
const OPENED: &str = "headgate.modules";
/// The same by who required them.
const OWN: &str = "headgate.modules.own";

/// The module of this name, if there is one. `environment` is what Lua files of modules see, `protect(name, table)` makes
/// a table read-only, and `owner` is the environment of whoever requires it: modules with settings are kept for each.
///
/// # Errors
/// When there is too little memory or time.
pub(crate) fn open(
    lua: &Lua,
    environment: &Table,
    protect: &Function,
    name: &str,
    owner: &Table,
) -> Result<Option<Value>> {
    let Some((name, sharing, opening)) = entry(name) else {
        return Ok(None);
    };
    let opened = match sharing {
        All => kept(lua, OPENED)?,
        Own => own(lua, owner)?,
    };
    let value: Value = opened.raw_get(*name)?;
    if !value.is_nil() {
        return Ok(Some(value));
    }
    let value = match opening {
        Rust(open) => guarded(protect, name, Value::Table(open(lua)?))?,
        InLua(source, natives) => {
            let module = run(lua, name, source, natives(lua)?, environment, protect)?;
            guarded(protect, name, module)?
        }
        Seen(names) => {
            let mut value = Value::Table(environment.clone());
            for name in *names {
                value = match value {
                    Value::Table(table) => table.get(*name)?,
                    other => other,
                };
            }
            value
        }
        Plane(source) => {
            let natives = provided(lua, name)?;
            let module = run(lua, name, source, natives, environment, protect)?;
            guarded(protect, name, module)?
        }
    };
    opened.raw_set(*name, &value)?;
    Ok(Some(value))
}

/// What a module's source returns.
fn run(
    lua: &Lua,
    name: &str,
    source: &str,
    natives: Value,
    environment: &Table,
    protect: &Function,
) -> Result<Value> {
    let chunk = lua
        .load(source)
        .set_name(format!("={name}"))
        .set_mode(ChunkMode::Text)
        .set_environment(inner(lua, environment, protect)?);
    chunk.call((natives, name.rsplit('.').next()))
}

/// A table of the registry, made at the first use.
fn kept(lua: &Lua, name: &str) -> Result<Table> {
    if let Value::Table(table) = lua.named_registry_value(name)? {
        return Ok(table);
    }
    let table = lua.create_table()?;
    lua.set_named_registry_value(name, &table)?;
    Ok(table)
}

/// What this one has opened. Nothing of it is kept once the owner is gone.
fn own(lua: &Lua, owner: &Table) -> Result<Table> {
    let owners = kept(lua, OWN)?;
    if owners.metatable().is_none() {
        let weak = lua.create_table()?;
        weak.raw_set("__mode", "k")?;
        owners.set_metatable(Some(weak))?;
    }
    if let Value::Table(table) = owners.raw_get(owner)? {
        return Ok(table);
    }
    let table = lua.create_table()?;
    owners.raw_set(owner, &table)?;
    Ok(table)
}

/// What Lua files of modules see: the names that scripts see, and a `require` that reaches every module.
fn inner(lua: &Lua, environment: &Table, protect: &Function) -> Result<Table> {
    const INNER: &str = "headgate.modules.environment";
    if let Value::Table(inner) = lua.named_registry_value(INNER)? {
        return Ok(inner);
    }
    let inner = lua.create_table()?;
    let over = lua.create_table()?;
    over.raw_set("__index", environment)?;
    inner.set_metatable(Some(over))?;
    let (environment, protect, owner) = (environment.clone(), protect.clone(), inner.clone());
    let require = lua.create_function(move |lua, name: String| {
        let module = open(lua, &environment, &protect, &name, &owner)?;
        module.ok_or_else(|| mlua::Error::RuntimeError(format!("module '{name}' not found")))
    })?;
    inner.raw_set("require", require)?;
    lua.set_named_registry_value(INNER, &inner)?;
    Ok(inner)
}

/// Read-only, with the plain tables in it. What has a metatable is somebody's business already.
fn guarded(protect: &Function, name: &str, value: Value) -> Result<Value> {
    let Value::Table(table) = value else {
        return Ok(value);
    };
    let mut inside = Vec::new();
    for pair in table.pairs::<Value, Value>() {
        if let (Value::String(key), Value::Table(nested)) = pair?
            && nested.metatable().is_none()
        {
            inside.push((key, nested));
        }
    }
    for (key, nested) in inside {
        let name = format!("{name}.{}", key.to_string_lossy());
        table.raw_set(key, guarded(protect, &name, Value::Table(nested))?)?;
    }
    protect.call((name, table))
}

/// What the plane has said, else functions that can be named and not called: source is checked where nothing is behind it.
fn provided(lua: &Lua, name: &'static str) -> Result<Value> {
    if let Some(provided) = lua.app_data_ref::<Provided>()
        && let Some(open) = provided.0.get(name)
    {
        return open(lua);
    }
    let dry: Function = lua
        .load(
            "local name = ...
             local error, setmetatable, tostring = error, setmetatable, tostring
             return setmetatable({}, { __index = function(_, key)
               return function()
                 error(name .. '.' .. tostring(key) .. ' cannot be called here', 2)
               end
             end })",
        )
        .set_name("=engine")
        .into_function()?;
    dry.call(name)
}
