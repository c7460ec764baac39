-- resty.http: the interface of lua-resty-http over the gateway's own client (custom-plugins.md 5.1).
-- Given: the functions of the plane. Where none calls other services, they can be named and not called.
local native = ...

local error, ipairs, pairs, rawget, rawset, tonumber, tostring, type, unpack =
  error, ipairs, pairs, rawget, rawset, tonumber, tostring, type, unpack
local ngx, pcall, setmetatable = ngx, pcall, setmetatable
local concat = table.concat
local find, gmatch, lower, match, sub, swap = string.find, string.gmatch, string.lower, string.match, string.sub, string.gsub

-- The version of lua-resty-http whose interface this is.
local http = { _VERSION = "0.17.2" }
local client = { __index = http, __metatable = false }

function http.new()
  return setmetatable({}, client)
end

-- Milliseconds; nil and 0 stand for 60 seconds.

function http:set_timeout(time)
  return self:set_timeouts(time, time, time)
end

function http:set_timeouts(connect, send, read)
  self.connect_timeout, self.send_timeout, self.read_timeout = connect, send, read
  return true
end

function http:set_proxy_options(options)
  local copy = {}
  for name, value in pairs(options or {}) do
    copy[name] = value
  end
  self.proxy_opts = copy
end

local function current_scheme()
  return ngx.var.scheme
end

-- Scheme, host, port, path, query of a URI, in a list; `query_in_path` (which is the default) leaves the query in the path.
function http.parse_uri(_, uri, query_in_path)
  if query_in_path == nil then
    query_in_path = true
  end
  if type(uri) ~= "string" then
    return nil, "bad uri: " .. tostring(uri)
  end
  local scheme, rest = match(uri, "^(https?)://(.*)$")
  if not scheme then
    rest = match(uri, "^//(.*)$")
    if not rest then
      return nil, "bad uri: " .. uri
    end
    -- Where there is no request, its variables cannot be asked for.
    local asked, found = pcall(current_scheme)
    scheme = asked and found
    if scheme ~= "http" and scheme ~= "https" then
      return nil, "schemaless URIs require a request context: " .. uri
    end
  end
  local host, after = match(rest, "^([^%[%]:/?]+)(.*)$")
  if not host then
    host, after = match(rest, "^(%[[^%]]+%])(.*)$")
  end
  if not host then
    return nil, "bad uri: " .. uri
  end
  local port, behind = match(after, "^:(%d+)(.*)$")
  if port then
    port, after = tonumber(port), behind
  else
    port = scheme == "https" and 443 or 80
  end
  local path, query = match(after, "^([^?]*)%??(.*)$")
  if path == "" then
    path = "/"
  end
  if query_in_path and query ~= "" then
    path, query = path .. "?" .. query, nil
  end
  return { scheme, host, port, path, query }
end

-- Names of headers are found in any case, and with `_` for `-`.
local function headers(of)
  local known
  local function own(name)
    if type(name) ~= "string" then
      return nil
    end
    if not known then
      known = {}
      for key in pairs(of) do
        known[lower(key)] = key
      end
    end
    name = lower(name)
    return known[name] or find(name, "_", 1, true) and known[swap(name, "_", "-")] or nil
  end
  return setmetatable(of, {
    __index = function(_, name)
      local key = own(name)
      return key and rawget(of, key)
    end,
    __newindex = function(_, name, value)
      rawset(of, own(name) or name, value)
      known = nil
    end,
  })
end

-- A body is a text, a list of texts, or a function that gives one after another.
local function body(of)
  if type(of) == "table" then
    local texts = {}
    for i, text in ipairs(of) do
      texts[i] = tostring(text)
    end
    return concat(texts)
  elseif type(of) == "function" then
    local texts = {}
    while true do
      local text, err = of()
      if err then
        return nil, err
      elseif text == nil or text == "" then
        return concat(texts)
      end
      texts[#texts + 1] = text
    end
  end
  return of
end

-- Whether a list of hosts and domains, as in the variable `no_proxy`, names this host.
local function excepted(list, host)
  if list == "*" then
    return true
  end
  local names = {}
  for name in gmatch(list, "[^,%s]+") do
    names[swap(name, "^%.", "")] = true
  end
  while host do
    if names[host] then
      return true
    end
    host = match(host, "^[^.]+%.(.+)$")
  end
  return false
end

-- Adds the proxy that `params` asks for.
local function through_proxy(params, to)
  local options = params.proxy_opts
  if type(options) ~= "table" then
    return true
  end
  local secure = to.scheme == "https"
  local uri = secure and options.https_proxy or not secure and options.http_proxy
  if not uri or options.no_proxy and excepted(options.no_proxy, to.host) then
    return true
  end
  local parsed, err = http:parse_uri(uri)
  if not parsed then
    return nil, err
  elseif parsed[1] ~= "http" then
    return nil, "protocol " .. parsed[1] .. " not supported for proxy connections"
  end
  to.proxy_host, to.proxy_port = parsed[2], parsed[3]
  to.proxy_authorization = secure and options.https_proxy_authorization or not secure and options.http_proxy_authorization or nil
  return true
end

-- What both ways of asking have in common.
local function asked(self, params, path, query)
  local text, err = body(params.body)
  if err then
    return nil, err
  end
  return {
    method = params.method,
    path = params.path or path,
    query = params.query or query,
    version = params.version,
    headers = params.headers,
    body = text,
    connect_timeout = self.connect_timeout,
    send_timeout = self.send_timeout,
    read_timeout = self.read_timeout,
  }
end

function http:request_uri(uri, params)
  params = params or {}
  local parsed, err = self:parse_uri(uri, false)
  if not parsed then
    return nil, err
  end
  local scheme, host, port, path, query = unpack(parsed, 1, 5)
  local request
  request, err = asked(self, params, path, query)
  if not request then
    return nil, err
  end
  request.scheme, request.host, request.port = scheme, host, port
  request.ssl_verify, request.ssl_server_name = params.ssl_verify, params.ssl_server_name
  request.pool = params.pool
  request.keepalive = params.keepalive
  request.keepalive_timeout, request.keepalive_pool = params.keepalive_timeout, params.keepalive_pool
  local ok
  ok, err = through_proxy({ proxy_opts = params.proxy_opts or self.proxy_opts }, request)
  if not ok then
    return nil, err
  end
  local status, reason, fields, has_body, text = native.send(request)
  if not status then
    return nil, reason
  end
  local read = false
  local function rest()
    if read then
      return nil
    end
    read = true
    return text
  end
  return {
    status = status,
    reason = reason,
    headers = headers(fields),
    has_body = has_body,
    body = text,
    body_reader = rest,
    read_body = function()
      return text
    end,
    read_trailers = function(res)
      return res.headers
    end,
  }
end

-- Step by step.

local function initialized(self)
  local connection = self.connection
  if connection then
    return connection
  end
  return nil, "not initialized"
end

-- `connect(options)`, or `connect(host, port, options)` as it once was: that one speaks no TLS before `ssl_handshake`.
function http:connect(options, port, more)
  local to
  if type(options) == "table" then
    local scheme = options.scheme
    if options.port and not scheme then
      return nil, "'scheme' is required when providing a port"
    elseif scheme ~= "http" and scheme ~= "https" then
      return nil, "unsupported scheme: " .. tostring(scheme)
    end
    to = {
      scheme = scheme,
      host = options.host,
      port = options.port or scheme == "https" and 443 or 80,
      ssl_verify = options.ssl_verify,
      ssl_server_name = options.ssl_server_name,
      pool = options.pool,
    }
    local ok, err = through_proxy({ proxy_opts = options.proxy_opts or self.proxy_opts }, to)
    if not ok then
      return nil, err
    end
  else
    if type(port) ~= "number" then
      return nil, "unix sockets are not supported"
    end
    to = { scheme = "http", host = options, port = port, pool = more and more.pool }
  end
  to.connect_timeout = self.connect_timeout
  local connection, err = native.connect(to)
  if not connection then
    return nil, err
  end
  self.connection, self.host, self.port, self.ssl = connection, to.host, to.port, to.scheme == "https"
  return true
end

function http:ssl_handshake(_, server_name, verify)
  local connection, err = initialized(self)
  if not connection then
    return nil, err
  end
  local ok
  ok, err = native.secure(connection, server_name or self.host, not not verify, self.connect_timeout)
  self.ssl = ok
  return ok, err
end

function http:get_reused_times()
  local connection, err = initialized(self)
  if not connection then
    return nil, err
  end
  local times = native.reused(connection)
  if not times then
    return nil, "closed"
  end
  return times
end

function http:request(params)
  local connection, err = initialized(self)
  if not connection then
    return nil, err
  end
  local request
  request, err = asked(self, params or {})
  if not request then
    return nil, err
  end
  local status, reason, fields, has_body = native.request(connection, request)
  if not status then
    return nil, reason
  end
  local time = self.read_timeout
  local answer = headers(fields)
  return {
    status = status,
    reason = reason,
    headers = answer,
    has_body = has_body,
    body_reader = function(most)
      return native.piece(connection, most or 65536, time)
    end,
    read_body = function()
      return native.rest(connection, time)
    end,
    read_trailers = function()
      for name, value in pairs(native.trailers(connection)) do
        answer[name] = value
      end
      return answer
    end,
  }
end

function http.read_body(_, res)
  if type(res) ~= "table" or not res.read_body then
    return nil, "no body to be read"
  end
  return res:read_body()
end

function http:set_keepalive(time, size)
  local connection, err = initialized(self)
  if not connection then
    return nil, err
  end
  self.connection = nil
  return native.keep(connection, time, size)
end

function http:close()
  local connection, err = initialized(self)
  if not connection then
    return nil, err
  end
  self.connection = nil
  if not native.close(connection) then
    return nil, "closed"
  end
  return 1
end

-- What lua-resty-http has for code that handles nginx's own request.
for _, name in ipairs({ "request_pipeline", "proxy_request", "proxy_response", "get_client_body_reader" }) do
  http[name] = function()
    error("resty.http: " .. name .. " is not supported", 2)
  end
end

return http
