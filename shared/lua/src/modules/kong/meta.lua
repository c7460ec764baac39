-- kong.meta: the version of Kong whose behaviour this is.
local version = { major = 3, minor = 10, patch = 0 }

return {
  _NAME = "kong",
  _VERSION = "3.10.0",
  version = "3.10.0",
  _VERSION_TABLE = version,
  core_version = "3.10.0",
  _SERVER_TOKENS = "kong/3.10.0",
  _DEPENDENCIES = { nginx = { "1.27.1.1" } },
}
