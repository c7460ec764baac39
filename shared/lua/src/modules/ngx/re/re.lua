-- `ngx.re`: what calls Lua, or keeps places in tables of the caller's. Given: the natives of `re/mod.rs`.
local natives = ...

local concat, error, pcall, select, setmetatable = table.concat, error, pcall, select, setmetatable
local sub, tostring, type = string.sub, tostring, type

local re = {}

-- A native answers true, whether it went well, and its results; or false and what to raise for the caller of `re`.
local function got(ok, ...)
  if not ok then
    error((...), 3)
  end
  return ...
end

local function from(ctx)
  if ctx == nil then
    return 1
  elseif type(ctx) ~= "table" then
    error("bad argument #4 (table expected, got " .. type(ctx) .. ")", 3)
  end
  return ctx.pos
end

function re.match(text, pattern, options, ctx, into)
  if into ~= nil and type(into) ~= "table" then
    error("bad argument #5 to 'match' (table expected, got " .. type(into) .. ")", 2)
  end
  local ok, captures, _, stop = got(natives.match(text, pattern, options, from(ctx), into))
  if not ok then
    return nil, captures
  elseif captures == nil then
    return nil
  end
  if ctx then
    ctx.pos = stop + 1
  end
  return captures
end

function re.find(text, pattern, options, ctx, nth)
  local ok, start, stop, last = got(natives.find(text, pattern, options, from(ctx), nth))
  if not ok then
    return nil, nil, start
  elseif last == nil then
    return nil
  end
  if ctx then
    ctx.pos = last + 1
  end
  return start, stop
end

function re.gmatch(text, pattern, options)
  local ok, said = got(natives.find(text, pattern, options))
  if not ok then
    return nil, said
  end
  local place = 1
  return function()
    if not place then
      return nil
    end
    local found, captures, _, _, next = got(natives.match(text, pattern, options, place))
    place = next
    if not found then
      return nil, captures
    end
    return captures
  end
end

-- With a function that says what to put in.
local function replace(text, pattern, by, options, all)
  text = tostring(text)
  local out, count, copied, place = {}, 0, 1, 1
  repeat
    local ok, captures, start, stop, next = got(natives.match(text, pattern, options, place))
    if not ok then
      return nil, nil, captures
    elseif captures == nil then
      break
    end
    count = count + 1
    out[#out + 1] = sub(text, copied, start - 1)
    out[#out + 1] = tostring(by(captures))
    copied, place = stop + 1, next
  until not all
  out[#out + 1] = sub(text, copied)
  return concat(out), count
end

local function replaced(text, pattern, by, options, all)
  if type(by) == "function" then
    return replace(text, pattern, by, options, all)
  end
  local ok, new, count = got(natives.sub(text, pattern, options, by, all))
  if not ok then
    return nil, nil, new
  end
  return new, count
end

function re.sub(text, pattern, by, options)
  local new, count, said = replaced(text, pattern, by, options, false)
  return new, count, said
end

function re.gsub(text, pattern, by, options)
  local new, count, said = replaced(text, pattern, by, options, true)
  return new, count, said
end

-- Parts of a text, with what the groups of the pattern between them caught.
function re.split(text, pattern, options, ctx, most, into)
  text = tostring(text)
  local place, list, count = from(ctx) or 1, into or {}, 0
  most = most or 0
  local function add(part)
    count = count + 1
    list[count] = part
  end
  local begin, parts = place, 1
  while most <= 0 or parts < most do
    local ok, captures, start, stop, next = got(natives.match(text, pattern, options, place))
    if not ok then
      return nil, captures
    elseif captures == nil or start > #text then
      break
    end
    -- What is empty and at the very beginning divides nothing.
    if stop >= start or start > begin then
      parts = parts + 1
      add(sub(text, begin, start - 1))
      for i = 1, #captures do
        if captures[i] then
          add(captures[i])
        end
      end
      begin = stop + 1
    end
    place = next
  end
  add(sub(text, begin))
  list[count + 1] = nil
  if ctx then
    ctx.pos = #text + 1
  end
  return list
end

-- OpenResty's options of its own matcher, which is not in use here.
function re.opt()
end

return re
