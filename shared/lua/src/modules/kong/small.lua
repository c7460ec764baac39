-- The smaller kong.tools: one file, which is told the name of the module. Given: natives of `kong/mod.rs`, and the name.
local natives, name = ...

local error, find, floor, format, gsub, lower, match, sub = error, string.find, math.floor, string.format, string.gsub, string.lower, string.match, string.sub
local ipairs, pairs, sort, tostring, type, upper = ipairs, pairs, table.sort, tostring, type, string.upper
local concat = table.concat

local modules = {}

function modules.time()
  local _M, started = {}, ngx.now()
  _M.get_now, _M.get_updated_now = ngx.now, ngx.now
  function _M.get_now_ms()
    return floor(ngx.now() * 1000)
  end
  _M.get_updated_now_ms = _M.get_now_ms
  _M.get_updated_monotonic_ms = _M.get_now_ms
  function _M.get_start_time_ms()
    return floor(started * 1000)
  end
  function _M.time_ns()
    return natives.time_ns()
  end
  return _M
end

function modules.timestamp()
  local _M = {}
  function _M.get_utc()
    return ngx.time() * 1000
  end
  function _M.get_utc_ms()
    return floor(ngx.now() * 1000)
  end
  -- The begin of the second, minute … that a time in ms lies in.
  function _M.get_timestamps(now)
    now = now or _M.get_utc_ms()
    local seconds = floor(now / 1000)
    local at = os.date("!*t", seconds)
    local function begin(of)
      local days = natives.days(of.year, of.month or 1, of.day or 1)
      return ((days * 24 + (of.hour or 0)) * 60 + (of.min or 0)) * 60 * 1000
    end
    return {
      second = seconds * 1000,
      minute = begin({ year = at.year, month = at.month, day = at.day, hour = at.hour, min = at.min }),
      hour = begin({ year = at.year, month = at.month, day = at.day, hour = at.hour }),
      day = begin({ year = at.year, month = at.month, day = at.day }),
      month = begin({ year = at.year, month = at.month }),
      year = begin({ year = at.year }),
    }
  end
  return _M
end

function modules.uuid()
  local uuid = require("resty.jit-uuid")
  return {
    uuid = uuid.generate_v4,
    is_valid_uuid = function(text)
      return type(text) == "string" and uuid.is_valid(text)
    end,
  }
end

function modules.rand()
  local _M = {}
  function _M.get_rand_bytes(count)
    return require("resty.random").bytes(count, true)
  end
  -- 32 letters and digits, of 24 random bytes.
  function _M.random_string()
    local text = ngx.encode_base64(_M.get_rand_bytes(24))
    return (gsub(gsub(gsub(text, "/", "s"), "+", "p"), "=", ""))
  end
  return _M
end

function modules.sha256()
  local _M = {}
  function _M.sha256_bin(text)
    local digest = require("resty.sha256").new()
    digest:update(text)
    return digest:final()
  end
  function _M.sha256_hex(text)
    return require("resty.string").to_hex(_M.sha256_bin(text))
  end
  function _M.sha256_base64(text)
    return ngx.encode_base64(_M.sha256_bin(text))
  end
  function _M.sha256_base64url(text)
    return ngx.base64.encode_base64url(_M.sha256_bin(text))
  end
  return _M
end

function modules.gzip()
  return { deflate_gzip = natives.deflate_gzip, inflate_gzip = natives.inflate_gzip }
end

function modules.cjson()
  local cjson = require("cjson.safe").new()
  cjson.decode_array_with_array_mt(true)
  cjson.encode_sparse_array(nil, nil, 2 ^ 15)
  cjson.encode_number_precision(16)
  return {
    encode = cjson.encode,
    decode_with_array_mt = cjson.decode,
    array_mt = cjson.array_mt,
    new = function()
      local new = require("cjson.safe").new()
      new.decode_array_with_array_mt(true)
      new.encode_sparse_array(nil, nil, 2 ^ 15)
      new.encode_number_precision(16)
      return new
    end,
  }
end

function modules.uri()
  local _M = {}

  -- Escapes of what needs none are decoded; those of what is reserved are in capital letters.
  local function decoded(text)
    return (gsub(text, "%%(%x%x)", function(digits)
      local character = string.char(tonumber(digits, 16))
      if find(character, "[!#$&'()*+,/:;=?@%[%]%%]") then
        return "%" .. upper(digits)
      end
      return character
    end))
  end

  -- RFC 3986, 5.2.4.
  local function without_dots(path)
    local parts, from = {}, 1
    local absolute = sub(path, 1, 1) == "/"
    while from <= #path + 1 do
      local at = find(path, "/", from, true)
      local part = sub(path, from, at and at - 1)
      if part == ".." then
        if #parts > (absolute and 1 or 0) then
          parts[#parts] = nil
        end
        if not at then
          parts[#parts + 1] = ""
        end
      elseif part == "." then
        if not at then
          parts[#parts + 1] = ""
        end
      else
        parts[#parts + 1] = part
      end
      if not at then
        break
      end
      from = at + 1
    end
    return concat(parts, "/")
  end

  function _M.normalize(uri, merge_slashes)
    if uri == "" then
      return ""
    end
    uri = decoded(uri)
    if find(uri, "/.", 1, true) or sub(uri, 1, 1) == "." then
      uri = without_dots(uri)
    end
    if merge_slashes then
      uri = gsub(uri, "//+", "/")
    end
    return uri
  end

  function _M.escape(uri, escapes)
    if escapes == false then
      return uri
    end
    return (gsub(uri, "[^!#$&'()*+,/:;=?@%[%]%w%-_.~%%]", function(character)
      return format("%%%02X", character:byte())
    end))
  end

  return _M
end

function modules.ip()
  local _M = {}

  local function kinds(text)
    return natives.ip(tostring(text))
  end

  function _M.is_valid_ip(text)
    local kind, prefix = kinds(text)
    return kind ~= nil and prefix == nil
  end

  function _M.is_valid_cidr(text)
    local kind, prefix = kinds(text)
    return kind ~= nil and prefix ~= nil
  end

  function _M.is_valid_cidr_v4(text)
    local kind, prefix = kinds(text)
    return kind == "ipv4" and prefix ~= nil
  end

  function _M.is_valid_ip_or_cidr(text)
    return kinds(text) ~= nil
  end

  function _M.is_valid_ip_or_cidr_v4(text)
    return kinds(text) == "ipv4"
  end

  -- `ipv4`, `ipv6` or `name`: what stands before a port.
  function _M.hostname_type(text)
    local _, colons = gsub(text, ":", "")
    if sub(text, 1, 1) == "[" or colons > 1 then
      return "ipv6"
    elseif find(text, "^[%d%.:]+$") then
      return "ipv4"
    end
    return "name"
  end

  local function port(text)
    local number = tonumber(text)
    return number and number % 1 == 0 and number >= 0 and number <= 65535 and number or nil
  end

  function _M.normalize_ipv4(text)
    local address, of_port = match(text, "^([%d%.]+):?(%d*)$")
    if not address or kinds(address) ~= "ipv4" then
      return nil, "invalid ipv4 address: " .. text
    elseif find(text, ":", 1, true) and not port(of_port) then
      return nil, "invalid port number"
    end
    return address, port(of_port)
  end

  function _M.normalize_ipv6(text)
    local address, of_port = match(text, "^%[([%x:%.]+)%]:?(%d*)$")
    address = address or text
    local kind, _, full = kinds(address)
    if kind ~= "ipv6" then
      return nil, "invalid ipv6 address: " .. text
    elseif of_port and of_port ~= "" and not port(of_port) then
      return nil, "invalid port number"
    end
    return full, of_port and port(of_port)
  end

  -- Name and port, or nil and what is wrong.
  function _M.check_hostname(text)
    local host, of_port = match(text, "^([^:]*):?(%d*)$")
    if not host or find(text, ":$") then
      return nil, "invalid hostname: " .. text
    elseif of_port ~= "" and not port(of_port) then
      return nil, "invalid port number"
    elseif #host > 255 or not find(host, "^[%w_]") or find(host, "[^%w%.%-_]") or find(host, "..", 1, true) or find(host, "[%-%.]$") then
      return nil, "invalid hostname: " .. text
    end
    return host, port(of_port)
  end

  local by_kind = { ipv4 = _M.normalize_ipv4, ipv6 = _M.normalize_ipv6, name = _M.check_hostname }

  function _M.normalize_ip(text)
    local kind = _M.hostname_type(text)
    local host, of_port = by_kind[kind](text)
    if not host then
      return nil, of_port
    end
    return { type = kind, host = host, port = of_port }
  end

  function _M.format_host(host, of_port)
    if type(host) == "table" then
      host, of_port = host.host, host.port
    end
    local normal, said = _M.normalize_ip(host)
    if not normal then
      return nil, said
    end
    host = normal.type == "ipv6" and "[" .. normal.host .. "]" or normal.host
    return of_port and host .. ":" .. of_port or host
  end

  _M.is_valid_uri = nil
  return _M
end

function modules.mime_type()
  local _M = {}
  local token = "[%w!#$%%&'*+.^_`|~-]+"

  -- Type, subtype and parameters; nil if it is none.
  function _M.parse_mime_type(text)
    local kind, subtype, rest = match(text or "", "^%s*(" .. token .. ")/(" .. token .. ")%s*(.*)$")
    if not kind then
      return nil
    end
    local parameters = {}
    while rest ~= "" do
      local key, after = match(rest, "^;%s*(" .. token .. ")=(.*)$")
      if not key then
        return nil
      end
      local value, behind = match(after, '^"([^"]*)"%s*(.*)$')
      if not value then
        value, behind = match(after, "^(" .. token .. ")%s*(.*)$")
      end
      if not value then
        return nil
      end
      parameters[lower(key)], rest = value, behind
    end
    return lower(kind), lower(subtype), parameters
  end

  -- Whether the first range takes in the second type.
  function _M.includes(this, other)
    if not (this and other and this.type and other.type) then
      return false
    elseif this.type == "*" then
      return true
    elseif this.type ~= other.type then
      return false
    elseif this.subtype == "*" or this.subtype == other.subtype then
      return true
    end
    local suffix = match(this.subtype, "^%*%+(.+)$")
    return suffix ~= nil and match(other.subtype, "%+([^+]+)$") == suffix
  end

  return _M
end

function modules.http()
  local _M = {}

  -- Names in order; tables as `a[1]` or `a[b]`.
  local function each(of, under, raw, plain, out)
    if type(of) ~= "table" then
      if of == ngx.null then
        of = ""
      end
      if of == true then
        out[#out + 1] = raw and under or ngx.escape_uri(under)
      elseif of ~= false then
        local text = tostring(of)
        out[#out + 1] = raw and under .. "=" .. text or ngx.escape_uri(under) .. "=" .. ngx.escape_uri(text)
      end
      return
    end
    local keys = {}
    for key in pairs(of) do
      keys[#keys + 1] = key
    end
    sort(keys, function(one, other)
      if type(one) == type(other) then
        return one < other
      end
      return type(one) == "number"
    end)
    for _, key in ipairs(keys) do
      local inner = under and under .. "[" .. tostring(key) .. "]" or tostring(key)
      if under and plain and type(key) == "number" then
        inner = under .. "[]"
      end
      each(of[key], inner, raw, plain, out)
    end
  end

  function _M.encode_args(args, raw, no_array_indexes)
    local out = {}
    each(args, nil, raw, no_array_indexes, out)
    return concat(out, "&")
  end

  function _M.decode_args(args)
    local decoded = {}
    for key, value in pairs(args) do
      decoded[key] = value
    end
    return decoded
  end

  -- `max-age=60, no-store`, by name.
  function _M.parse_directive_header(header)
    if type(header) == "table" then
      header = concat(header, ",")
    end
    local directives = {}
    for part in (header or ""):gmatch("[^,]+") do
      local key, value = match(part, "^%s*([^=%s]+)%s*=%s*\"?([^\"]-)\"?%s*$")
      if key then
        directives[lower(key)] = tonumber(value) or value
      else
        key = match(part, "^%s*(%S+)%s*$")
        if key then
          directives[lower(key)] = true
        end
      end
    end
    return directives
  end

  function _M.validate_header_name(text)
    if text == nil or text == "" then
      return nil, "no header name provided"
    elseif find(text, "^[%w_%-]+$") then
      return text
    end
    return nil, "bad header name '" .. text .. "', allowed characters are A-Z, a-z, 0-9, '_', and '-'"
  end

  function _M.validate_cookie_name(text)
    if text == nil or text == "" then
      return nil, "no cookie name provided"
    elseif find(text, "^[%w!#$%%&'*+%-.^_`|~]+$") then
      return text
    end
    return nil, "bad cookie name '" .. text .. "', allowed characters are a-z, A-Z, 0-9, and !#$%&'*+-.^_`|~"
  end

  -- Whether the client came by https. `trusted_ip`: what the proxy before says of it counts, if `allow_terminated` says so.
  function _M.check_https(trusted_ip, allow_terminated)
    if lower(ngx.var.scheme) == "https" then
      return true
    elseif not (trusted_ip and allow_terminated) then
      return false
    end
    local scheme = ngx.req.get_headers()["x-forwarded-proto"]
    if type(scheme) == "table" then
      return nil, "Only one X-Forwarded-Proto header allowed"
    end
    return lower(tostring(scheme)) == "https"
  end

  local types = {
    plain = "text/plain; charset=utf-8",
    html = "text/html; charset=utf-8",
    xml = "application/xml; charset=utf-8",
    json = "application/json; charset=utf-8",
    grpc = "application/grpc",
  }

  function _M.get_mime_type(header, use_default)
    header = lower(gsub(header or "", "[%s;].*$", ""))
    local known = {
      ["text/plain"] = types.plain,
      ["text/html"] = types.html,
      ["application/xml"] = types.xml,
      ["text/xml"] = types.xml,
      ["application/json"] = types.json,
      ["application/grpc"] = types.grpc,
    }
    if known[header] then
      return known[header]
    elseif use_default == false then
      return nil
    end
    return types.json
  end

  -- What of an `Accept` header is given: the first of the highest quality that is known.
  function _M.get_response_type(accept)
    local best, quality = types.json, 0
    for range in (accept or ""):gmatch("[^,]+") do
      local kind = match(range, "^%s*([^;%s]+)")
      local of = tonumber(match(range, ";%s*q=([%d.]+)") or 1)
      local found = kind == "*/*" and types.json or kind == "text/*" and types.plain or kind == "application/*" and types.json
        or _M.get_mime_type(kind, false)
      if found and of and of > quality then
        best, quality = found, of
      end
    end
    return best
  end

  return _M
end

-- Whoever computes for long is interrupted by a limit: nothing has to give way by itself.
function modules.yield()
  return { yield = function() end }
end

local make = modules[name] or error("no such module")

return make()
