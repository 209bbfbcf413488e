-- The transport's moves, as thrice writes them down: in the ledger, and in the count of what runs of each function, against
-- which its reserved concurrency is held, or the account's. Lanes are named after functions. An event's record is left alone but for lost
-- workers: whether an event is ready or runs is said by where it lies.
-- include: now
-- include: queue
-- include: ledger
-- include: places
-- include: account_places
-- include: reserved
-- include: metrics
local COLUMNS = {ready = 'ready', delayed = 'waiting', running = 'running'}
local namespace

local function namespace_of(queue)
  return string.match(queue, '^{[^}]*}:')
end

-- How many of `wanted` may run: as many as the function's reserved concurrency has places for, or else the account. The
-- context is the time, a line feed, and the configuration of the function (nothing if there is none).
local function admit(queue, target, wanted)
  local func = lane_of(target)
  if not func then return wanted, false end
  local ns = namespace_of(queue)
  local config = redis.call('HGET', ns .. 'functions', func) or ''
  local context = string.format('%.0f', now_ms(ns .. 'clock')) .. '\n' .. config
  local reserved = reserved_by(config)
  if not reserved then
    if config == '' or not is_users(func) then return wanted, context end
    return admit_on_account(ns, func, wanted), context
  end
  local running = tonumber(redis.call('HGET', ns .. 'concurrency', func) or '0') + (places[func] or 0)
  return math.max(0, math.min(wanted, reserved - running)), context
end

-- Workers were lost with an event: its record says how many, those of its earlier attempts included. Inside the body the
-- quotes are escaped, so that what is found are headers.
local function note_loss(ns, envelope)
  local lost = string.match(envelope, '^{"x%-dc":(%d+)')
  local id = lost and string.match(envelope, '"id":"([^"]+)"')
  if not id then return end
  local before = string.match(envelope, '"workers_lost":(%d+)') or 0
  redis.call('HSET', ns .. 'event:' .. id, 'workers_lost', lost + before)
end

local function claimed(queue, target, taken, refused, consumer)
  local func = lane_of(target)
  if not func then return end
  namespace = namespace or namespace_of(queue)
  take_places(func, taken)
  draw_on_account(func, taken)
  if queue ~= namespace .. 'invocations' then return end
  count(func, 'ready', -(taken + refused))
  count(func, 'running', taken + refused)
end

local function moved(queue, target, envelope, from, to, consumer, flag)
  local func = lane_of(target)
  if not func then return end
  namespace = namespace or namespace_of(queue)
  if flag == '-' and from == 'running' then take_places(func, -1) end
  if queue ~= namespace .. 'invocations' then return end
  count(func, COLUMNS[from], -1)
  count(func, COLUMNS[to], 1)
  if from == 'running' then note_loss(namespace, envelope) end
end

local function moves_done()
  if not namespace then return end
  write_places(namespace)
  write_metrics(namespace, now_ms(namespace .. 'clock'))
  write_counts(namespace .. 'ledger')
end
