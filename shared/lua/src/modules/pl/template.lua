-- pl.template, after Penlight (LICENSE in this folder): text with `$(expressions)` and lines of Lua behind `#`.
-- Given: what compiles Lua in an environment.
local load = ...

local concat, find, format, gmatch, gsub, sub = table.concat, string.find, string.format, string.gmatch, string.gsub, string.sub
local match, pairs, pcall, setmetatable, tostring, type = string.match, pairs, pcall, setmetatable, tostring, type

local template = {}

-- The text of a line, as calls that print it.
local function parse_text(text, out, escape, enclosures)
  local from = 1
  local brackets = match(enclosures, "^(.)") .. match(enclosures, "(.)$")
  local pattern = gsub(escape, "%p", "%%%0") .. "()(%b" .. brackets .. ")"
  while true do
    local start, stop, at, inner = find(text, pattern, from)
    if not start then
      break
    end
    if start > from then
      out[#out + 1] = format("__R_size = __R_size + 1; __R_table[__R_size] = %q; ", sub(text, from, start - 1))
    end
    out[#out + 1] = "__R_size = __R_size + 1; __R_table[__R_size] = __tostring(" .. sub(inner, 2, -2) .. "); "
    from = stop + 1
  end
  if from <= #text then
    out[#out + 1] = format("__R_size = __R_size + 1; __R_table[__R_size] = %q; ", sub(text, from))
  end
end

local function source(text, options)
  local out = { "local __R_size, __R_table, __tostring = 0, {}, __tostring; " }
  local line_pattern = "^[ \t]*" .. gsub(options.escape, "%p", "%%%0") .. "(.*)$"
  if options.newline ~= nil then
    text = gsub(text, "\r?\n", options.newline)
  end
  for line, ending in gmatch(text, "([^\n]*)(\n?)") do
    if line == "" and ending == "" then
      break
    end
    local lua = match(line, line_pattern)
    if lua then
      out[#out + 1] = lua .. "\n"
    else
      parse_text(line .. ending, out, options.inline, options.enclosures)
    end
  end
  out[#out + 1] = "return __R_table"
  return concat(out)
end

local function shown(value)
  if value == nil then
    return ""
  end
  return tostring(value)
end

local methods = {}
local meta = { __index = methods, __metatable = false }

-- `self:render(env, parent, debug)`: the text, or nil and what is wrong; then the source if `debug`.
function methods:render(env, parent, debug)
  env = env or {}
  local over = parent or env._parent
  local names = setmetatable({ __tostring = shown }, {
    __index = function(_, name)
      local value = env[name]
      if value == nil and over then
        value = over[name]
      end
      return value
    end,
  })
  local run, said = load(self.code, self.name, names)
  if not run then
    return nil, said, debug and self.code or nil
  end
  local ok, texts = pcall(run)
  if not ok then
    return nil, texts, debug and self.code or nil
  end
  return concat(texts), nil, debug and self.code or nil
end

-- `options`: `chunk_name`, `escape` (#), `inline_escape` ($), `inline_brackets` (()), `newline`, `debug`.
function template.compile(text, options)
  options = options or {}
  local code = source(text, {
    escape = options.escape or "#",
    inline = options.inline_escape or "$",
    enclosures = options.inline_brackets or "()",
    newline = options.newline,
  })
  local name = options.chunk_name or "TMP"
  local ok, said = load(code, name, {})
  if not ok then
    return nil, said, code
  end
  return setmetatable({ code = code, name = name }, meta), nil, options.debug and code or nil
end

function template.substitute(text, env)
  env = env or {}
  local compiled, said, code = template.compile(text, {
    chunk_name = env._chunk_name,
    escape = env._escape,
    inline_escape = env._inline_escape,
    inline_brackets = env._brackets,
    debug = env._debug,
  })
  if not compiled then
    return nil, said, code
  end
  return compiled:render(env, env._parent, env._debug)
end

return template
