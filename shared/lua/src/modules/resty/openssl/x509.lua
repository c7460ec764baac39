-- resty.openssl.x509 and what belongs to it: name, altname, extension. One file, which is told its name: what reads
-- certificates; they are not made here. Given: natives of certificates, and the name.
local natives, name = ...

local error, ipairs, lower, rawget, setmetatable, type, unpack, upper =
  error, ipairs, string.lower, rawget, setmetatable, type, unpack, string.upper
local concat, sort = table.concat, table.sort

local modules = {}

-- What lists have in common: `shown` gives the name and the value of a member. Answers the methods, for more of them,
-- and what makes a list of members into one.
local function lists(shown)
  local methods = {}
  local meta = { __metatable = false }

  local function pair(member)
    return member and { shown(member) }
  end

  function methods:count()
    return #self._list
  end

  function methods:index(at)
    local member = self._list[at]
    if member then
      return shown(member)
    end
  end

  function methods:each()
    local at = 0
    return function()
      at = at + 1
      return self:index(at)
    end
  end

  function methods:all()
    local all = {}
    for key, value in self:each() do
      all[key] = value
    end
    return all
  end

  meta.__index = function(self, key)
    if type(key) == "number" then
      return pair(rawget(self, "_list")[key])
    end
    return methods[key]
  end
  meta.__tostring = function(self)
    return self:tostring()
  end
  meta.__len = methods.count
  meta.__pairs = methods.each
  meta.__ipairs = function(self)
    return function(of, at)
      local member = of._list[at + 1]
      if member then
        return at + 1, pair(member)
      end
    end, self, 0
  end

  return methods, function(list)
    return setmetatable({ _list = list }, meta)
  end
end

-- Names: lists of members, which are found by any of their names.

local function matches(member, wanted)
  return member.sn == wanted or member.ln == wanted or member.id == wanted or member.nid == wanted
end

local function copied(member)
  return { id = member.id, nid = member.nid, sn = member.sn, ln = member.ln, blob = member.blob }
end

local names, name_of = lists(function(member)
  return member.sn, copied(member)
end)

-- The member and its place; behind place `last` the next.
function names:find(wanted, last)
  for at = (last or 0) + 1, #self._list do
    if matches(self._list[at], wanted) then
      return copied(self._list[at]), at
    end
  end
  return nil
end

function names:tostring()
  local texts = {}
  for i, member in ipairs(self._list) do
    texts[i] = member.sn .. "=" .. member.blob
  end
  sort(texts)
  return concat(texts, "/")
end

modules.name = {
  new = function()
    return nil, "x509.name.new: names are not made here"
  end,
  of = name_of,
  istype = function(of)
    return type(of) == "table" and type(of._list) == "table"
  end,
}

-- Alternative names: lists of kind and name.

local altnames, altname_of = lists(unpack)

function altnames:tostring()
  local texts = {}
  for i, one in ipairs(self._list) do
    texts[i] = one[1] .. "=" .. one[2]
  end
  return concat(texts, "/")
end

modules.altname = {
  new = function()
    return nil, "x509.altname.new: names are not made here"
  end,
  of = altname_of,
}

-- Extensions.

local extension = {}
local extension_meta = { __index = extension, __metatable = false }

function extension:get_object()
  return { id = self._of.id, sn = self._of.sn, ln = self._of.ln }
end

function extension:get_critical()
  return self._of.critical
end

function extension:text()
  return self._of.text
end

function extension:tostring()
  return self._of.text
end

function extension:to_der()
  return self._of.der
end

extension_meta.__tostring = extension.text

modules.extension = {
  new = function()
    return nil, "x509.extension.new: extensions are not made here"
  end,
  of = function(one)
    return setmetatable({ _of = one }, extension_meta)
  end,
}

-- Certificates.

local x509 = {}
local methods = {}
local meta = { __index = methods, __metatable = false }

function x509.new(text, format)
  if text == nil then
    return nil, "x509.new: certificates are not made here"
  elseif type(text) ~= "string" then
    return nil, "x509.new: expect nil or a string at #1"
  end
  format = upper(format or "*")
  if format ~= "PEM" and format ~= "DER" and format ~= "*" then
    return nil, "x509.new: unknown format: " .. format
  end
  local read = natives.certificate(text, format)
  if not read then
    return nil, "x509.new: the certificate cannot be read"
  end
  return setmetatable({ _of = read }, meta)
end

function x509.istype(of)
  return type(of) == "table" and type(of._of) == "table" and of._of.subject ~= nil
end

function methods:tostring(format)
  format = upper(format or "PEM")
  if format == "PEM" then
    return self._of.pem
  elseif format == "DER" then
    return self._of.der
  end
  return nil, "x509:tostring: unknown format: " .. format
end

meta.__tostring = function(self)
  return self._of.pem
end

function methods:to_PEM()
  return self._of.pem
end

local function named(list)
  return modules.name.of(list)
end

function methods:get_subject_name()
  return named(self._of.subject)
end

function methods:get_issuer_name()
  return named(self._of.issuer)
end

function methods:get_serial_number()
  return require("resty.openssl.bn").from_binary(self._of.serial)
end

function methods:get_version()
  return self._of.version
end

-- Seconds since 1970.

function methods:get_not_before()
  return self._of.not_before
end

function methods:get_not_after()
  return self._of.not_after
end

function methods:get_lifetime()
  return self._of.not_before, self._of.not_after
end

function methods:get_pubkey()
  return require("resty.openssl.pkey").new(self._of.public_der, { format = "DER" })
end

local function digest(bytes, of)
  local running, err = require("resty.openssl.digest").new(of or "sha1")
  if not running then
    return nil, err
  end
  return running:final(bytes)
end

function methods:digest(of)
  return digest(self._of.der, of)
end

function methods:pubkey_digest(of)
  local key = natives.key(self._of.public_der, "DER")
  if not key then
    return nil, "x509:pubkey_digest: the key cannot be read"
  end
  return digest(self._of.public_der, of)
end

function methods:get_signature_name()
  return self._of.signature
end

-- The digest that was signed.
function methods:get_signature_digest_name()
  local found = lower(self._of.signature):match("sha%d+")
  if not found then
    return nil, "x509:get_signature_digest_name: it has none"
  end
  return upper(found)
end

function methods:get_subject_alt_name()
  if #self._of.names == 0 then
    return nil
  end
  return modules.altname.of(self._of.names)
end

-- `CA` and `pathlen`; or the one that is asked for.
function methods:get_basic_constraints(which)
  if self._of.ca == nil then
    return nil
  end
  local found = { ca = self._of.ca, pathlen = self._of.pathlen or 0 }
  if which then
    return found[lower(which)]
  end
  return { CA = found.ca, pathlen = found.pathlen }
end

local function first_or_all(list, all)
  if #list == 0 then
    return nil
  elseif all then
    return { unpack(list) }
  end
  return list[1]
end

function methods:get_crl_url(all)
  return first_or_all(self._of.crl, all)
end

function methods:get_ocsp_url(all)
  return first_or_all(self._of.ocsp, all)
end

function methods:get_ca_issuers_url(all)
  return first_or_all(self._of.issuers, all)
end

-- The extension of this name or id, and its place; behind place `last` the next.
function methods:get_extension(wanted, last)
  for at = (last or 0) + 1, #self._of.extensions do
    local one = self._of.extensions[at]
    if one.sn == wanted or one.ln == wanted or one.id == wanted then
      return modules.extension.of(one), at
    end
  end
  return nil
end

function methods:get_extensions()
  local all = {}
  for i, one in ipairs(self._of.extensions) do
    all[i] = modules.extension.of(one)
  end
  return all
end

function methods:get_extension_critical(wanted)
  local found = self:get_extension(wanted)
  if not found then
    return nil, "x509:get_extension_critical: the extension is not there"
  end
  return found:get_critical()
end

-- Whether this key signed it.
function methods:verify(key)
  if not require("resty.openssl.pkey").istype(key) then
    return nil, "x509:verify: expect a pkey instance at #1"
  end
  return natives.signed(self._of.der, key._key.public_der)
end

function methods:check_private_key(key)
  if not require("resty.openssl.pkey").istype(key) then
    return nil, "x509:check_private_key: expect a pkey instance at #1"
  elseif not key:is_private() then
    return false, "x509:check_private_key: not a private key"
  end
  local own = natives.key(self._of.public_der, "DER")
  if own and own.public_der == key._key.public_der then
    return true
  end
  return false, "x509:check_private_key: key values mismatch"
end

for _, what in ipairs({ "subject_name", "issuer_name", "serial_number", "not_before", "not_after", "pubkey", "version", "subject_alt_name", "lifetime", "basic_constraints", "crl_url", "ocsp_url" }) do
  methods["set_" .. what] = function()
    error("resty.openssl.x509: certificates are not made here", 2)
  end
end

function methods.sign()
  error("resty.openssl.x509: certificates are not made here", 2)
end

modules.x509 = x509

return modules[name] or error("no such module")
