-- Calls what the test's tables name and remembers what came of it; the tables are written in below.

local cjson = require "cjson.safe"

local Pdk = {
  PRIORITY = 1000,
  VERSION = "0.0.1",
}

-- By scene, phase and row: whether it threw, and its results.
local seen = {}

local function plain(value)
  local kind = type(value)
  if value == nil then
    return cjson.null
  end
  if kind == "function" or kind == "thread" or (kind == "userdata" and value ~= cjson.null) then
    return "<" .. kind .. ">"
  end
  if kind == "number" and (value ~= value or value == math.huge or value == -math.huge) then
    return tostring(value)
  end
  return value
end

local function outcome(ok, ...)
  local values = setmetatable({}, cjson.array_mt)
  for i = 1, select("#", ...) do
    values[i] = plain((select(i, ...)))
  end
  -- What can not be shown must not hide the rest.
  local text, err = cjson.encode(values)
  return { ok = ok, values = text or cjson.encode({ "not JSON: " .. tostring(err) }) }
end

local scenes = {
--SCENES--
}

local effects = {
--EFFECTS--
}

local matrix = {
--MATRIX--
}

local function run(scene, phase, rows)
  local outcomes = {}
  for key, row in pairs(rows) do
    outcomes[key] = outcome(pcall(row))
  end
  seen[scene] = seen[scene] or {}
  seen[scene][phase] = outcomes
end

local function play(phase)
  -- The connection is there before its request.
  if phase == "certificate" then
    return run("phases", phase, matrix)
  end
  local scene = kong.request.get_header("x-scene")
  if scene == "phases" then
    return run(scene, phase, matrix)
  end
  local rows = scenes[scene]
  if rows and rows[phase] then
    run(scene, phase, rows[phase])
  end
  local effect = effects[kong.request.get_header("x-effect")]
  if effect and effect[phase] then
    return effect[phase]()
  end
end

--PHASES--

return Pdk
