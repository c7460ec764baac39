-- ngx.semaphore: coroutines of one worker wait for each other (custom-plugins.md 4).
-- Given: the functions of the plane.
local native = ...

local error, setmetatable, tonumber = error, setmetatable, tonumber

local semaphore = {}
local methods = { __index = semaphore, __metatable = false }

function semaphore.new(count)
  count = tonumber(count) or 0
  if count < 0 then
    error("no semaphore count", 2)
  end
  return setmetatable({ held = native.new(count) }, methods)
end

function semaphore:post(count)
  count = count and tonumber(count) or 1
  if count < 1 then
    error("positive number expected", 2)
  end
  return native.post(self.held, count)
end

function semaphore:wait(seconds)
  seconds = tonumber(seconds)
  if not seconds then
    error("bad argument #1 to 'wait' (number expected)", 2)
  elseif seconds < 0 then
    error("negative number", 2)
  end
  return native.wait(self.held, seconds)
end

function semaphore:count()
  return native.count(self.held)
end

return semaphore
