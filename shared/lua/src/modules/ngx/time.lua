-- Dates, as the C library writes them. Given: the table that they are put into.
local ngx = ...

local date, error, sub, tonumber, type = os.date, error, string.sub, tonumber, type

-- Beyond it C's calendar ends.
local LAST = 253402300799

local function seconds(value, name)
  local number = tonumber(value)
  if not number then
    error("bad argument #1 to '" .. name .. "' (number expected, got " .. (value == nil and "no value" or type(value)) .. ")", 3)
  end
  number = number - number % 1
  if not (number >= 0 and number <= LAST) then
    error("bad argument #1 to '" .. name .. "' (not a time)", 3)
  end
  return number
end

function ngx.today()
  return (date("%Y-%m-%d"))
end

function ngx.localtime()
  return (date("%Y-%m-%d %H:%M:%S"))
end

function ngx.utctime()
  return (date("!%Y-%m-%d %H:%M:%S"))
end

function ngx.http_time(time)
  return (date("!%a, %d %b %Y %H:%M:%S GMT", seconds(time, "http_time")))
end

-- Two digits for the year as long as old browsers take them.
function ngx.cookie_time(time)
  time = seconds(time, "cookie_time")
  local year = date("!%Y", time)
  return date("!%a, %d-%b-", time) .. (tonumber(year) > 2037 and year or sub(year, 3)) .. date("! %H:%M:%S GMT", time)
end
