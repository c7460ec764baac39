-- Asks a service of others for JSON and tells the client what it says.

local http = require("resty.http")
local json = require("cjson.safe")

-- Runs once for each Lua state, without a request.
local calls = 0
local had_request = pcall(kong.request.get_method)

local ThirdParty = {
  PRIORITY = 1000,
  VERSION = "0.0.1",
}

local function failed(what, err)
  return kong.response.error(500, what .. err, { ["Content-Type"] = "text/html" })
end

function ThirdParty:response(conf)
  calls = calls + 1
  kong.log("asks the third party")
  local client = http.new()
  if conf.timeout then
    client:set_timeout(conf.timeout)
  end
  local res, err = client:request_uri(conf.url .. "/script/" .. (kong.request.get_query_arg("say") or ""), { method = "GET" })
  if err then
    failed("Error when trying to access 3rd party service: ", err)
    kong.response.set_header("X-After-Error", "1")
  end
  local kinds = type(err) .. " " .. type(res.body) .. " " .. type(res.status)
  local answer, broken = json.decode(res.body)
  if broken then
    return failed("Error when decoding 3rd party service response: ", broken)
  end
  kong.response.set_header(conf.header, answer.url)
  kong.response.set_header("X-Kinds", kinds)
  kong.response.set_header("X-Calls", calls)
  kong.response.set_header("X-Loaded-With-Request", tostring(had_request))
end

return ThirdParty
