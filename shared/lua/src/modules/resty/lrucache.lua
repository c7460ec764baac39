-- resty.lrucache, and resty.lrucache.pureffi: a cache of so many items, of which those go first that were not used longest.
local error, setmetatable, tonumber, type = error, setmetatable, tonumber, type
local now = ngx.now

local _M = { _VERSION = "0.15" }
local methods = {}
local meta = { __index = methods, __metatable = false }

-- Items are in a ring around `self`, the most recently used behind it.
local function unlink(item)
  item.before.after, item.after.before = item.after, item.before
end

local function link(ring, item)
  item.before, item.after = ring, ring.after
  ring.after.before = item
  ring.after = item
end

function _M.new(size)
  size = tonumber(size)
  if not size or size < 1 then
    return nil, "size too small"
  end
  local ring = {}
  ring.before, ring.after = ring, ring
  return setmetatable({ _ring = ring, _items = {}, _size = size, _count = 0 }, meta)
end

-- The value, or nil and the stale value; then its flags.
function methods:get(key)
  local item = self._items[key]
  if not item then
    return nil
  end
  unlink(item)
  link(self._ring, item)
  if item.expires and item.expires < now() then
    return nil, item.value, item.flags
  end
  return item.value, nil, item.flags
end

function methods:set(key, value, ttl, flags)
  local item = self._items[key]
  if item then
    unlink(item)
  else
    if self._count >= self._size then
      local last = self._ring.before
      unlink(last)
      self._items[last.key] = nil
    else
      self._count = self._count + 1
    end
    item = { key = key }
    self._items[key] = item
  end
  link(self._ring, item)
  item.value, item.expires, item.flags = value, ttl and now() + ttl or nil, flags or 0
end

function methods:delete(key)
  local item = self._items[key]
  if not item then
    return false
  end
  unlink(item)
  self._items[key] = nil
  self._count = self._count - 1
  return true
end

function methods:count()
  return self._count
end

function methods:capacity()
  return self._size
end

function methods:get_keys(most, into)
  local keys, count = into or {}, 0
  local item = self._ring.after
  while item ~= self._ring and (not most or most == 0 or count < most) do
    count = count + 1
    keys[count] = item.key
    item = item.after
  end
  if into then
    into[count + 1] = nil
  end
  return keys
end

function methods:flush_all()
  local ring = {}
  ring.before, ring.after = ring, ring
  self._ring, self._items, self._count = ring, {}, 0
end

return _M
