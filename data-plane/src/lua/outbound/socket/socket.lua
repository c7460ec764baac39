-- ngx.socket: the methods of OpenResty's cosockets (custom-plugins.md 4). Given: the functions of the plane.
local native = ...

local error, setmetatable, tonumber, type = error, setmetatable, tonumber, type

local tcp = {}
local tcp_meta = { __index = tcp, __metatable = false }

-- A socket that is connected keeps no settings of the one before.
local function held(socket, name)
  local handle = type(socket) == "table" and socket.held
  if not handle then
    error("bad argument #1 to '" .. name .. "' (socket expected, got " .. type(socket) .. ")", 3)
  end
  return handle
end

-- `connect(host, port, options)` or `connect("unix:/path", options)`. The pool is named after the place unless the
-- options name it; a `pool_size` counts where `setkeepalive` gives none.
function tcp:connect(host, port, options)
  if type(port) == "table" then
    port, options = nil, port
  end
  local pool, size
  if options ~= nil then
    if type(options) ~= "table" then
      error("bad argument #4 to 'connect' (table expected, got " .. type(options) .. ")", 2)
    end
    pool, size = options.pool, tonumber(options.pool_size)
    if pool ~= nil and type(pool) ~= "string" and type(pool) ~= "number" then
      error("bad argument #4 to 'connect' (bad \"pool\" option type: " .. type(pool) .. ")", 2)
    elseif size and size <= 0 then
      error("bad argument #4 to 'connect' (bad \"pool_size\" option value: " .. size .. ")", 2)
    end
  end
  return native.connect(held(self, "connect"), host, port, pool, size)
end

-- True stands for the session too: there is nothing to take up again by hand.
function tcp:sslhandshake(_, name, verify)
  return native.secure(held(self, "sslhandshake"), name, not not verify)
end

function tcp:setclientcert()
  held(self, "setclientcert")
  return nil, "client certificates are not supported"
end

function tcp:send(data)
  return native.send(held(self, "send"), data)
end

-- Every answer of `receive` has nothing behind what was received in part.
local function first(data, err, partial)
  if data then
    return data
  end
  return nil, err, partial
end

function tcp:receive(what)
  local handle = held(self, "receive")
  if what == nil or what == "*l" or what == "l" then
    return first(native.receive(handle, "line", 0))
  elseif what == "*a" or what == "a" then
    return first(native.receive(handle, "all", 0))
  end
  local size = tonumber(what)
  if not size or size < 0 or size % 1 ~= 0 then
    error("bad argument #2 to 'receive' (bad pattern argument)", 2)
  end
  return first(native.receive(handle, "bytes", size))
end

function tcp:receiveany(most)
  most = tonumber(most)
  if not most or most < 1 then
    error("bad argument #2 to 'receiveany' (bad max argument)", 2)
  end
  return first(native.receive(held(self, "receiveany"), "any", most))
end

function tcp:receiveuntil(mark, options)
  local handle = held(self, "receiveuntil")
  if type(mark) ~= "string" and type(mark) ~= "number" then
    error("bad argument #2 to 'receiveuntil' (string expected, got " .. type(mark) .. ")", 2)
  elseif mark == "" then
    return nil, "pattern is empty"
  end
  local inclusive = type(options) == "table" and options.inclusive
  if inclusive ~= nil and type(inclusive) ~= "boolean" then
    error("bad \"inclusive\" option value type: " .. type(inclusive), 2)
  end
  local left, over
  return function(size)
    if over then
      over = false
      return nil, nil, nil
    end
    if size ~= nil then
      size = tonumber(size)
      if not size or size < 1 then
        error("bad argument #1 to iterator (bad size)", 2)
      end
    end
    local data, err, partial
    data, err, partial, left = native["until"](handle, mark, inclusive or false, size, left)
    if left == 0 then
      left = nil
      if size and data == "" then
        return nil, nil, nil
      end
      over = size ~= nil
    end
    return first(data, err, partial)
  end
end

-- Milliseconds; nil and 0 stand for 60 seconds.

function tcp:settimeout(time)
  native.timeouts(held(self, "settimeout"), time, time, time)
end

function tcp:settimeouts(connect, send, read)
  native.timeouts(held(self, "settimeouts"), connect, send, read)
end

function tcp:setoption(name, value)
  if type(value) == "boolean" then
    value = value and 1 or 0
  elseif type(value) ~= "number" then
    return nil, "missing the \"value\" argument"
  end
  return native.option(held(self, "setoption"), name, value)
end

function tcp:getoption(name)
  return native.option(held(self, "getoption"), name)
end

function tcp:setkeepalive(time, size)
  return native.keep(held(self, "setkeepalive"), time, size)
end

function tcp:getreusedtimes()
  return native.reused(held(self, "getreusedtimes"))
end

function tcp:shutdown(way)
  if way ~= "send" then
    return nil, "invalid direction"
  end
  return native.shutdown(held(self, "shutdown"))
end

function tcp:close()
  return native.close(held(self, "close"))
end

local udp = {}
local udp_meta = { __index = udp, __metatable = false }

function udp:setpeername(host, port)
  return native.peer(held(self, "setpeername"), host, port)
end

function udp:send(data)
  return native.send_datagram(held(self, "send"), data)
end

local LONGEST = 65536

function udp:receive(size)
  size = size == nil and 8192 or tonumber(size)
  if not size or size < 1 or size > LONGEST then
    error("bad argument #2 to 'receive' (bad max argument)", 2)
  end
  return native.receive_datagram(held(self, "receive"), size)
end

function udp:settimeout(time)
  native.timeout(held(self, "settimeout"), time)
end

function udp:close()
  return native.close_datagrams(held(self, "close"))
end

local function new()
  return setmetatable({ held = native.tcp() }, tcp_meta)
end

return {
  tcp = new,
  connect = function(...)
    local socket = new()
    local done, err = socket:connect(...)
    if not done then
      return nil, err
    end
    return socket
  end,
  udp = function()
    return setmetatable({ held = native.udp() }, udp_meta)
  end,
}
