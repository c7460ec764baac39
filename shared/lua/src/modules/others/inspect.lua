-- inspect: values as text that people read.
local concat, find, floor, format, gsub, huge, rep = table.concat, string.find, math.floor, string.format, string.gsub, math.huge, string.rep
local getmetatable, ipairs, pairs, rawget, setmetatable = getmetatable, ipairs, pairs, rawget, setmetatable
local sort, tostring, type = table.sort, tostring, type

local inspect = { _VERSION = "inspect.lua 3.1.0" }
inspect.KEY = setmetatable({}, { __tostring = function() return "inspect.KEY" end, __metatable = false })
inspect.METATABLE = setmetatable({}, { __tostring = function() return "inspect.METATABLE" end, __metatable = false })

local short = { ["\a"] = "\\a", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ["\v"] = "\\v", ["\127"] = "\\127" }

local function quoted(text)
  local inner = gsub(text, "\\", "\\\\")
  inner = gsub(inner, "%c", function(character)
    return short[character] or format("\\%03d", character:byte())
  end)
  if find(inner, '"', 1, true) and not find(inner, "'", 1, true) then
    return "'" .. inner .. "'"
  end
  return '"' .. gsub(inner, '"', '\\"') .. '"'
end

local keywords = {}
for word in ("and break do else elseif end false for function goto if in local nil not or repeat return then true until while"):gmatch("%a+") do
  keywords[word] = true
end

local function is_name(of)
  return type(of) == "string" and find(of, "^[%a_][%w_]*$") ~= nil and not keywords[of]
end

local order = { number = 1, boolean = 2, string = 3, table = 4, ["function"] = 5, userdata = 6, thread = 7 }

local function less(one, other)
  local a, b = type(one), type(other)
  if a == b and (a == "string" or a == "number") then
    return one < other
  end
  return (order[a] or 100) < (order[b] or 100)
end

local function process(filter, value, path, seen)
  if value == nil then
    return nil
  elseif seen[value] then
    return seen[value]
  end
  local kept = filter(value, path)
  if type(kept) ~= "table" then
    return kept
  end
  local copy = {}
  seen[value] = copy
  local function below(key)
    local longer = {}
    for i = 1, #path do
      longer[i] = path[i]
    end
    longer[#longer + 1] = key
    return longer
  end
  for key, of in pairs(kept) do
    local under = below(key)
    under[#under + 1] = inspect.KEY
    local new = process(filter, key, under, seen)
    if new ~= nil then
      copy[new] = process(filter, of, below(new), seen)
    end
  end
  local meta = getmetatable(kept)
  if type(meta) == "table" then
    meta = process(filter, meta, below(inspect.METATABLE), seen)
    if type(meta) == "table" then
      setmetatable(copy, meta)
    end
  end
  return copy
end

function inspect.inspect(root, options)
  options = options or {}
  local deepest, newline, indent = options.depth or huge, options.newline or "\n", options.indent or "  "
  if options.process then
    root = process(options.process, root, {}, {})
  end
  local counts, ids, last = {}, {}, {}
  local function count(of)
    if type(of) ~= "table" then
      return
    elseif counts[of] then
      counts[of] = counts[of] + 1
      return
    end
    counts[of] = 1
    for key, value in pairs(of) do
      count(key)
      count(value)
    end
    local meta = getmetatable(of)
    count(type(meta) == "table" and meta or nil)
  end
  count(root)
  local function id(of)
    if not ids[of] then
      local kind = type(of)
      last[kind] = (last[kind] or 0) + 1
      ids[of] = last[kind]
    end
    return ids[of]
  end
  local out, level = {}, 0
  local function put(text)
    out[#out + 1] = text
  end
  local function line()
    put(newline .. rep(indent, level))
  end
  local write
  local function write_table(of)
    if ids[of] then
      return put("<table " .. ids[of] .. ">")
    elseif level >= deepest then
      return put("{...}")
    end
    if counts[of] and counts[of] > 1 then
      put("<" .. id(of) .. ">")
    end
    local length, keys = 0, {}
    while rawget(of, length + 1) ~= nil do
      length = length + 1
    end
    for key in pairs(of) do
      if type(key) ~= "number" or key % 1 ~= 0 or key < 1 or key > length then
        keys[#keys + 1] = key
      end
    end
    sort(keys, less)
    local meta = getmetatable(of)
    put("{")
    level = level + 1
    for i = 1, length do
      put(i > 1 and ", " or " ")
      write(of[i])
    end
    for i = 1, #keys do
      if i > 1 or length > 0 then
        put(",")
      end
      line()
      if is_name(keys[i]) then
        put(keys[i])
      else
        put("[")
        write(keys[i])
        put("]")
      end
      put(" = ")
      write(of[keys[i]])
    end
    if type(meta) == "table" then
      if length + #keys > 0 then
        put(",")
      end
      line()
      put("<metatable> = ")
      write(meta)
    end
    level = level - 1
    if #keys > 0 or type(meta) == "table" then
      line()
    elseif length > 0 then
      put(" ")
    end
    put("}")
  end
  function write(value)
    local kind = type(value)
    if kind == "string" then
      put(quoted(value))
    elseif kind == "number" or kind == "boolean" or kind == "nil" then
      put(tostring(value))
    elseif kind == "table" then
      write_table(value)
    else
      put("<" .. kind .. " " .. id(value) .. ">")
    end
  end
  write(root)
  return concat(out)
end

return setmetatable(inspect, {
  __call = function(_, root, options)
    return inspect.inspect(root, options)
  end,
})
