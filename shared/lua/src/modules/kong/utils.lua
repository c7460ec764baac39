-- kong.tools.utils: the tools of older versions under one name.
local pairs, require = pairs, require

local utils = {}
for _, name in pairs({ "string", "table", "time", "uuid", "rand", "ip", "http", "gzip", "sha256", "uri" }) do
  for key, value in pairs(require("kong.tools." .. name)) do
    utils[key] = value
  end
end
utils.get_hostname = kong.node.get_hostname
utils.split = require("kong.tools.string").split
utils.concat = require("kong.tools.table").concat

return utils
