-- Shows that what plugins share is as it was.

secret = "of the control plugin"

local upper, get_header = string.upper, kong.request.get_header

local Control = {
  PRIORITY = 1,
  VERSION = "1.0.0",
}

function Control:access()
  assert(secret == "of the control plugin", "another plugin's globals")
  assert(string.upper == upper and ("x"):upper() == "X", "strings have their methods")
  assert(kong.request.get_header == get_header and get_header("x-control") == "1", "the PDK is whole")
  assert(getmetatable("") == false, "the metatable of strings is hidden")
  ngx.sleep(0)
  kong.response.set_header("X-Controlled", "yes")
end

return Control
