-- Builds what untrusted Lua sees (custom-plugins.md 6.2; transformers.md 2.8), and what the engine calls it through.
-- Given: functions of the engine, the modules that may be loaded, further names that may be seen.
local engine, requires, names = ...

local G = _G
local error, getmetatable, pairs, pcall = error, getmetatable, pairs, pcall
local rawset, select, setmetatable, tostring, type = rawset, select, setmetatable, tostring, type
local concat, sort, sub = table.concat, table.sort, string.sub
local gmatch, lower, swap = string.gmatch, string.lower, string.gsub
local rawget, tonumber = rawget, tonumber
local insert, time = table.insert, os.time
local create, resume, wrap = coroutine.create, coroutine.resume, coroutine.wrap
local traceback, xpcall = engine.traceback, xpcall

-- `error` is never called in a tail call here: that would leave one level less to tell whose mistake it was.

-- An engine function answers true and its results, or false and what is wrong: for a function that ends with it.
local function pass(ok, ...)
  if not ok then
    error((...), 2)
  end
  return ...
end

-- The same for a function that goes on.
local function got(ok, ...)
  if not ok then
    error((...), 3)
  end
  return ...
end

-- What C runs Lua through takes room on the stack of the thread, which ends the process when it is used up. Lua's own
-- limits do not count it, so this does, over all coroutines.
local DEEPEST = 200
local nested = 0

local function left(ok, said, ...)
  nested = nested - 1
  if ok then
    return said, ...
  end
  -- C knows no place when `pcall` called it.
  if type(said) == "string" and (sub(said, 1, 14) == "bad argument #" or said == "invalid order function for sorting") then
    error(said, 2)
  end
  error(said, 0)
end

local function counted(f, ...)
  if nested >= DEEPEST then
    error("C stack overflow", 2)
  end
  nested = nested + 1
  return left(pcall(f, ...))
end

-- A copy without some names.
local function without(from, ...)
  local copy = {}
  for name, value in pairs(from) do
    copy[name] = value
  end
  for i = 1, select("#", ...) do
    copy[select(i, ...)] = nil
  end
  return copy
end

local function only(from, ...)
  local copy = {}
  for i = 1, select("#", ...) do
    local name = select(i, ...)
    copy[name] = from[name]
  end
  return copy
end

-- Strings: what could run for ever, or take all memory at once, is the engine's.

local string = without(G.string, "dump")
local format = G.string.format

-- Tables may bring a `__tostring`.
function string.format(...)
  for i = 2, select("#", ...) do
    local value = select(i, ...)
    if type(value) == "table" and getmetatable(value) ~= nil then
      return counted(format, ...)
    end
  end
  return format(...)
end

function string.find(...)
  return pass(engine.find(...))
end

function string.match(...)
  return pass(engine.match(...))
end

function string.rep(...)
  return pass(engine.rep(...))
end

function string.gmatch(...)
  local text, pattern = got(engine.texts("gmatch", ...))
  local from = 1
  local function step(start, stop, ...)
    if not start then
      from = nil
      return nil
    end
    from = stop < start and start + 1 or stop + 1
    return ...
  end
  return function()
    if from then
      return step(got(engine.scan(text, pattern, from, false)))
    end
  end
end

-- One match, replaced by what a function or a table says.
local function replaced(by, text, start, stop, ...)
  if not start then
    return nil
  end
  local value = by(...)
  if not value then
    value = sub(text, start, stop)
  elseif type(value) ~= "string" and type(value) ~= "number" then
    error("invalid replacement value (a " .. type(value) .. ")", 3)
  end
  return start, stop, value
end

function string.gsub(...)
  local text, pattern = got(engine.texts("gsub", ...))
  local by, most = select(3, ...)
  if type(by) == "string" or type(by) == "number" then
    return pass(engine.gsub(text, pattern, by, most))
  elseif type(by) == "table" then
    local values = by
    by = function(key)
      return values[key]
    end
  elseif type(by) ~= "function" then
    error("bad argument #3 to 'gsub' (string/function/table expected)", 2)
  end
  if most ~= nil then
    most = tonumber(most) or error("bad argument #4 to 'gsub' (number expected, got " .. type(most) .. ")", 2)
  end
  local anchored = sub(pattern, 1, 1) == "^"
  local out, count, from, copied = {}, 0, 1, 1
  while (not most or count < most) and from <= #text + 1 do
    local start, stop, value = replaced(by, text, got(engine.scan(text, pattern, from, true)))
    if not start then
      break
    end
    count = count + 1
    out[#out + 1] = sub(text, copied, start - 1)
    out[#out + 1] = value
    copied = stop + 1
    from = stop < start and start + 1 or stop + 1
    if anchored then
      break
    end
  end
  out[#out + 1] = sub(text, copied)
  return concat(out), count
end

-- Tables. Without a comparison of Lua's own a sort could not be interrupted.

local table = without(G.table)
table.new = G.require("table.new")
table.clear = G.require("table.clear")

-- C knows no place for what cannot be compared, and this file is none.
local function before(a, b)
  return a < b
end

local function sorted(list)
  local ok, said = pcall(sort, list, before)
  if not ok then
    error(type(said) == "string" and swap(said, "^sandbox:%d+: ", "") or said, 0)
  end
end

function table.sort(list, less)
  if type(list) ~= "table" or less ~= nil and type(less) ~= "function" then
    return sort(list, less)
  elseif less then
    return counted(sort, list, less)
  end
  return counted(sorted, list)
end

local protected = setmetatable({}, { __mode = "k" })

-- Behind the end is Lua's. Before it elements move, from a place that may be far below 1: for C that is one step.
function table.insert(list, ...)
  local at, value = ...
  if protected[list] then
    error("Cannot modify " .. protected[list] .. ". Protected by the sandbox.", 2)
  elseif type(list) ~= "table" or select("#", ...) ~= 2 or not tonumber(at) then
    return insert(list, ...)
  end
  at = tonumber(at)
  at = at - at % 1
  for i = #list + 1, at + 1, -1 do
    rawset(list, i, rawget(list, i - 1))
  end
  rawset(list, at, value)
end

-- It sets without a look at metatables.
local move = table.move
function table.move(from, first, last, at, to)
  local into = protected[to or from]
  if into then
    error("Cannot modify " .. into .. ". Protected by the sandbox.", 2)
  end
  return move(from, first, last, at, to)
end

local function list(of, name)
  if type(of) ~= "table" then
    error("bad argument #1 to '" .. name .. "' (table expected, got " .. (of == nil and "no value" or type(of)) .. ")", 3)
  end
  return of
end

function table.isempty(of)
  return G.next(list(of, "isempty")) == nil
end

function table.nkeys(of)
  list(of, "nkeys")
  local count = 0
  for _ in G.next, of do
    count = count + 1
  end
  return count
end

function table.isarray(of)
  list(of, "isarray")
  local count = 0
  for key in G.next, of do
    if type(key) ~= "number" or key < 1 or key % 1 ~= 0 then
      return false
    end
    count = count + 1
  end
  for i = 1, count do
    if of[i] == nil then
      return false
    end
  end
  return true
end

function table.clone(of)
  list(of, "clone")
  local copy = {}
  for key, value in G.next, of do
    copy[key] = value
  end
  return copy
end

-- Names that can be read and not changed, not even with rawset.

-- `more` says what is done with what the table has not: `read`, `write`; and `call`.
local function protect(name, of, more)
  local read = more and more.read
  local shown = setmetatable({}, {
    __index = read and function(_, key)
      local value = of[key]
      if value == nil then
        return read(key)
      end
      return value
    end or of,
    __newindex = more and more.write and function(_, key, value)
      if of[key] == nil then
        return more.write(key, value)
      end
      error("Cannot modify " .. name .. "." .. tostring(key) .. ". Protected by the sandbox.", 2)
    end or function(_, key)
      error("Cannot modify " .. name .. "." .. tostring(key) .. ". Protected by the sandbox.", 2)
    end,
    __call = more and more.call or function(_, ...)
      return of(...)
    end,
    __pairs = function()
      return function(_, key)
        return G.next(of, key)
      end
    end,
    -- `ipairs` itself would hand out the table.
    __ipairs = function()
      return function(_, at)
        at = at + 1
        local value = of[at]
        if value ~= nil then
          return at, value
        end
      end, nil, 0
    end,
    __len = function()
      return #of
    end,
    __metatable = false,
  })
  protected[shown] = name
  return shown
end

local ngx = protect("ngx", { null = engine.null })

-- Coroutines. One that waits for something yields a mark, which is no value of the plugin's: it goes on outwards, to the
-- worker, and in again.

local waiting, yield = engine.waiting, coroutine.yield

local resumed

local function resuming(thread, ...)
  if nested >= DEEPEST then
    return false, "C stack overflow"
  end
  nested = nested + 1
  return resumed(thread, resume(thread, ...))
end

function resumed(thread, ok, first, ...)
  nested = nested - 1
  if ok and first == waiting then
    return resuming(thread, yield(waiting))
  end
  return ok, first, ...
end

local coroutine = only(G.coroutine, "running", "status", "yield")

-- Those that plugins have made. The one that a handler runs in is the worker's, which uses it again for other handlers:
-- whoever could resume it would answer for them, out of their requests.
local made = setmetatable({}, { __mode = "k" })

local function make(f)
  if type(f) ~= "function" then
    return create(f) -- in its own place: it blames its caller
  end
  local thread = create(f)
  made[thread] = true
  return thread
end

coroutine.create = make

function coroutine.resume(...)
  local thread = ...
  if type(thread) ~= "thread" then
    return resume(...)
  elseif not made[thread] then
    return false, "cannot resume non-suspended coroutine"
  end
  return resuming(...)
end

local function unwrapped(ok, ...)
  if ok then
    return ...
  end
  local said = ...
  error(said, type(said) == "string" and 2 or 0)
end

function coroutine.wrap(f)
  if type(f) ~= "function" then
    return wrap(f)
  end
  local thread = make(f)
  return function(...)
    return unwrapped(resuming(thread, ...))
  end
end

local os = only(G.os, "clock", "date", "difftime", "time")

-- Tables may bring an `__index`.
function os.time(...)
  if type((...)) == "table" and getmetatable((...)) ~= nil then
    return counted(time, ...)
  end
  return time(...)
end

local modules = {
  bit = protect("bit", G.bit),
  coroutine = protect("coroutine", coroutine),
  io = protect("io", only(G.io or {}, "type")),
  jit = protect("jit", only(G.jit, "os", "arch", "version")),
  math = protect("math", without(G.math, "randomseed")),
  os = protect("os", os),
  string = protect("string", string),
  table = protect("table", table),
}

local loadable = {}
for i = 1, #requires do
  loadable[requires[i]] = true
end

local base = only(G, "_VERSION", "assert", "error", "ipairs", "next", "pairs", "pcall", "rawequal", "rawget", "select",
  "setmetatable", "tonumber", "tostring", "type", "unpack")
for name, module in pairs(modules) do
  base[name] = module
end
base.ngx = ngx

-- The `require` of those who see `owner`.
local function requiring(owner)
  return function(name)
    if not loadable[name] then
      error("require '" .. tostring(name) .. "' not allowed within sandbox", 0)
    end
    local module = got(engine.module(name, base, protect, owner))
    if module == nil then
      error("module '" .. name .. "' not found", 2)
    end
    return module
  end
end

base.require = requiring(base)

-- What sees the process's own names finds the modules through its `require`, behind what Lua brings itself.
insert(G.package.loaders, 2, function(name)
  local module = got(engine.module(name, base, protect, G))
  if module ~= nil then
    return function()
      return module
    end
  end
end)

-- The handler runs once the failure has left the function: within, no limit could end it.
function base.xpcall(f, handler, ...)
  local function finish(ok, ...)
    if ok then
      return true, ...
    end
    local _, said = pcall(handler, (...))
    return false, said
  end
  return finish(pcall(f, ...))
end

function base.getmetatable(of)
  if type(of) == "table" then
    return getmetatable(of)
  end
  return false
end

function base.rawset(of, key, value)
  if protected[of] then
    error("Cannot modify " .. protected[of] .. "." .. tostring(key) .. ". Protected by the sandbox.", 2)
  end
  return rawset(of, key, value)
end

function base.print(...)
  local texts = {}
  for i = 1, select("#", ...) do
    texts[i] = tostring((select(i, ...)))
  end
  engine.print(concat(texts, "\t"))
end

local text = getmetatable("")
text.__index = string
text.__metatable = false

-- A dotted name, looked up and set along the way. What the sandbox has itself is given as it has it.
local function give(env, name)
  local value, own, parent, last = G, base, env, nil
  for part in gmatch(name, "[^.]+") do
    value = type(value) == "table" and value[part] or nil
    own = type(own) == "table" and own[part] or nil
    if last and protected[parent[last]] then
      return -- With all that is in it.
    elseif last then
      if type(parent[last]) ~= "table" then
        parent[last] = {}
      end
      parent = parent[last]
    end
    last = part
  end
  if last then
    parent[last] = own or value
  end
end

local template = { ngx = ngx, type = type }
template.require = requiring(template)
for i = 1, #names do
  give(template, names[i])
  if base[names[i]] == nil and not names[i]:find(".", 1, true) then
    give(base, names[i])
  end
end

-- Each script has names of its own over what all see.
local function environment(over)
  local env = setmetatable({}, { __index = over, __metatable = false })
  env._G = env
  if over == base then
    env.require = requiring(env)
  end
  return env
end

local templates = { __index = template, __metatable = false }

-- What a failure says. The text of an object would be made by functions of its own, so it is not asked for one.
local function said(failure)
  if type(failure) == "string" or type(failure) == "number" then
    return tostring(failure)
  elseif type(failure) == "userdata" and failure ~= engine.null then
    return "not enough memory" -- Nothing else fails in the engine.
  end
  return "(error object is a " .. type(failure) .. " value)"
end

local function finish(ok, ...)
  if ok then
    return true, ...
  end
  return false, said((...))
end

-- What a template prints for a value that is neither text nor number (transformers.md 2.8).
local function shown(value)
  if type(value) == "table" and not getmetatable(value) and #value > 0 then
    local texts = {}
    for i = 1, #value do
      texts[i] = tostring(value[i])
    end
    return concat(texts, ", ")
  end
  return tostring(value)
end

-- Names of headers are found in any case; one with `_` finds the header with `-`, too.
local headers = {
  __index = function(of, name)
    if type(name) ~= "string" then
      return nil
    end
    name = lower(name)
    local value = rawget(of, name)
    if value == nil then
      value = rawget(of, (swap(name, "_", "-")))
    end
    return value
  end,
  __metatable = false,
}

return {
  protect = protect,
  -- What all code sees of the gateway.
  install = function(kong, gate)
    base.kong, base.ngx = kong, gate
    G.kong, G.ngx = kong, gate
    template.kong, template.ngx = kong, gate
  end,
  -- The names of one plugin. `own` gives its other files, of which it keeps what they returned, and says whether it has one of
  -- that name.
  plugin = function(trusted, own)
    local env, loaded = environment(trusted and G or base), {}
    function env.require(name)
      if trusted and modules[name] then
        return G[name]
      end
      local module = got(engine.module(name, base, protect, env))
      if module ~= nil then
        return module
      end
      local found, module = own(name, env, loaded)
      if found then
        return module
      elseif trusted then
        return G.require(name)
      end
      error("require '" .. tostring(name) .. "' not allowed within sandbox", 2)
    end
    return env
  end,
  -- What a table has under some names, as a list; what a class merely brings from the stub of all plugins is left out.
  members = function(of, names)
    nested = 0
    return finish(pcall(function()
      local stub = got(engine.module("kong.plugins.base_plugin", base, protect, base)) or {}
      local found = {}
      for i = 1, #names do
        local value = of[names[i]]
        if value ~= stub[names[i]] then
          found[i] = value
        end
      end
      return found
    end))
  end,
  -- A handler. What it raises comes with the way there.
  handle = function(f, ...)
    nested = 0
    return finish(xpcall(f, traceback, ...))
  end,
  -- The metatable of arrays, which all scripts may ask for.
  arrays = protect("array", {}),
  headers = function(of)
    return setmetatable(of, headers)
  end,
  -- The names that a script sees; those of the process if it is trusted.
  environment = function(trusted)
    return environment(trusted and G or base)
  end,
  -- The names that a template sees, over those of its request.
  template = function(roots, trusted)
    return setmetatable(roots, trusted and { __index = G } or templates)
  end,
  call = function(f, ...)
    nested = 0
    return finish(pcall(f, ...))
  end,
  render = function(f)
    nested = 0
    return finish(pcall(function()
      return shown(f())
    end))
  end,
}
