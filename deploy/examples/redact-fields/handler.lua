-- Puts a mark in the place of some fields of JSON responses, and tells the logs how many there were.

-- An instance of its own: what is set on it is nobody else's. Arrays stay arrays, also when they are empty.
local cjson = require("cjson.safe").new()
cjson.decode_array_with_array_mt(true)

local kong = kong
local pairs = pairs
local type = type

local RedactFields = {
  PRIORITY = 700,
  VERSION = "1.0.0",
}

-- Marks the fields of a table and of those within it; how many it were.
local function redact(value, fields, mark)
  local count = 0
  for name, inner in pairs(value) do
    if fields[name] then
      value[name] = mark
      count = count + 1
    elseif type(inner) == "table" then
      count = count + redact(inner, fields, mark)
    end
  end
  return count
end

function RedactFields:header_filter(conf)
  local content_type = kong.response.get_header("Content-Type") or ""
  local coded = kong.response.get_header("Content-Encoding")
  if content_type:find("application/json", 1, true) and not coded then
    -- The head goes out before the body is known.
    kong.response.clear_header("Content-Length")
    kong.ctx.plugin.wanted = true
  end
end

function RedactFields:body_filter(conf)
  if not kong.ctx.plugin.wanted then
    return
  end
  local body = kong.response.get_raw_body() -- nil, and nothing is sent, until all of it is here
  local value = body and cjson.decode(body)
  if type(value) ~= "table" then
    return
  end
  local fields = {}
  for _, name in pairs(conf.fields) do
    fields[name] = true
  end
  kong.ctx.plugin.count = redact(value, fields, conf.mark)
  if kong.ctx.plugin.count > 0 then
    kong.response.set_raw_body(cjson.encode(value))
  end
end

function RedactFields:log(conf)
  local count = kong.ctx.plugin.count or 0
  kong.log.set_serialize_value("response.redacted", count)
  kong.log.info("redacted ", count, " of ", kong.response.get_status())
end

return RedactFields
