-- multipart: the class that Kong's plugins read and write multipart/form-data with.
local concat, find, gsub, lower, match, sub = table.concat, string.find, string.gsub, string.lower, string.match, string.sub
local ipairs, remove, setmetatable, tostring, type = ipairs, table.remove, setmetatable, tostring, type

local methods = {}
local meta = { __index = methods, __metatable = false }

local function boundary_of(content_type)
  if type(content_type) ~= "string" then
    return nil
  end
  return match(content_type, '[bB][oO][uU][nN][dD][aA][rR][yY]="([^"]+)"') or match(content_type, "[bB][oO][uU][nN][dD][aA][rR][yY]=([^;%s]+)")
end

local function parameter(header, name)
  return match(header, "[;%s]" .. name .. '="([^"]*)"') or match(header, "[;%s]" .. name .. "=([^;%s]+)")
end

-- One part: its headers, its name, what it holds.
local function part_of(text)
  local start, stop = find(text, "\r\n\r\n", 1, true)
  if sub(text, 1, 2) == "\r\n" then
    start, stop = 1, 2
  elseif not start then
    start, stop = find(text, "\n\n", 1, true)
  end
  if not start then
    return nil
  end
  local headers, name = {}, nil
  for line in gsub(sub(text, 1, start - 1), "\r\n", "\n"):gmatch("[^\n]+") do
    headers[#headers + 1] = line
    local header, value = match(line, "^([^:]+):%s*(.*)$")
    if header and lower(header) == "content-disposition" then
      name = parameter(value, "name")
    end
  end
  return { headers = headers, name = name, value = sub(text, stop + 1) }
end

local function decode(body, boundary)
  local parts = {}
  local line = "--" .. boundary
  local _, from = find(body, line, 1, true)
  while from do
    if sub(body, from + 1, from + 2) == "--" then
      break
    end
    local _, begin = find(body, "^[ \t]*\r?\n", from + 1)
    if not begin then
      break
    end
    local start, stop = find(body, line, begin + 1, true)
    -- What looks like a boundary within a line is none.
    while start and sub(body, start - 1, start - 1) ~= "\n" do
      start, stop = find(body, line, stop + 1, true)
    end
    if not start then
      break
    end
    local inner = gsub(sub(body, begin + 1, start - 1), "\r?\n$", "", 1)
    parts[#parts + 1] = part_of(inner)
    from = stop
  end
  return parts
end

local function new(body, content_type)
  local self = { _boundary = boundary_of(content_type), _parts = {} }
  if self._boundary and type(body) == "string" then
    self._parts = decode(body, self._boundary)
  end
  return setmetatable(self, meta)
end

local function place(self, name)
  for i, part in ipairs(self._parts) do
    if part.name == name then
      return i
    end
  end
  return nil
end

local function shown(part)
  local headers = {}
  for i, line in ipairs(part.headers) do
    headers[i] = line
  end
  return { name = part.name, headers = headers, value = part.value }
end

-- The first part of that name: `name`, `headers` (lines), `value`.
function methods:get(name)
  local at = place(self, name)
  return at and shown(self._parts[at]) or nil
end

-- Every part of it in a list, by name.
function methods:get_all_as_arrays()
  local all = {}
  for _, part in ipairs(self._parts) do
    if part.name then
      all[part.name] = all[part.name] or {}
      all[part.name][#all[part.name] + 1] = part.value
    end
  end
  return all
end

-- The values by name, the last one of each.
function methods:get_all()
  local all = {}
  for _, part in ipairs(self._parts) do
    if part.name then
      all[part.name] = part.value
    end
  end
  return all
end

function methods:get_all_with_arrays()
  local all = self:get_all_as_arrays()
  for name, values in pairs(all) do
    if #values == 1 then
      all[name] = values[1]
    end
  end
  return all
end

local function simple(name, value, filename, content_type)
  local disposition = 'Content-Disposition: form-data; name="' .. name .. '"'
  if filename then
    disposition = disposition .. '; filename="' .. filename .. '"'
  end
  local headers = { disposition }
  if content_type then
    headers[2] = "Content-Type: " .. content_type
  end
  return { name = name, headers = headers, value = value }
end

function methods:set_simple(name, value, filename, content_type)
  local part = simple(name, tostring(value), filename, content_type)
  self._parts[place(self, name) or #self._parts + 1] = part
end

function methods:set_array_as_simple_parts(name, values)
  self:delete(name)
  for _, value in ipairs(values) do
    self._parts[#self._parts + 1] = simple(name, tostring(value))
  end
end

function methods:delete(name)
  for i = #self._parts, 1, -1 do
    if self._parts[i].name == name then
      remove(self._parts, i)
    end
  end
end

function methods:tostring()
  local out = {}
  local line = "--" .. (self._boundary or "")
  for _, part in ipairs(self._parts) do
    out[#out + 1] = line
    for _, header in ipairs(part.headers) do
      out[#out + 1] = header
    end
    out[#out + 1] = ""
    out[#out + 1] = part.value
  end
  out[#out + 1] = line .. "--"
  out[#out + 1] = ""
  return concat(out, "\r\n")
end

return setmetatable({}, {
  __call = function(_, body, content_type)
    return new(body, content_type)
  end,
  __index = { new = new },
})
