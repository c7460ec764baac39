-- Builds what untrusted Lua sees (custom-plugins.md 6.2; transformers.md 2.8), and what the engine calls it through.
-- Given: functions of the engine, the modules that may be loaded, further names that may be seen.
local engine, requires, names = ...

local G = _G
local error, getmetatable, pairs, pcall = error, getmetatable, pairs, pcall
local rawset, select, setmetatable, tostring, type = rawset, select, setmetatable, tostring, type
local concat, sort, sub = table.concat, table.sort, string.sub
local gmatch, lower, swap = string.gmatch, string.lower, string.gsub
local rawget = rawget

-- An engine function answers true and its results, or false and what is wrong.
local function pass(ok, ...)
  if ok then
    return ...
  end
  return error((...), 2)
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
  local text, pattern = pass(engine.texts("gmatch", ...))
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
      return step(pass(engine.scan(text, pattern, from, false)))
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
    return error("invalid replacement value (a " .. type(value) .. ")", 3)
  end
  return start, stop, value
end

function string.gsub(...)
  local text, pattern = pass(engine.texts("gsub", ...))
  local by, most = select(3, ...)
  if type(by) == "string" or type(by) == "number" then
    return pass(engine.gsub(text, pattern, by, most))
  elseif type(by) == "table" then
    local values = by
    by = function(key)
      return values[key]
    end
  elseif type(by) ~= "function" then
    return error("bad argument #3 to 'gsub' (string/function/table expected)", 2)
  end
  local anchored = sub(pattern, 1, 1) == "^"
  local out, count, from, copied = {}, 0, 1, 1
  while (not most or count < most) and from <= #text + 1 do
    local start, stop, value = replaced(by, text, pass(engine.scan(text, pattern, from, true)))
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

local function before(a, b)
  return a < b
end

function table.sort(list, less)
  return sort(list, less or before)
end

function table.isempty(list)
  return G.next(list) == nil
end

function table.nkeys(list)
  local count = 0
  for _ in G.next, list do
    count = count + 1
  end
  return count
end

function table.isarray(list)
  local count = 0
  for key in G.next, list do
    if type(key) ~= "number" or key < 1 or key % 1 ~= 0 then
      return false
    end
    count = count + 1
  end
  for i = 1, count do
    if list[i] == nil then
      return false
    end
  end
  return true
end

function table.clone(list)
  local copy = {}
  for key, value in G.next, list do
    copy[key] = value
  end
  return copy
end

-- Names that can be read and not changed, not even with rawset.

local protected = setmetatable({}, { __mode = "k" })

local function protect(name, of)
  local shown = setmetatable({}, {
    __index = of,
    __newindex = function(_, key)
      return error("Cannot modify " .. name .. "." .. tostring(key) .. ". Protected by the sandbox.", 2)
    end,
    __pairs = function()
      return function(_, key)
        return G.next(of, key)
      end
    end,
    __metatable = false,
  })
  protected[shown] = name
  return shown
end

local ngx = protect("ngx", { null = engine.null })

local modules = {
  bit = protect("bit", G.bit),
  coroutine = protect("coroutine", only(G.coroutine, "create", "resume", "running", "status", "wrap", "yield")),
  io = protect("io", only(G.io or {}, "type")),
  jit = protect("jit", only(G.jit, "os", "arch", "version")),
  math = protect("math", without(G.math, "randomseed")),
  os = protect("os", only(G.os, "clock", "date", "difftime", "time")),
  string = protect("string", string),
  table = protect("table", table),
}

local loadable = {}
for i = 1, #requires do
  loadable[requires[i]] = true
end

local function require(name)
  if not loadable[name] then
    return error("require '" .. tostring(name) .. "' not allowed within sandbox", 0)
  end
  local module = modules[name] or pass(engine.module(name))
  return module
end

local base = only(G, "_VERSION", "assert", "error", "ipairs", "next", "pairs", "pcall", "rawequal", "rawget", "select",
  "setmetatable", "tonumber", "tostring", "type", "unpack")
for name, module in pairs(modules) do
  base[name] = module
end
base.ngx = ngx
base.require = require

-- The handler runs once the failure has left the function: within, no limit could end it.
function base.xpcall(f, handler, ...)
  local function finish(ok, ...)
    if ok then
      return true, ...
    end
    return false, handler(...)
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
    return error("Cannot modify " .. protected[of] .. "." .. tostring(key) .. ". Protected by the sandbox.", 2)
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

-- A dotted name, looked up and set along the way.
local function give(env, name)
  local value, parent, last = G, env, nil
  for part in gmatch(name, "[^.]+") do
    value = type(value) == "table" and value[part] or nil
    if last then
      if type(parent[last]) ~= "table" then
        parent[last] = {}
      end
      parent = parent[last]
    end
    last = part
  end
  if last then
    parent[last] = modules[name] or value
  end
end

local template = { ngx = ngx, require = require, type = type }
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
  return env
end

local templates = { __index = template, __metatable = false }

-- What a failure says. The text of an object would be made by functions of its own, so it is not asked for one.
local function said(failure)
  if type(failure) == "string" or type(failure) == "number" then
    return tostring(failure)
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
    return finish(pcall(f, ...))
  end,
  render = function(f)
    return finish(pcall(function()
      return shown(f())
    end))
  end,
}
