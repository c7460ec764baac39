-- pl.List, after Penlight (LICENSE in this folder): lists with methods.
local error, getmetatable, ipairs, pairs, setmetatable, tostring, type =
  error, getmetatable, ipairs, pairs, setmetatable, tostring, type
local concat, insert, remove, sort = table.concat, table.insert, table.remove, table.sort

local List = { _name = "List" }
local meta = { __index = List, __metatable = false, _name = "List" }

local function new(list)
  return setmetatable(list or {}, meta)
end

local function make(from)
  local list = {}
  if type(from) == "function" then
    for value in from do
      list[#list + 1] = value
    end
  elseif type(from) == "string" then
    for i = 1, #from do
      list[i] = from:sub(i, i)
    end
  elseif type(from) == "table" then
    for i = 1, #from do
      list[i] = from[i]
    end
  elseif from ~= nil then
    list[1] = from
  end
  return new(list)
end

function List.new(from)
  return make(from)
end

List.split = function(text, by)
  return new(require("pl.utils").split(text, by))
end

function List.range(first, last, step)
  if not last then
    first, last = 1, first
  end
  local list = new()
  for i = first, last, step or 1 do
    list[#list + 1] = i
  end
  return list
end

function List:clone()
  return make(self)
end

function List:append(value)
  self[#self + 1] = value
  return self
end

List.push = List.append

function List:extend(other)
  for i = 1, #other do
    self[#self + 1] = other[i]
  end
  return self
end

function List:insert(place, value)
  insert(self, place, value)
  return self
end

function List:put(value)
  return self:insert(1, value)
end

function List:remove(place)
  remove(self, place)
  return self
end

function List:remove_value(value)
  for i = 1, #self do
    if self[i] == value then
      remove(self, i)
      return self
    end
  end
  return self
end

function List:pop(place)
  return remove(self, place)
end

List.get = List.pop

function List:index(value, from)
  for i = from or 1, #self do
    if self[i] == value then
      return i
    end
  end
  return nil
end

function List:contains(value)
  return self:index(value) ~= nil
end

function List:count(value)
  local count = 0
  for i = 1, #self do
    if self[i] == value then
      count = count + 1
    end
  end
  return count
end

function List:sort(less)
  sort(self, less)
  return self
end

function List:sorted(less)
  return self:clone():sort(less)
end

function List:reverse()
  local count = #self
  for i = 1, (count - count % 2) / 2 do
    self[i], self[count - i + 1] = self[count - i + 1], self[i]
  end
  return self
end

function List:slice(first, last)
  local count, list = #self, new()
  first, last = first or 1, last or count
  if first < 0 then
    first = count + first + 1
  end
  if last < 0 then
    last = count + last + 1
  end
  for i = first, last do
    list[#list + 1] = self[i]
  end
  return list
end

function List:clear()
  for i = #self, 1, -1 do
    self[i] = nil
  end
  return self
end

function List:len()
  return #self
end

function List:concat(by)
  return concat(self:map(tostring), by)
end

List.join = List.concat

function List:foreach(f, ...)
  for i = 1, #self do
    f(self[i], ...)
  end
  return self
end

function List:map(f, ...)
  local list = new()
  for i = 1, #self do
    list[i] = f(self[i], ...)
  end
  return list
end

function List:transform(f, ...)
  for i = 1, #self do
    self[i] = f(self[i], ...)
  end
  return self
end

function List:filter(keeps, ...)
  local list = new()
  for i = 1, #self do
    if keeps(self[i], ...) then
      list[#list + 1] = self[i]
    end
  end
  return list
end

function List:reduce(f, start)
  local from = 1
  if start == nil then
    start, from = self[1], 2
  end
  for i = from, #self do
    start = f(start, self[i])
  end
  return start
end

function List:iter()
  local i = 0
  return function()
    i = i + 1
    return self[i]
  end
end

function List:minmax()
  local least, most = self[1], self[1]
  for i = 2, #self do
    least = self[i] < least and self[i] or least
    most = self[i] > most and self[i] or most
  end
  return least, most
end

function meta.__concat(one, other)
  return one:clone():extend(other)
end

function meta.__eq(one, other)
  if #one ~= #other then
    return false
  end
  for i = 1, #one do
    if one[i] ~= other[i] then
      return false
    end
  end
  return true
end

function meta.__tostring(self)
  return "{" .. self:concat(",") .. "}"
end

-- For files of the same library: a list that is one already, and is not copied.
function List._adopt(list)
  return new(list)
end

return setmetatable(List, {
  __call = function(_, from)
    return make(from)
  end,
})
