-- The transport's moves, as thrice writes them down: in the ledger, in the event's record, and in the count of what runs
-- of each function, against which its reserved concurrency is held. Lanes are named after functions.
-- include: now
-- include: queue
-- include: ledger
local COLUMNS = {ready = 'ready', delayed = 'waiting', running = 'running'}
local namespace

local function namespace_of(queue)
  return string.match(queue, '^{[^}]*}:')
end

-- How many of `wanted` may run: as many as the function's reserved concurrency has places for. The context is the time,
-- a line feed, and the configuration of the function (nothing if there is none).
local function admit(queue, target, wanted)
  local func = lane_of(target)
  if not func then return wanted, false end
  local ns = namespace_of(queue)
  local config = redis.call('HGET', ns .. 'functions', func) or ''
  local context = string.format('%.0f', now_ms(ns .. 'clock')) .. '\n' .. config
  -- The number as `FunctionConfiguration` writes it; inside a string the quotes would be escaped.
  local reserved = string.match(config, '"reserved_concurrency":(%d+)')
  if not reserved then return wanted, context end
  local running = tonumber(redis.call('HGET', ns .. 'concurrency', func) or '0')
  return math.max(0, math.min(wanted, tonumber(reserved) - running)), context
end

-- Tell the event's record. An ended or forgotten event has none, and gets none.
local function note(ns, envelope, to, consumer)
  local id = string.match(envelope, '"id":"([^"]+)"')
  local record = id and (ns .. 'event:' .. id)
  if not record then return end
  if to == 'running' then
    redis.call('HSET', record, 'state', 'running', 'worker', consumer)
  else
    local lost = string.match(envelope, '^{"x%-dc":(%d+)')
    if lost then redis.call('HSET', record, 'workers_lost', lost) end
    redis.call('HSET', record, 'state', COLUMNS[to])
  end
end

local function moved(queue, target, envelope, from, to, consumer, flag)
  local func = lane_of(target)
  if not func then return end
  namespace = namespace_of(queue)
  if flag == '-' then
    local by = to == 'running' and 1 or (from == 'running' and -1 or 0)
    if by ~= 0 then redis.call('HINCRBY', namespace .. 'concurrency', func, by) end
  end
  if queue ~= namespace .. 'invocations' then return end
  count(func, COLUMNS[from], -1)
  count(func, COLUMNS[to], 1)
  note(namespace, envelope, to, consumer)
end

local function moves_done()
  if namespace then write_counts(namespace .. 'ledger') end
end
