-- resty.jwt-validators: what the claims of a token may be asked to be, for the third argument of `jwt:verify`. A validator
-- is called with a claim's value, its name and the token, and answers true, or false, or raises what is wrong.
local error, ipairs, match, ngx, type = error, ipairs, string.match, ngx, type

local validators = {}

-- Seconds that clocks may differ by.
local leeway, clock = 0, nil

function validators.set_system_leeway(seconds)
  if type(seconds) ~= "number" or seconds < 0 then
    error("leeway must be a non-negative number", 2)
  end
  leeway = seconds
end

function validators.set_system_clock(now)
  if type(now) ~= "function" then
    error("clock must be a function", 2)
  end
  clock = now
end

local function now()
  return (clock or ngx.now)()
end

local function fail(words)
  error(words, 0)
end

-- With `opt_` in front a claim that is not there is good, without it is not.
local function both(name, make)
  validators["opt_" .. name] = function(...)
    local check = make(...)
    return function(value, claim, token)
      if value == nil then
        return true
      end
      return check(value, claim, token)
    end
  end
  validators[name] = function(...)
    local check = make(...)
    return function(value, claim, token)
      if value == nil then
        fail("'" .. claim .. "' claim is required.")
      end
      return check(value, claim, token)
    end
  end
end

function validators.required(check)
  return function(value, claim, token)
    if value == nil then
      fail("'" .. claim .. "' claim is required.")
    end
    return not check or check(value, claim, token)
  end
end

function validators.chain(...)
  local checks = { ... }
  return function(value, claim, token)
    for _, check in ipairs(checks) do
      if not check(value, claim, token) then
        return false
      end
    end
    return true
  end
end

both("check", function(expected, comparison, name, kind)
  return function(value, claim)
    if kind and type(value) ~= kind then
      fail("'" .. claim .. "' is malformed.  Expected to be a " .. kind .. ".")
    end
    return comparison(value, expected)
  end
end)

local function compared(name, holds)
  both(name, function(expected)
    return function(value)
      return type(value) == type(expected) and holds(value, expected)
    end
  end)
end

compared("equals", function(value, expected)
  return value == expected
end)
compared("matches", function(value, pattern)
  return match(value, pattern) ~= nil
end)
compared("greater_than", function(value, bound)
  return value > bound
end)
compared("greater_than_or_equal", function(value, bound)
  return value >= bound
end)
compared("less_than", function(value, bound)
  return value < bound
end)
compared("less_than_or_equal", function(value, bound)
  return value <= bound
end)

local function among(value, list, holds)
  for _, one in ipairs(list) do
    if holds(value, one) then
      return true
    end
  end
  return false
end

local function same(one, other)
  return one == other
end

both("equals_any_of", function(list)
  return function(value)
    return among(value, list, same)
  end
end)
both("matches_any_of", function(patterns)
  return function(value)
    return type(value) == "string" and among(value, patterns, match)
  end
end)
-- The claim is a list.
both("contains_any_of", function(list)
  return function(value)
    if type(value) ~= "table" then
      return false
    end
    for _, one in ipairs(value) do
      if among(one, list, same) then
        return true
      end
    end
    return false
  end
end)

local function time_of(value, claim)
  if type(value) ~= "number" or value < 0 then
    fail("'" .. claim .. "' is malformed.  Expected to be a positive numeric value.")
  end
  return value
end

both("is_not_before", function()
  return function(value, claim)
    if time_of(value, claim) > now() + leeway then
      fail("'" .. claim .. "' claim not valid until " .. ngx.http_time(value))
    end
    return true
  end
end)
both("is_not_expired", function()
  return function(value, claim)
    if time_of(value, claim) <= now() - leeway then
      fail("'" .. claim .. "' claim expired at " .. ngx.http_time(value))
    end
    return true
  end
end)
both("is_at", function()
  return function(value, claim)
    local time, at = time_of(value, claim), now()
    if time < at - leeway or time > at + leeway then
      fail("'" .. claim .. "' claim is only valid at " .. ngx.http_time(value))
    end
    return true
  end
end)

return validators
