-- What a careless or curious author could write, by the name that the request's header X-Case says.

local cjson = require "cjson.safe"
local http = require "resty.http"

secret = "of the hostile plugin"

local Hostile = {
  PRIORITY = 500,
  VERSION = "6.6.6",
}

local function answer(...)
  local texts = {}
  for i = 1, select("#", ...) do
    texts[i] = tostring((select(i, ...)))
  end
  return kong.response.exit(200, table.concat(texts, " "))
end

local function endless()
  while true do end
end

local function refused(fn, ...)
  local ok, err = pcall(fn, ...)
  return answer(ok, err)
end

local access = {

  -- Time.

  ["endless loop"] = endless,

  ["endless loop in JIT code"] = function()
    local sum = 0
    for i = 1, 1e18 do
      sum = sum + i % 7
    end
    return sum
  end,

  ["endless repeat of a PDK call"] = function()
    repeat
      kong.request.get_header("x-case")
    until false
  end,

  ["pcall around the limit"] = function()
    while true do
      pcall(endless)
    end
  end,

  ["xpcall whose handler is endless too"] = function()
    while true do
      xpcall(endless, endless)
    end
  end,

  ["coroutine inside pcall around the limit"] = function()
    while true do
      pcall(coroutine.wrap(endless))
    end
  end,

  ["resumed coroutines around the limit"] = function()
    while true do
      coroutine.resume(coroutine.create(endless))
    end
  end,

  ["a coroutine that yields for ever"] = function()
    local co = coroutine.wrap(function()
      while true do coroutine.yield() end
    end)
    while true do co() end
  end,

  ["endless iterator"] = function()
    for _ in function() return 1 end do end
  end,

  ["endless __index"] = function()
    return setmetatable({}, { __index = endless }).x
  end,

  ["endless __tostring in tostring"] = function()
    return tostring(setmetatable({}, { __tostring = endless }))
  end,

  ["endless comparison in table.sort"] = function()
    table.sort({ 3, 2, 1 }, endless)
  end,

  ["endless replacement in gsub"] = function()
    return (("x"):gsub("x", endless))
  end,

  ["a million coroutines"] = function()
    local all = {}
    for i = 1, 1e8 do
      all[i] = coroutine.create(endless)
      coroutine.resume(coroutine.create(function() coroutine.yield(all) end))
    end
  end,

  -- Patterns and other loops in C.

  ["a pattern of many stars"] = function()
    return ("a"):rep(60):find(("a*"):rep(60) .. "b")
  end,

  ["a quadratic gsub over a megabyte"] = function()
    return (("x"):rep(2 ^ 20):gsub(".-b", ""))
  end,

  ["nested captures without end"] = function()
    return ("("):rep(40000):match(("%b()?"):rep(100) .. ("(.-)"):rep(30) .. "$x")
  end,

  ["catastrophic regular expression"] = function()
    local found, err = ngx.re.match(("a"):rep(100) .. "b", [[^(a+)+$]])
    return answer(found, type(err))
  end,

  ["catastrophic gsub of regular expressions"] = function()
    local text, count, err = ngx.re.gsub(("a"):rep(100) .. "b", [[(a|aa|aaa)+$]], "")
    return answer(type(text), type(count), type(err))
  end,

  ["string.rep of a gigabyte"] = function()
    return ("x"):rep(2 ^ 30)
  end,

  ["string.rep with a long separator"] = function()
    return ("x"):rep(2 ^ 12, ("y"):rep(2 ^ 20))
  end,

  ["string.format of a huge width"] = function()
    return ("%99999d"):format(1)
  end,

  ["string.format with too few values"] = function()
    return ("%s%s%s"):rep(1000):format(1)
  end,

  ["unpack of very many"] = function()
    return unpack({}, 1, 1e8)
  end,

  ["an order that contradicts itself"] = function()
    local list = {}
    for i = 1, 5000 do list[i] = i % 13 end
    return refused(table.sort, list, function() return true end)
  end,

  -- Memory.

  ["memory bomb of tables"] = function()
    local all = {}
    while true do
      all[#all + 1] = { {}, {}, {} }
    end
  end,

  ["memory bomb of strings"] = function()
    local text = "x"
    while true do
      text = text .. text
    end
  end,

  ["memory bomb behind pcall"] = function()
    local kept = {}
    while true do
      pcall(function()
        for i = 1, 1000 do kept[#kept + 1] = ("x"):rep(2 ^ 20) .. i end
      end)
    end
  end,

  ["table.concat of gigabytes"] = function()
    local part, list = ("x"):rep(2 ^ 23), {}
    for i = 1, 4000 do list[i] = part end
    return table.concat(list)
  end,

  ["table.concat with a long separator"] = function()
    local list = {}
    for i = 1, 4000 do list[i] = "" end
    return table.concat(list, ("x"):rep(2 ^ 22))
  end,

  ["gsub that grows a text without end"] = function()
    return (("x"):rep(2 ^ 17):gsub("x", ("y"):rep(2 ^ 17)))
  end,

  ["a table of a thousand million places"] = function()
    return require("table.new")(1e9, 0)
  end,

  -- The stack.

  ["deep recursion"] = function()
    local function down() return 1 + down() end
    return down()
  end,

  ["deep recursion through pcall"] = function()
    local function down() return pcall(down) end
    return answer(type(down()))
  end,

  ["deep recursion through metamethods"] = function()
    local t = {}
    return setmetatable(t, { __index = function(_, key) return t[key] end }).x
  end,

  ["__index in a circle"] = function()
    local t = {}
    return setmetatable(t, { __index = t }).x
  end,

  ["coroutines within coroutines"] = function()
    local function down() return coroutine.wrap(down)() end
    return down()
  end,

  ["recursion in a replacement"] = function()
    local function down() return (("x"):gsub("x", down)) end
    return down()
  end,

  -- Errors.

  ["error(nil)"] = function() error(nil) end,
  ["error of a table"] = function() error({ code = 1 }) end,
  ["error of a function"] = function() error(endless) end,

  ["error whose __tostring is endless"] = function()
    error(setmetatable({}, { __tostring = endless }))
  end,

  ["error whose __tostring throws"] = function()
    error(setmetatable({}, { __tostring = function() error("again") end }))
  end,

  ["error whose __tostring gives no text"] = function()
    error(setmetatable({}, { __tostring = function() return {} end }))
  end,

  ["error of bytes that are no text"] = function()
    error("zero \0 bytes \255\254 and\r\nforged line of the log")
  end,

  ["error of a megabyte"] = function() error(("long "):rep(2 ^ 18)) end,

  ["error in an error handler"] = function()
    return answer(xpcall(error, function() error("in the handler") end))
  end,

  -- The sandbox.

  ["rawset on kong"] = function() return refused(rawset, kong, "log", endless) end,
  ["rawset on ngx"] = function() return refused(rawset, ngx, "say", endless) end,
  ["assignment to kong"] = function() return refused(function() kong.log = endless end) end,

  ["assignment within the PDK"] = function()
    return refused(function() kong.request.get_header = endless end)
  end,

  ["assignment to ngx"] = function() return refused(function() ngx.sleep = endless end) end,
  ["assignment to string"] = function() return refused(function() string.upper = endless end) end,
  ["assignment to a module"] = function() return refused(function() cjson.decode = endless end) end,
  ["table.insert into the PDK"] = function() return refused(table.insert, kong.request, endless) end,
  ["table.clear of the PDK"] = function() return refused(table.clear, kong.request) end,
  ["a metatable for kong"] = function() return refused(setmetatable, kong, {}) end,
  ["the metatable of strings"] = function() return answer(getmetatable("")) end,
  ["the metatable of kong"] = function() return answer(getmetatable(kong)) end,

  ["the metatable of strings changed"] = function()
    return refused(function() getmetatable("").__index = endless end)
  end,

  ["overwriting globals"] = function()
    secret, string, kong, ngx, tostring, error = "overwritten", nil, nil, nil, nil, nil
    _G.require, _G.pcall = nil, nil
  end,

  ["next over the PDK"] = function()
    local names = 0
    for name, value in pairs(kong) do
      names = names + 1
      pcall(rawset, value, name, endless)
    end
    return answer(type(kong.request.get_header))
  end,

  ["names that a sandbox has not"] = function()
    local found = {}
    for _, name in ipairs({
      "load", "loadstring", "loadfile", "dofile", "collectgarbage", "debug", "ffi", "package", "newproxy",
      "getfenv", "setfenv", "module",
    }) do
      if _G[name] ~= nil then found[#found + 1] = name end
    end
    for table_name, names in pairs({
      os = { "execute", "getenv", "exit", "remove", "rename", "tmpname", "setlocale" },
      io = { "open", "popen", "lines", "read", "write", "stdout", "output", "input", "tmpfile", "close" },
      string = { "dump" },
      math = { "randomseed" },
      jit = { "on", "off", "flush", "opt", "util", "attach" },
    }) do
      for _, name in ipairs(names) do
        if (_G[table_name] or {})[name] ~= nil then found[#found + 1] = table_name .. "." .. name end
      end
    end
    return answer("found:", table.concat(found, ","))
  end,

  ["modules that a sandbox has not"] = function()
    local found = {}
    for _, name in ipairs({ "ffi", "debug", "package", "jit.util", "string.buffer.x", "nope" }) do
      local ok, err = pcall(require, name)
      if ok or not err:find("require '" .. name .. "' not allowed within sandbox", 1, true) then
        found[#found + 1] = name .. "=" .. tostring(err)
      end
    end
    return answer("found:", table.concat(found, ","))
  end,

  -- The PDK.

  ["JSON nested too deep"] = function() return answer(cjson.decode(("["):rep(1e5))) end,

  ["JSON of a table in itself"] = function()
    local t = {}
    t.t = t
    return answer(cjson.encode(t))
  end,

  ["exit with a table in itself"] = function()
    local t = {}
    t.t = t
    return kong.response.exit(200, t)
  end,

  ["a header of ten megabytes"] = function()
    kong.response.set_header("X-Big", ("x"):rep(10 * 2 ^ 20))
  end,

  ["a hundred thousand headers"] = function()
    local headers = {}
    for i = 1, 1e5 do headers["X-" .. i] = "1" end
    kong.response.set_headers(headers)
  end,

  ["CR LF in a response header's value"] = function()
    kong.response.set_header("X-A", "1\r\nX-Injected: 1")
  end,

  ["CR LF in a response header's name"] = function()
    kong.response.set_header("X-A: 1\r\nX-Injected", "1")
  end,

  ["CR LF in ngx.header"] = function()
    ngx.header["X-A"] = "1\r\nX-Injected: 1"
    ngx.header["X-B: 1\r\nX-Injected"] = "1"
  end,

  ["CR LF in a request header's value"] = function()
    kong.service.request.set_header("X-A", "1\r\nX-Injected: 1")
  end,

  ["CR LF in a request header's name"] = function()
    kong.service.request.set_header("X-A: 1\r\nX-Injected", "1")
  end,

  ["CR LF in a path and a query"] = function()
    kong.service.request.set_path("/a HTTP/1.1\r\nX-Injected: 1\r\n\r\n")
    kong.service.request.set_raw_query("a b\r\nX-Injected: 1")
  end,

  ["CR LF in headers of a third party's request"] = function()
    local res, err = http.new():request_uri("http://127.0.0.1:1/", { headers = { ["X-A"] = "1\r\nX-Injected: 1" } })
    return answer(res, type(err))
  end,

  ["exit inside pcall"] = function()
    pcall(kong.response.exit, 403, "left")
    kong.response.exit(200, "stayed")
  end,

  ["exit inside xpcall"] = function()
    xpcall(kong.response.exit, function() return "handled" end, 403, "left")
    kong.response.exit(200, "stayed")
  end,

  ["exit in a coroutine"] = function()
    coroutine.wrap(function() kong.response.exit(403, "left") end)()
    kong.response.exit(200, "stayed")
  end,

  ["exit in a resumed coroutine"] = function()
    coroutine.resume(coroutine.create(function() kong.response.exit(403, "left") end))
    kong.response.exit(200, "stayed")
  end,

  ["exit in a comparison"] = function()
    pcall(table.sort, { 3, 2, 1 }, function() kong.response.exit(403, "left") end)
    kong.response.exit(403, "stayed")
  end,

  ["exit with a status of text"] = function() kong.response.exit("200") end,
  ["exit with status 99"] = function() kong.response.exit(99) end,
  ["exit with status 600"] = function() kong.response.exit(600) end,
  ["exit with status NaN"] = function() kong.response.exit(0 / 0) end,
  ["exit without status"] = function() kong.response.exit() end,
  ["exit with a function"] = function() kong.response.exit(200, endless) end,
  ["exit with odd headers"] = function() kong.response.exit(200, "x", "headers") end,
  ["exit with headers of functions"] = function() kong.response.exit(200, "x", { ["X-A"] = endless }) end,
  ["exit with 101"] = function() kong.response.exit(101, "x") end,
  ["exit with 204 and a body"] = function() kong.response.exit(204, "body") end,

  ["a million lines of log"] = function()
    for i = 1, 1e6 do kong.log("flood ", i) end
    return answer("logged")
  end,

  ["a forged line of log"] = function()
    kong.log("forged\nforged line of the log\r\n\27[31m")
    return answer("logged")
  end,

  ["timers"] = function()
    local ok, made = pcall(ngx.timer.at, 0, endless)
    return answer(ok and made == true)
  end,

  ["timers that repeat"] = function()
    local ok, made = pcall(ngx.timer.every, 0.001, endless)
    return answer(ok and made == true)
  end,

  ["an endless thread"] = function()
    local ok, thread = pcall(ngx.thread.spawn, endless)
    if ok and thread then ngx.thread.wait(thread) end
    error("over")
  end,

  ["a hundred thousand threads"] = function()
    for _ = 1, 1e5 do ngx.thread.spawn(function() ngx.sleep(1000) end) end
    return answer("spawned")
  end,

  ["odd sleeps"] = function()
    return answer(pcall(ngx.sleep, -1), pcall(ngx.sleep, "x"), pcall(ngx.sleep, 0 / 0), pcall(ngx.sleep))
  end,

  ["an infinite sleep"] = function()
    while true do ngx.sleep(1e9) end
  end,

  ["a lot of memory in __gc"] = function()
    for _ = 1, 1000 do setmetatable({}, { __gc = endless, __mode = "k" }) end
    return answer("made")
  end,

  ["bodies of odd encodings"] = function()
    local body, err = kong.request.get_body()
    return answer(type(body), err, #kong.request.get_raw_body())
  end,

  ["numbers that are none"] = function()
    return answer(
      pcall(kong.request.get_headers, 0 / 0), pcall(kong.request.get_query, math.huge),
      pcall(kong.response.set_status, -math.huge), (tonumber("0x") == nil), ("x"):sub(-1e308, 1e308))
  end,

  ["os.date of odd formats"] = function()
    return refused(os.date, ("%c%x%X%p%E%O%Q"):rep(1e4), 1e300)
  end,
}

function Hostile:access()
  local case = access[kong.request.get_header("x-case")]
  if case then
    return case()
  end
end

local header_filter = {
  ["header_filter: endless loop"] = endless,
  ["header_filter: throws"] = function() error("thrown") end,
  ["header_filter: waits"] = function() ngx.sleep(0.1) end,
  ["header_filter: asks a third party"] = function() http.new():request_uri("http://127.0.0.1:1/") end,
  ["header_filter: yields"] = function() coroutine.yield(1) end,
  ["header_filter: waits in a coroutine inside pcall"] = function()
    local ok, err = pcall(coroutine.wrap(function() ngx.sleep(0.1) end))
    kong.response.set_header("X-Waited", tostring(ok))
    kong.response.set_header("X-Error", tostring(err))
  end,
}

function Hostile:header_filter()
  local case = header_filter[kong.request.get_header("x-case")]
  if case then
    return case()
  end
end

local body_filter = {
  ["body_filter: endless loop"] = endless,
  ["body_filter: throws"] = function() error("thrown") end,
  ["body_filter: waits"] = function() ngx.sleep(0.1) end,
  ["body_filter: grows"] = function() ngx.arg[1] = ("x"):rep(2 ^ 30) end,
  ["body_filter: sets an odd chunk"] = function() ngx.arg[1] = { endless } end,
}

function Hostile:body_filter()
  local case = body_filter[kong.request.get_header("x-case")]
  if case then
    ngx.arg[1] = "changed before the error"
    return case()
  end
end

local log = {
  ["log: endless loop"] = endless,
  ["log: throws"] = function() error("thrown in log") end,
  ["log: waits"] = function() ngx.sleep(1) end,
  ["log: exits"] = function() kong.response.exit(500, "x") end,
  ["log: serializes and breaks it"] = function()
    local all = kong.log.serialize()
    all.request.headers, all.response, all.self = nil, endless, all
    error(all)
  end,
}

function Hostile:log()
  local case = log[kong.request.get_header("x-case")]
  if case then
    return case()
  end
end

return Hostile
