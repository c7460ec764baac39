-- pl.pretty, after Penlight (LICENSE in this folder): writing. Reading would run source, which the sandbox has no use for.
local concat, find, floor, format, rep = table.concat, string.find, math.floor, string.format, string.rep
local ipairs, pairs, print, sort, tostring, type = ipairs, pairs, print, table.sort, tostring, type

local stringx = require("pl.stringx")

local pretty = {}

local keywords = {}
for word in ("and break do else elseif end false for function goto if in local nil not or repeat return then true until while"):gmatch("%a+") do
  keywords[word] = true
end

local function is_name(of)
  return type(of) == "string" and find(of, "^[%a_][%w_]*$") ~= nil and not keywords[of]
end

local function shown(of)
  if type(of) == "string" then
    return stringx.quote_string(of)
  end
  return tostring(of)
end

local function less(one, other)
  if type(one) == type(other) and (type(one) == "number" or type(one) == "string") then
    return one < other
  end
  return type(one) < type(other)
end

-- `space` is what a level is indented by, "  " unless said; "" writes all in one line. `not_clever` quotes every key.
function pretty.write(of, space, not_clever)
  if type(of) ~= "table" then
    local text = tostring(of)
    if type(of) == "string" then
      return stringx.quote_string(text)
    end
    return text, "not a table"
  end
  space = space or "  "
  local set = not_clever and "=" or " = "
  if space == "" then
    set = "="
  end
  local lines, within = {}, {}
  local function key(of_key)
    if is_name(of_key) and not not_clever then
      return of_key .. set
    end
    return "[" .. shown(of_key) .. "]" .. set
  end
  local function write(value, before, level)
    if type(value) ~= "table" then
      lines[#lines + 1] = before .. shown(value)
      return
    elseif within[value] then
      lines[#lines + 1] = before .. "<cycle>"
      return
    end
    within[value] = true
    lines[#lines + 1] = before .. "{"
    local inner, used, first = rep(space, level + 1), {}, #lines
    for i, element in ipairs(value) do
      write(element, inner, level + 1)
      lines[#lines] = lines[#lines] .. ","
      used[i] = true
    end
    local keys = {}
    for of_key in pairs(value) do
      if not used[of_key] then
        keys[#keys + 1] = of_key
      end
    end
    sort(keys, less)
    for i = 1, #keys do
      write(value[keys[i]], inner .. key(keys[i]), level + 1)
      lines[#lines] = lines[#lines] .. ","
    end
    if #lines > first then
      lines[#lines] = lines[#lines]:sub(1, -2)
    end
    lines[#lines + 1] = rep(space, level) .. "}"
    within[value] = nil
  end
  write(of, "", 0)
  return concat(lines, space == "" and "" or "\n")
end

function pretty.dump(of)
  print((pretty.write(of)))
end

local units = {
  M = { "", "K", "M", "B" },
  N = { "", "K", "M", "B" },
  T = { "", "k", "M", "G", "T" },
}

function pretty.number(number, kind, digits)
  digits = digits or 1
  local names, base = units[kind or "N"] or units.N, kind == "M" and 1024 or 1000
  if kind == "M" then
    names = { "B", "KiB", "MiB", "GiB" }
  elseif kind == "T" then
    return format("%d", floor(number))
  end
  local i = 1
  while number >= base and i < #names do
    number, i = number / base, i + 1
  end
  return i == 1 and format("%d%s", number, names[1]) or format("%." .. digits .. "f%s", number, names[i])
end

pretty.debug = pretty.dump

return pretty
