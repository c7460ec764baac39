-- kong.tools.queue: what is sent after the answer, in batches and with retries (custom-plugins.md 9, tier 2).
-- Given: what begins a timer, also for plugins that may have none of their own.
local native = ...

local assert, max, min, pairs, pcall, tostring, type = assert, math.max, math.min, pairs, pcall, tostring, type

local Queue = {}

-- By name.
local queues = {}

-- A call of a handler ends within a minute; one that was ended by a limit comes back to nobody.
local LOST_AFTER = 70

-- The least pause before an entry is tried again: Kong's schema of queues knows no less, but not everybody uses that.
local SHORTEST = 0.001

local NUMBERS = {
  "max_batch_size", "max_coalescing_delay", "max_entries", "max_retry_time", "initial_retry_delay", "max_retry_delay",
}
local DEFAULTS = {
  max_batch_size = 1, max_coalescing_delay = 1, max_entries = 10000, max_retry_time = 60, initial_retry_delay = 0.01,
  max_retry_delay = 60, concurrency_limit = 1,
}

local function log(queue, level, ...)
  kong.log[level]("[", queue.conf.log_tag or queue.conf.name, "] ", ...)
end

local function count(queue)
  return queue.last - queue.first + 1
end

local function length(entry)
  return type(entry) == "string" and #entry or 0
end

local function take(queue)
  local entry = queue.entries[queue.first]
  queue.entries[queue.first] = nil
  queue.first, queue.bytes = queue.first + 1, queue.bytes - length(entry)
  return entry
end

local send, go_on

-- Has the queue sleep or work from now on; `call` runs after so many seconds.
local function later(queue, delay, call, batch)
  local begun, said = native.at(delay, call, queue, batch)
  queue.until_then = ngx.now() + delay + LOST_AFTER
  if not begun then
    queue.busy, queue.waiting = false, false
    log(queue, "err", "could not create a timer: ", said)
  end
  return begun
end

-- What there is goes out: at once if it fills a batch, else when more had its time to come.
function go_on(queue)
  local conf = queue.conf
  if count(queue) == 0 then
    return
  elseif count(queue) >= conf.max_batch_size or conf.max_coalescing_delay <= 0 then
    queue.busy = true
    later(queue, 0, send)
  elseif not queue.waiting then
    queue.waiting = true
    later(queue, conf.max_coalescing_delay, function(_, of)
      of.waiting = false
      if not of.busy then
        of.busy = true
        send(false, of)
      end
    end)
  end
end

function send(premature, queue, batch)
  local conf = queue.conf
  if not batch then
    batch = { entries = {}, began = ngx.now(), tries = 0 }
    for i = 1, min(count(queue), conf.max_batch_size) do
      batch.entries[i] = take(queue)
    end
  end
  if #batch.entries > 0 then
    local ran, sent, said = pcall(queue.handler, queue.handler_conf, batch.entries)
    if not (ran and sent) then
      log(queue, "err", "handler could not process entries: ", tostring(ran and said or sent or "no error details returned by handler"))
      local delay = max(SHORTEST, min(conf.max_retry_delay, conf.initial_retry_delay * 2 ^ batch.tries))
      if not premature and ngx.now() + delay - batch.began <= conf.max_retry_time then
        batch.tries = batch.tries + 1
        later(queue, delay, send, batch)
        return
      end
      log(queue, "err", "could not send entries due to max_retry_time exceeded. ", #batch.entries, " queue entries were lost")
    elseif batch.tries > 0 then
      log(queue, "info", "handler processed ", #batch.entries, " entries successfully after ", batch.tries, " retries")
    end
  end
  queue.busy = false
  go_on(queue)
end

local function checked(conf, handler, handler_conf)
  assert(type(conf) == "table", "arg #1 (queue_conf) must be a table")
  assert(type(handler) == "function", "arg #2 (handler) must be a function")
  assert(handler_conf == nil or type(handler_conf) == "table", "arg #3 (handler_conf) must be a table or nil")
  assert(type(conf.name) == "string", "arg #1 (queue_conf) must include a name")
  for _, name in pairs(NUMBERS) do
    assert(type(conf[name]) == "number", "arg #1 (queue_conf) " .. name .. " must be a number")
  end
end

local function open(conf, handler, handler_conf)
  local queue = queues[conf.name]
  if not queue then
    queue = { entries = {}, first = 1, last = 0, bytes = 0, busy = false, waiting = false, until_then = 0 }
    queues[conf.name] = queue
  end
  -- What was configured last counts, also for what waits.
  queue.conf, queue.handler, queue.handler_conf = conf, handler, handler_conf
  return queue
end

local function has_room(queue, conf, entry)
  if conf.max_bytes and queue.bytes + length(entry) > conf.max_bytes then
    return false
  end
  return count(queue) < conf.max_entries
end

-- Hands an entry to a queue, whose handler gets it with others later: `handler(handler_conf, entries)`, true if that is done.
-- A full queue loses its oldest entries.
function Queue.enqueue(conf, handler, handler_conf, entry)
  checked(conf, handler, handler_conf)
  if entry == nil then
    return nil, "entry must be a non-nil Lua value"
  elseif conf.max_bytes and length(entry) > conf.max_bytes then
    return nil, "string to be queued is longer (" .. length(entry) .. " bytes) than the queue's max_bytes (" .. conf.max_bytes .. ")"
  end
  local queue, dropped = open(conf, handler, handler_conf), 0
  while count(queue) > 0 and not has_room(queue, conf, entry) do
    take(queue)
    dropped = dropped + 1
  end
  if dropped > 0 then
    log(queue, "err", "queue full, dropping ", dropped, " entries")
  end
  queue.last = queue.last + 1
  queue.entries[queue.last], queue.bytes = entry, queue.bytes + length(entry)
  if (queue.busy or queue.waiting) and ngx.now() > queue.until_then then
    queue.busy, queue.waiting = false, false
  end
  if not queue.busy then
    go_on(queue)
  end
  return true
end

function Queue.can_enqueue(conf, entry)
  local queue = queues[conf.name]
  return not queue or has_room(queue, conf, entry)
end

function Queue.is_full(conf)
  local queue = queues[conf.name]
  return queue ~= nil and count(queue) >= conf.max_entries
end

function Queue.exists(name)
  return queues[name] ~= nil
end

-- What `enqueue` is told: `config.queue` with what older configurations say in its place, and names for logs.
function Queue.get_plugin_params(plugin, config, name)
  local params, id = {}, kong.plugin.get_id()
  for key, value in pairs(DEFAULTS) do
    params[key] = value
  end
  for key, value in pairs(type(config.queue) == "table" and config.queue or {}) do
    params[key] = value
  end
  params.name = name or params.name or id
  params.log_tag = plugin .. " plugin " .. tostring(id)
  if type(config.queue_size) == "number" and config.queue_size ~= 1 then
    params.max_batch_size = config.queue_size
  end
  if type(config.flush_timeout) == "number" and config.flush_timeout ~= 2 then
    params.max_coalescing_delay = config.flush_timeout
  end
  params.max_batch_size = max(1, params.max_batch_size)
  return params
end

return Queue
