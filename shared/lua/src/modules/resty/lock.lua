-- resty.lock: the interface of lua-resty-lock over ngx.shared (custom-plugins.md 5).
local setmetatable = setmetatable
local max, min = math.max, math.min

local lock = { _VERSION = "0.09" }
local methods = { __index = lock, __metatable = false }

-- Times are seconds: how long to wait for it, when it ends by itself, and the pauses between two looks.
function lock.new(_, name, options)
  local dict = ngx.shared[name]
  if not dict then
    return nil, "dictionary not found"
  end
  options = options or {}
  local exptime = options.exptime or 30
  return setmetatable({
    dict = dict,
    exptime = exptime,
    timeout = min(options.timeout or 5, exptime),
    step = options.step or 0.001,
    ratio = options.ratio or 2,
    max_step = options.max_step or 0.5,
  }, methods)
end

-- The seconds that were waited.
function lock:lock(key)
  if not key then
    return nil, "nil key"
  elseif self.key then
    return nil, "locked"
  end
  local step, left, waited = self.step, self.timeout, 0
  while true do
    local ok, err = self.dict:add(key, true, self.exptime)
    if ok then
      self.key = key
      return waited
    elseif err ~= "exists" then
      return nil, err
    elseif left <= 0 then
      return nil, "timeout"
    end
    step = min(max(0.001, step), left, self.max_step)
    ngx.sleep(step)
    waited, left = waited + step, left - step
    step = step * self.ratio
  end
end

function lock:unlock()
  if not self.key then
    return nil, "unlocked"
  end
  local ok, err = self.dict:delete(self.key)
  if not ok then
    return nil, err
  end
  self.key = nil
  return 1
end

function lock:expire(time)
  if not self.key then
    return nil, "unlocked"
  end
  local ok, err = self.dict:replace(self.key, true, time or self.exptime)
  if not ok then
    return nil, err
  end
  return true
end

return lock
