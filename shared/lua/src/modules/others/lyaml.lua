-- lyaml: YAML read and written. Given: what reads it.
local read = ...

local concat, find, format, gsub, match, rep = table.concat, string.find, string.format, string.gsub, string.match, string.rep
local error, ipairs, next, pairs, sort, tonumber, tostring, type = error, ipairs, next, pairs, table.sort, tonumber, tostring, type

local _M = { _VERSION = "6.2.8", null = ngx.null }

-- The first document, or all of them in a list.
function _M.load(text, options)
  if type(text) ~= "string" then
    error("bad argument #1 to 'load' (string expected, got " .. type(text) .. ")", 2)
  end
  local documents, said = read(text)
  if not documents then
    error(said, 2)
  elseif options == true or type(options) == "table" and options.all then
    return documents
  end
  return documents[1]
end

local words = { ["true"] = true, ["false"] = true, yes = true, no = true, on = true, off = true, null = true, ["~"] = true, y = true, n = true }

-- A text is plain if it cannot be taken for anything else.
local function scalar(value)
  if value == ngx.null then
    return "null"
  elseif type(value) ~= "string" then
    return tostring(value)
  elseif find(value, "^[%a_/][%w_/%. -]*$") and not words[value:lower()] and not find(value, " $") then
    return value
  end
  return '"' .. gsub(value, '[%c"\\]', function(character)
    if character == "\n" then
      return "\\n"
    elseif character == '"' or character == "\\" then
      return "\\" .. character
    end
    return format("\\x%02x", character:byte())
  end) .. '"'
end

local write

local function below(value, indent, out, open, within)
  if type(value) ~= "table" or next(value) == nil then
    out[#out] = out[#out] .. " " .. (type(value) == "table" and (getmetatable(value) and "[]" or "{}") or scalar(value))
    return
  end
  write(value, indent + open, out, within)
end

function write(value, indent, out, within)
  if within[value] then
    error("cannot write a table that is within itself", 0)
  end
  within[value] = true
  local space = rep(" ", indent)
  if #value > 0 then
    for _, element in ipairs(value) do
      out[#out + 1] = space .. "-"
      below(element, indent, out, 2, within)
    end
  else
    local keys = {}
    for key in pairs(value) do
      keys[#keys + 1] = key
    end
    sort(keys, function(one, other)
      return tostring(one) < tostring(other)
    end)
    for _, key in ipairs(keys) do
      out[#out + 1] = space .. scalar(type(key) == "table" and tostring(key) or key) .. ":"
      below(value[key], indent, out, 2, within)
    end
  end
  within[value] = nil
end

-- A list of documents.
function _M.dump(documents)
  if type(documents) ~= "table" then
    error("bad argument #1 to 'dump' (table expected, got " .. type(documents) .. ")", 2)
  end
  local out = {}
  for _, document in ipairs(documents) do
    out[#out + 1] = "---"
    below(document, 0, out, 0, {})
    out[#out + 1] = "..."
  end
  return concat(out, "\n") .. "\n"
end

return _M
