-- pl.types, after Penlight (LICENSE in this folder). Modules are shown through tables whose metatable is hidden; so are
-- objects of these, so the metatable of a value is looked at only where it can be seen.
local getmetatable, next, pairs, type = getmetatable, next, pairs, type
local floor, lower = math.floor, string.lower

local types = {}

local function meta(of)
  local found = type(of) == "table" and getmetatable(of) or nil
  return type(found) == "table" and found or nil
end

function types.is_callable(of)
  local of_meta = meta(of)
  return type(of) == "function" or of_meta ~= nil and of_meta.__call ~= nil
end

function types.is_type(of, kind)
  if type(kind) == "string" then
    return type(of) == kind
  end
  return getmetatable(of) == kind
end

function types.type(of)
  local kind = type(of)
  local of_meta = kind == "table" and meta(of)
  return of_meta and of_meta._name or kind
end

function types.is_integer(of)
  return type(of) == "number" and floor(of) == of
end

function types.is_empty(of, ignore_spaces)
  if of == nil then
    return true
  elseif type(of) == "table" then
    return next(of) == nil
  elseif type(of) == "string" then
    return of == "" or (not not ignore_spaces and not of:find("%S"))
  end
  return true
end

function types.is_indexable(of)
  local of_meta = meta(of)
  return type(of) == "table" or of_meta ~= nil and of_meta.__len ~= nil and of_meta.__index ~= nil
end

function types.is_iterable(of)
  local of_meta = meta(of)
  return type(of) == "table" or of_meta ~= nil and of_meta.__pairs ~= nil
end

function types.is_writeable(of)
  local of_meta = meta(of)
  return type(of) == "table" or of_meta ~= nil and of_meta.__newindex ~= nil
end

local yes = { yes = true, y = true, ["true"] = true, t = true, ["1"] = true }

function types.to_bool(of, true_strs, check_objs)
  if type(of) == "boolean" then
    return of
  elseif type(of) == "string" then
    if yes[lower(of)] then
      return true
    end
    for _, word in pairs(type(true_strs) == "table" and true_strs or {}) do
      if lower(word) == lower(of) then
        return true
      end
    end
    return false
  elseif type(of) == "number" then
    return of ~= 0
  end
  return of ~= nil and not not check_objs and not types.is_empty(of)
end

return types
