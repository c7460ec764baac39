-- Asks another service about each response, and puts one field of its answer into a header.
--
-- It does so in the phase `response`: the upstream's answer is here whole, and nothing of it has been sent yet, so a
-- service that fails can still become an error for the client.

local cjson = require "cjson.safe"
local http = require "resty.http"

local kong = kong
local type = type
local tostring = tostring

local ConsumeExternalService = {
  PRIORITY = 900,
  VERSION = "1.0.0",
}

-- Gives the field as text; else nil, the status for the client, and what to tell it.
local function ask(conf)
  local client = http.new()
  client:set_timeout(conf.timeout)
  local answer, err = client:request_uri(conf.url, {
    headers = { ["Accept"] = "application/json" },
  })
  if not answer then
    local status = err == "timeout" and 504 or 502
    return nil, status, "the third party cannot be asked: " .. err
  end
  if answer.status ~= 200 then
    return nil, 502, "the third party answered " .. answer.status
  end
  local said
  said, err = cjson.decode(answer.body)
  if type(said) ~= "table" then
    return nil, 502, "the third party's answer is no JSON object: " .. (err or type(said))
  end
  local value = said[conf.field]
  if type(value) ~= "string" and type(value) ~= "number" then
    return nil, 502, "the third party's answer has no text '" .. conf.field .. "'"
  end
  return tostring(value)
end

function ConsumeExternalService:response(conf)
  local value, status, message = ask(conf)
  if not value then
    kong.log.err(message, " (", conf.url, ")")
    return kong.response.error(status, message)
  end
  kong.response.set_header(conf.header, value)
end

return ConsumeExternalService
