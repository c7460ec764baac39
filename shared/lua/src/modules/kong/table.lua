-- kong.tools.table: what bundled plugins use of it.
local getmetatable, ipairs, next, pairs, rawget, setmetatable = getmetatable, ipairs, next, pairs, rawget, setmetatable
local select, type, unpack, tostring = select, type, unpack, tostring
local insert, concat = table.insert, table.concat

local _M = {}

function _M.pack(...)
  return { n = select("#", ...), ... }
end

function _M.unpack(of, first, last)
  return unpack(of, first or 1, last or of.n or #of)
end

function _M.concat(...)
  local all = {}
  for i = 1, select("#", ...) do
    for _, value in ipairs((select(i, ...))) do
      all[#all + 1] = value
    end
  end
  return all
end

-- One table of two; what the second has wins.
function _M.table_merge(one, other)
  local merged = {}
  for key, value in pairs(one or {}) do
    merged[key] = value
  end
  for key, value in pairs(other or {}) do
    merged[key] = value
  end
  return merged
end

function _M.table_contains(list, value)
  for i = 1, list and #list or 0 do
    if list[i] == value then
      return true, i
    end
  end
  return false
end

-- `strict`: every key from 1 to the last; `fast`: as many keys as elements; `lapis`: as `strict`.
function _M.is_array(of)
  if type(of) ~= "table" then
    return false
  end
  local i = 0
  for _ in pairs(of) do
    i = i + 1
    if of[i] == nil and of[tostring(i)] == nil then
      return false
    end
  end
  return true
end

function _M.is_non_empty_array(of)
  return type(of) == "table" and #of > 0
end

local function copy(of, known, with_metatables)
  if type(of) ~= "table" then
    return of
  elseif known[of] then
    return known[of]
  end
  local new = {}
  known[of] = new
  for key, value in pairs(of) do
    new[copy(key, known, with_metatables)] = copy(value, known, with_metatables)
  end
  local meta = with_metatables and getmetatable(of)
  if type(meta) == "table" then
    setmetatable(new, meta)
  end
  return new
end

function _M.deep_copy(of, keep_metatables)
  return copy(of, {}, keep_metatables ~= false)
end

function _M.cycle_aware_deep_copy(of, remove_metatables, _, known)
  return copy(of, known or {}, not remove_metatables)
end

function _M.shallow_copy(of)
  if type(of) ~= "table" then
    return of
  end
  local new = {}
  for key, value in pairs(of) do
    new[key] = value
  end
  return new
end

function _M.deep_merge(one, other)
  local merged = _M.deep_copy(one)
  for key, value in pairs(other) do
    if type(value) == "table" and type(merged[key]) == "table" then
      merged[key] = _M.deep_merge(merged[key], value)
    else
      merged[key] = _M.deep_copy(value)
    end
  end
  return merged
end

_M.cycle_aware_deep_merge = _M.deep_merge

function _M.table_path(of, path)
  for i = 1, #path do
    if type(of) ~= "table" then
      return nil
    end
    of = of[path[i]]
  end
  return of
end

function _M.remove_nulls(of)
  for key, value in pairs(of) do
    if value == ngx.null then
      of[key] = nil
    elseif type(value) == "table" then
      of[key] = _M.remove_nulls(value)
    end
  end
  return of
end

-- Errors by name; a second one for the same name makes a list.
function _M.add_error(errors, name, value)
  errors = errors or {}
  if errors[name] == nil then
    errors[name] = value
  elseif type(errors[name]) == "table" then
    insert(errors[name], value)
  else
    errors[name] = { errors[name], value }
  end
  return errors
end

_M.EMPTY = {}

return _M
