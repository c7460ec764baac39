-- pl.path, after Penlight (LICENSE in this folder): paths as texts. What looks at files is not here, for modules see none.
local error, ipairs, select, type = error, ipairs, select, type
local concat, find, gsub, match, remove, sub = table.concat, string.find, string.gsub, string.match, table.remove, string.sub

local path = { sep = "/", dirsep = ":", is_windows = false }

local function text_arg(n, of, level)
  if type(of) ~= "string" then
    error("argument " .. n .. " expected a 'string' got a '" .. type(of) .. "'", (level or 2) + 1)
  end
end

-- What is before the last `/`, and what is behind it.
function path.splitpath(of)
  text_arg(1, of)
  local dir, name = match(of, "^(.*)/([^/]*)$")
  if not dir then
    return "", of
  end
  return dir == "" and "/" or dir, name
end

-- The extension comes with its dot.
function path.splitext(of)
  text_arg(1, of)
  local at = find(of, "%.[^./]*$")
  -- A name that begins with its only dot has none.
  if not at then
    return of, ""
  end
  return sub(of, 1, at - 1), sub(of, at)
end

function path.dirname(of)
  text_arg(1, of)
  return (path.splitpath(of))
end

function path.basename(of)
  text_arg(1, of)
  return (select(2, path.splitpath(of)))
end

function path.extension(of)
  text_arg(1, of)
  return (select(2, path.splitext(of)))
end

function path.isabs(of)
  text_arg(1, of)
  return sub(of, 1, 1) == "/"
end

-- One that is absolute begins anew.
function path.join(one, other, ...)
  text_arg(1, one)
  text_arg(2, other)
  local joined = one
  for i, part in ipairs({ other, ... }) do
    text_arg(i + 1, part)
    if sub(part, 1, 1) == "/" then
      joined = part
    elseif joined == "" or sub(joined, -1) == "/" then
      joined = joined .. part
    else
      joined = joined .. "/" .. part
    end
  end
  return joined
end

-- Without `//`, `.` and what `..` takes back.
function path.normpath(of)
  text_arg(1, of)
  local anchor = match(of, "^//[^/]") and "//" or sub(of, 1, 1) == "/" and "/" or ""
  local parts = {}
  for part in gsub(of, "^/+", ""):gmatch("[^/]+") do
    if part == ".." and #parts > 0 and parts[#parts] ~= ".." then
      remove(parts)
    elseif part ~= "." and not (part == ".." and anchor ~= "") then
      parts[#parts + 1] = part
    end
  end
  local joined = anchor .. concat(parts, "/")
  return joined == "" and "." or joined
end

function path.normcase(of)
  text_arg(1, of)
  return of
end

-- The way from one folder to another place; both are absolute.
function path.relpath(of, start)
  text_arg(1, of)
  text_arg(2, start)
  local function parts_of(text)
    local parts = {}
    for part in path.normpath(text):gmatch("[^/]+") do
      parts[#parts + 1] = part
    end
    return parts
  end
  local to, from = parts_of(of), parts_of(start)
  local same = 0
  while same < #to and same < #from and to[same + 1] == from[same + 1] do
    same = same + 1
  end
  local way = {}
  for _ = same + 1, #from do
    way[#way + 1] = ".."
  end
  for i = same + 1, #to do
    way[#way + 1] = to[i]
  end
  return #way == 0 and "." or concat(way, "/")
end

function path.common_prefix(one, other)
  text_arg(1, one)
  text_arg(2, other)
  local at, last = 1, 0
  while at <= #one and at <= #other and sub(one, at, at) == sub(other, at, at) do
    if sub(one, at, at) == "/" then
      last = at
    end
    at = at + 1
  end
  if at > #one and (at > #other or sub(other, at, at) == "/") or at > #other and sub(one, at, at) == "/" then
    last = at
  end
  return sub(one, 1, last - 1)
end

for _, name in ipairs({ "abspath", "attrib", "chdir", "currentdir", "dir", "exists", "expanduser", "getatime", "getctime", "getmtime", "getsize", "isdir", "isfile", "islink", "mkdir", "package_path", "rmdir", "tmpname" }) do
  path[name] = function()
    error("pl.path." .. name .. " is not supported: modules see no files", 2)
  end
end

return path
