-- Notes who the request is before it waits, and looks again afterwards, in every phase.

local Interleaved = {
  PRIORITY = 1000,
  VERSION = "0.0.1",
}

-- What of the request in hand is not `who`'s.
local function strange(who, where)
  local found = {}
  local function check(name, value)
    if value ~= who then
      found[#found + 1] = where .. " " .. name .. "=" .. tostring(value)
    end
  end
  check("ctx.shared", kong.ctx.shared.who)
  check("ctx.plugin", kong.ctx.plugin.who)
  check("ngx.ctx", ngx.ctx.who)
  check("header", kong.request.get_header("x-who"))
  check("query", kong.request.get_query_arg("who"))
  check("var", ngx.var.http_x_who)
  return table.concat(found, ", ")
end

function Interleaved:access()
  local who = kong.request.get_header("x-who")
  local body = kong.request.get_raw_body()
  assert(kong.ctx.plugin.who == nil and kong.ctx.shared.who == nil and ngx.ctx.who == nil)
  kong.ctx.shared.who, kong.ctx.plugin.who, ngx.ctx.who = who, who, who
  local wrong = ""
  for _ = 1, 3 do
    ngx.sleep(tonumber(kong.request.get_header("x-wait")))
    wrong = wrong .. strange(who, "access")
  end
  -- A coroutine of the plugin's own that waits belongs to the request as well.
  local inner = coroutine.wrap(function()
    ngx.sleep(0.01)
    coroutine.yield(strange(who, "inner"))
    ngx.sleep(0.01)
    return strange(who, "inner again")
  end)
  wrong = wrong .. inner() .. inner()
  if kong.request.get_raw_body() ~= body then
    wrong = wrong .. "access body"
  end
  kong.ctx.shared.wrong = wrong
  kong.service.request.set_header("X-Seen-Who", who)
  kong.service.request.set_raw_body(body .. "+" .. who)
end

function Interleaved:header_filter()
  local who = kong.request.get_header("x-who")
  kong.response.set_header("X-Who", kong.ctx.plugin.who)
  kong.response.set_header("X-Wrong", kong.ctx.shared.wrong .. strange(who, "header_filter"))
  kong.response.clear_header("Content-Length")
end

function Interleaved:body_filter()
  if ngx.arg[2] then
    local who = kong.request.get_header("x-who")
    ngx.arg[1] = (ngx.arg[1] or "") .. "|" .. kong.ctx.plugin.who .. strange(who, "body_filter")
  end
end

function Interleaved:log()
  local who = kong.request.get_header("x-who")
  kong.log("ended <", kong.ctx.plugin.who, strange(who, "log"), ">")
end

return Interleaved
