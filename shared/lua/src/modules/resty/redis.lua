-- resty.redis: the interface of lua-resty-redis over ngx.socket (custom-plugins.md 5). It speaks RESP2.
local byte, lower, sub = string.byte, string.lower, string.sub
local error, pairs, rawget, rawset, select, setmetatable = error, pairs, rawget, rawset, select, setmetatable
local tonumber, tostring, type, unpack = tonumber, tostring, type, unpack
local concat = table.concat
local ngx = ngx

-- The version of lua-resty-redis whose interface this is.
local redis = { _VERSION = "0.30" }

-- No answer has lists within lists within lists beyond that.
local DEEPEST = 64

-- Commands that make a connection one that is told things, or the reverse.
local SUBSCRIBES = { subscribe = true, psubscribe = true }
local UNSUBSCRIBES = { unsubscribe = true, punsubscribe = true }

-- Prefixes of Redis's modules: `client:bf():add(…)` is `bf.add …`.
local prefixes = {}

local function socket_of(self)
  local socket = rawget(self, "_sock")
  if socket then
    return socket
  end
  return nil, "not initialized"
end

-- One answer: a value, or nil and what is wrong; false and the server's words if it refuses.
local function read(self, socket, depth)
  local line, err = socket:receive()
  if not line then
    -- Whoever has subscribed may go on waiting.
    if err == "timeout" and not rawget(self, "_subscribed") then
      socket:close()
    end
    return nil, err
  end
  local kind, rest = byte(line), sub(line, 2)
  if kind == 36 then -- "$": a text of so many bytes
    local size = tonumber(rest)
    if not size then
      return nil, "bad length: " .. rest
    elseif size < 0 then
      return ngx.null
    end
    local data
    data, err = socket:receive(size)
    if not data then
      if err == "timeout" then
        socket:close()
      end
      return nil, err
    end
    local behind
    behind, err = socket:receive(2)
    if not behind then
      return nil, err
    end
    return data
  elseif kind == 43 then -- "+": a word
    return rest
  elseif kind == 42 then -- "*": a list
    local count = tonumber(rest)
    if not count then
      return nil, "bad length: " .. rest
    elseif count < 0 then
      return ngx.null
    elseif depth >= DEEPEST then
      socket:close()
      return nil, "too many nested lists"
    end
    local list = {}
    for i = 1, count do
      local value
      value, err = read(self, socket, depth + 1)
      if value == nil then
        return nil, err
      elseif value == false then
        -- In a list a refusal is a pair, so that it can be told from a value.
        value = { false, err }
      end
      list[i] = value
    end
    return list
  elseif kind == 58 then -- ":": a number
    return tonumber(rest)
  elseif kind == 45 then -- "-": a refusal
    return false, rest
  end
  return nil, "unknown prefix: \"" .. tostring(kind) .. "\""
end

local function add(texts, value)
  value = tostring(value)
  texts[#texts + 1] = "$" .. #value .. "\r\n" .. value .. "\r\n"
end

-- What is sent: the command and its arguments.
local function request(name, ...)
  local count = select("#", ...)
  local texts = { "*" .. count + 1 .. "\r\n" }
  add(texts, name)
  for i = 1, count do
    add(texts, (select(i, ...)))
  end
  return concat(texts)
end

local function leave_subscribed(self, answer)
  if type(answer) == "table" and UNSUBSCRIBES[lower(tostring(answer[1]))] and answer[3] == 0 then
    rawset(self, "_subscribed", false)
  end
end

-- Sends a command and reads its answer; within a pipeline it is only remembered.
local function ask(self, name, ...)
  local prefix = rawget(self, "_module_prefix")
  local said = prefix and prefix .. "." .. name or name
  rawset(self, "_module_prefix", nil)
  local socket, err = socket_of(self)
  if not socket then
    return nil, err
  end
  local text = request(said, ...)
  local pipeline = rawget(self, "_reqs")
  if pipeline then
    pipeline[#pipeline + 1] = text
    return
  end
  local plain = lower(said)
  if rawget(self, "_subscribed") and not SUBSCRIBES[plain] and not UNSUBSCRIBES[plain] and plain ~= "ping" and plain ~= "quit" then
    return nil, "subscribed state"
  end
  local ok
  ok, err = socket:send(text)
  if not ok then
    return nil, err
  end
  local answer
  answer, err = read(self, socket, 0)
  if SUBSCRIBES[plain] and answer then
    rawset(self, "_subscribed", true)
  elseif UNSUBSCRIBES[plain] then
    leave_subscribed(self, answer)
  end
  if answer then
    return answer
  end
  return answer, err
end

-- What is no method is a command.
local meta = {
  __index = function(self, name)
    local method = redis[name]
    if method ~= nil then
      return method
    elseif type(name) ~= "string" then
      return nil
    elseif prefixes[name] then
      method = function(client)
        rawset(client, "_module_prefix", name)
        return client
      end
    else
      method = function(client, ...)
        return ask(client, name, ...)
      end
    end
    rawset(self, name, method)
    return method
  end,
  __metatable = false,
}

function redis.new()
  local socket, err = ngx.socket.tcp()
  if not socket then
    return nil, err
  end
  return setmetatable({ _sock = socket, _subscribed = false }, meta)
end

-- Classes that are built upon this one are told of names; here every name is a command.
function redis.add_commands() end

function redis.register_module_prefix(name)
  prefixes[name] = true
end

function redis:set_timeout(time)
  local socket, err = socket_of(self)
  if not socket then
    error(err, 2)
  end
  socket:settimeout(time)
end

function redis:set_timeouts(connect, send, receive)
  local socket, err = socket_of(self)
  if not socket then
    error(err, 2)
  end
  socket:settimeouts(connect, send, receive)
end

-- `connect(host, port, options)` or `connect("unix:/path", options)`; with `ssl`, `ssl_verify`, `server_name` among the
-- options it is TLS.
function redis:connect(host, port, options)
  local socket, err = socket_of(self)
  if not socket then
    return nil, err
  end
  if type(host) ~= "string" then
    error("bad argument #1 host: string expected, got " .. type(host), 2)
  end
  local ok
  rawset(self, "_subscribed", false)
  if sub(host, 1, 5) == "unix:" then
    options = port
    if options ~= nil and type(options) ~= "table" then
      error("bad argument #2 opts: nil or table expected, got " .. type(options), 2)
    end
    options = options or {}
    ok, err = socket:connect(host, { pool = options.pool, pool_size = options.pool_size })
  else
    if not tonumber(port) then
      error("bad argument #2 port: number expected, got " .. type(port), 2)
    elseif options ~= nil and type(options) ~= "table" then
      error("bad argument #3 opts: nil or table expected, got " .. type(options), 2)
    end
    options = options or {}
    local pool = options.pool
    if pool == nil and options.ssl then
      -- TLS has a pool apart.
      pool = host .. ":" .. tonumber(port) .. ":ssl:" .. tostring(options.server_name)
    end
    ok, err = socket:connect(host, tonumber(port), { pool = pool, pool_size = options.pool_size })
  end
  if not ok then
    return ok, err
  end
  if options.ssl then
    ok, err = socket:sslhandshake(false, options.server_name, options.ssl_verify)
    if not ok then
      return ok, "failed to do ssl handshake: " .. err
    end
  end
  return ok, err
end

function redis:set_keepalive(...)
  local socket, err = socket_of(self)
  if not socket then
    return nil, err
  elseif rawget(self, "_subscribed") then
    return nil, "subscribed state"
  end
  return socket:setkeepalive(...)
end

function redis:get_reused_times()
  local socket, err = socket_of(self)
  if not socket then
    return nil, err
  end
  return socket:getreusedtimes()
end

function redis:close()
  local socket, err = socket_of(self)
  if not socket then
    return nil, err
  end
  return socket:close()
end

-- What was published since.
function redis:read_reply()
  local socket, err = socket_of(self)
  if not socket then
    return nil, err
  elseif not rawget(self, "_subscribed") then
    return nil, "not subscribed"
  end
  local answer
  answer, err = read(self, socket, 0)
  leave_subscribed(self, answer)
  return answer, err
end

-- `hmset(key, { field = value })`, or as Redis has it.
function redis:hmset(key, ...)
  local fields = ...
  if select("#", ...) ~= 1 or type(fields) ~= "table" then
    return ask(self, "hmset", key, ...)
  end
  local list, count = {}, 0
  for field, value in pairs(fields) do
    list[count + 1], list[count + 2] = field, value
    count = count + 2
  end
  return ask(self, "hmset", key, unpack(list, 1, count))
end

function redis:init_pipeline()
  rawset(self, "_reqs", {})
end

function redis:cancel_pipeline()
  rawset(self, "_reqs", nil)
end

-- The answers in order; a refusal among them is `{ false, words }`.
function redis:commit_pipeline()
  local requests = rawget(self, "_reqs")
  if not requests then
    return nil, "no pipeline"
  end
  rawset(self, "_reqs", nil)
  local socket, err = socket_of(self)
  if not socket then
    return nil, err
  end
  local ok
  ok, err = socket:send(requests)
  if not ok then
    return nil, err
  end
  local answers = {}
  for i = 1, #requests do
    local answer
    answer, err = read(self, socket, 0)
    if answer == nil then
      if err == "timeout" then
        socket:close()
      end
      return nil, err
    elseif answer == false then
      answer = { false, err }
    end
    answers[i] = answer
  end
  return answers
end

-- A list of names and values as a table. It is called with and without a client.
function redis.array_to_hash(self, list)
  list = list or self
  local hash = {}
  for i = 1, #list, 2 do
    hash[list[i]] = list[i + 1]
  end
  return hash
end

return redis
