-- pl.stringx, after Penlight (LICENSE in this folder).
local concat, find, format, gsub, gmatch = table.concat, string.find, string.format, string.gsub, string.gmatch
local lower, match, rep, sub, upper = string.lower, string.match, string.rep, string.sub, string.upper
local huge, floor, ceil, max = math.huge, math.floor, math.ceil, math.max
local ipairs, tostring, type, unpack = ipairs, tostring, type, unpack

local utils = require("pl.utils")
local List = require("pl.List")
local assert_string, assert_arg, escape = utils.assert_string, utils.assert_arg, utils.escape
local list = List._adopt

local stringx = {}

for name, class in pairs({ alpha = "%a", digit = "%d", alnum = "%w", space = "%s" }) do
  local pattern = "^" .. class .. "+$"
  stringx["is" .. name] = function(text)
    assert_string(1, text)
    return find(text, pattern) == 1
  end
end

function stringx.islower(text)
  assert_string(1, text)
  return find(text, "^[%l%s]+$") == 1
end

function stringx.isupper(text)
  assert_string(1, text)
  return find(text, "^[%u%s]+$") == 1
end

local function any(text, affixes, test)
  if type(affixes) == "string" then
    return test(text, affixes)
  end
  for _, affix in ipairs(affixes) do
    if test(text, affix) then
      return true
    end
  end
  return false
end

function stringx.startswith(text, prefix)
  assert_string(1, text)
  return any(text, prefix, function(of, affix)
    return sub(of, 1, #affix) == affix
  end)
end

function stringx.endswith(text, suffix)
  assert_string(1, text)
  return any(text, suffix, function(of, affix)
    return #of >= #affix and sub(of, #of - #affix + 1) == affix
  end)
end

function stringx.join(text, of)
  assert_string(1, text)
  return concat(of, text)
end

function stringx.splitlines(text, keep_ends)
  assert_string(1, text)
  local lines, from = {}, 1
  while true do
    local at = find(text, "[\r\n]", from)
    if not at then
      break
    end
    local stop = sub(text, at, at + 1) == "\r\n" and at + 1 or at
    lines[#lines + 1] = sub(text, from, keep_ends and stop or at - 1)
    from = stop + 1
  end
  if from <= #text then
    lines[#lines + 1] = sub(text, from)
  end
  return list(lines)
end

function stringx.split(text, by, most)
  assert_string(1, text)
  local plain = true
  if not by then
    text, plain = stringx.lstrip(text), false
  end
  local parts = utils.split(text, by, plain, most)
  if by and by ~= "" and find(text, by, -#by, true) and (most or huge) > #parts then
    parts[#parts + 1] = ""
  end
  return list(parts)
end

function stringx.splitv(text, by)
  assert_string(1, text)
  return utils.splitv(text, by)
end

function stringx.expandtabs(text, width)
  assert_string(1, text)
  width = width or 8
  return (gsub(text, "([^\t\r\n]*)\t", function(before)
    return before .. rep(" ", width == 0 and 0 or width - #before % width)
  end))
end

local function find_all(text, what, first, last, backwards)
  first = first or 1
  last = last or #text
  local found
  local from, stop = find(text, what, first, true)
  while from and stop <= last do
    found = from
    if not backwards then
      return found
    end
    from, stop = find(text, what, from + 1, true)
  end
  return found
end

function stringx.lfind(text, what, first, last)
  assert_string(1, text)
  assert_string(2, what)
  return find_all(text, what, first, last, false)
end

function stringx.rfind(text, what, first, last)
  assert_string(1, text)
  assert_string(2, what)
  return find_all(text, what, first, last, true)
end

function stringx.replace(text, old, new, most)
  assert_string(1, text)
  assert_string(2, old)
  assert_string(3, new)
  return (gsub(text, escape(old), (gsub(new, "%%", "%%%%")), most))
end

function stringx.count(text, what, allow_overlap)
  assert_string(1, text)
  local count, from = 0, 1
  while true do
    local start, stop = find(text, what, from, true)
    if not start then
      return count
    end
    count = count + 1
    from = (allow_overlap or stop < start) and start + 1 or stop + 1
    if from > #text + 1 then
      return count
    end
  end
end

local function pads(text, width, fill)
  return rep(fill or " ", max(0, width - #text))
end

function stringx.ljust(text, width, fill)
  assert_string(1, text)
  assert_arg(2, width, "number")
  return text .. pads(text, width, fill)
end

function stringx.rjust(text, width, fill)
  assert_string(1, text)
  assert_arg(2, width, "number")
  return pads(text, width, fill) .. text
end

function stringx.center(text, width, fill)
  assert_string(1, text)
  assert_arg(2, width, "number")
  local room = max(0, width - #text)
  return rep(fill or " ", ceil(room / 2)) .. text .. rep(fill or " ", floor(room / 2))
end

local function stripped(text, left, right, characters)
  characters = characters and "[" .. escape(characters) .. "]" or "%s"
  local from, to = 1, #text
  if left then
    local _, stop = find(text, "^" .. characters .. "*")
    from = stop + 1
  end
  if right then
    while to >= from and find(sub(text, to, to), characters) do
      to = to - 1
    end
  end
  return sub(text, from, to)
end

function stringx.lstrip(text, characters)
  assert_string(1, text)
  return stripped(text, true, false, characters)
end

function stringx.rstrip(text, characters)
  assert_string(1, text)
  return stripped(text, false, true, characters)
end

function stringx.strip(text, characters)
  assert_string(1, text)
  return stripped(text, true, true, characters)
end

local function parted(text, by, at)
  if not at then
    return nil
  end
  return sub(text, 1, at - 1), by, sub(text, at + #by)
end

function stringx.partition(text, by)
  assert_string(1, text)
  assert_arg(2, by, "string", function(of)
    return of ~= ""
  end, "not a nonempty string", 2)
  local before, found, after = parted(text, by, find_all(text, by))
  if not found then
    return text, "", ""
  end
  return before, found, after
end

function stringx.rpartition(text, by)
  assert_string(1, text)
  assert_arg(2, by, "string", function(of)
    return of ~= ""
  end, "not a nonempty string", 2)
  local before, found, after = parted(text, by, find_all(text, by, nil, nil, true))
  if not found then
    return "", "", text
  end
  return before, found, after
end

function stringx.at(text, place)
  assert_string(1, text)
  assert_arg(2, place, "number")
  return sub(text, place, place)
end

function stringx.lines(text)
  assert_string(1, text)
  if sub(text, -1) ~= "\n" then
    text = text .. "\n"
  end
  return gmatch(text, "([^\n]*)\n")
end

function stringx.title(text)
  assert_string(1, text)
  return (gsub(text, "(%S)(%S*)", function(first, rest)
    return upper(first) .. lower(rest)
  end))
end

function stringx.shorten(text, width, tail)
  assert_string(1, text)
  if #text <= width then
    return text
  elseif width < 3 then
    return sub("...", 1, width)
  elseif tail then
    return "..." .. sub(text, #text - width + 4)
  end
  return sub(text, 1, width - 3) .. "..."
end

function stringx.indent(text, count, fill)
  assert_string(1, text)
  local lines = stringx.splitlines(text)
  for i = 1, #lines do
    lines[i] = rep(fill or " ", count) .. lines[i]
  end
  return concat(lines, "\n") .. "\n"
end

function stringx.dedent(text)
  assert_string(1, text)
  local lines, least = stringx.splitlines(text), nil
  for i = 1, #lines do
    local blank = match(lines[i], "^(%s*)%S")
    if blank and (not least or #blank < least) then
      least = #blank
    end
  end
  for i = 1, #lines do
    lines[i] = sub(lines[i], (least or 0) + 1)
  end
  return concat(lines, "\n") .. "\n"
end

function stringx.wrap(text, width)
  assert_string(1, text)
  width = width or 70
  local lines, line = {}, nil
  for word in gmatch(text, "%S+") do
    if line and #line + 1 + #word <= width then
      line = line .. " " .. word
    else
      lines[#lines + 1] = line
      line = word
    end
  end
  lines[#lines + 1] = line
  return list(lines)
end

function stringx.fill(text, width)
  return concat(stringx.wrap(text, width), "\n") .. "\n"
end

-- A literal that reads as the text.
function stringx.quote_string(text)
  assert_string(1, text)
  return (gsub(format("%q", text), "\r", "\\r"))
end

function stringx.import() end

return stringx
