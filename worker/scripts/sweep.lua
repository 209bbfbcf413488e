-- Put back what is due, what a dead worker held, and what a lost Celery message stood for.
-- KEYS  1 ready  2 waiting  3 workers  4 invocations  5 ledger  6 clock
-- ARGV  1 prefix of the records  2 prefix of the leases  3 prefix of the running sets  4 message template
--       5 how many at the most, of each kind  6 grace in ms before a message is taken for lost
-- Returns {promoted, reaped, republished, ms until the next event is due or -1}.
-- include: now
-- include: ledger
local keys = {ready = KEYS[1], waiting = KEYS[2], invocations = KEYS[4], ledger = KEYS[5]}
local limit, grace = tonumber(ARGV[5]), tonumber(ARGV[6])
local now = now_ms(KEYS[6])
local promoted, reaped, republished = 0, 0, 0

local function message_of(request_id)
  local task = redis.call('HGET', ARGV[1] .. request_id, 'task')
  return task and message_for(ARGV[4], request_id, task)
end

-- 1. Waiting events whose time has come.
for _, request_id in ipairs(redis.call('ZRANGEBYSCORE', keys.waiting, '-inf', now, 'LIMIT', 0, limit)) do
  local event = ARGV[1] .. request_id
  local func, message = redis.call('HGET', event, 'function'), message_of(request_id)
  redis.call('ZREM', keys.waiting, request_id)
  if func then
    count(keys.ledger, func, 'waiting', -1)
    make_ready(keys, func, request_id, event, message)
    promoted = promoted + 1
  end
end

-- 2. The leases of workers that have not been heard of. A synchronous invocation has no record: its caller waits in
--    vain and is told so; only its place is given back.
for _, worker in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', real_ms(), 'LIMIT', 0, 10)) do
  local lease = ARGV[2] .. worker
  local held = redis.call('HGETALL', lease)
  for i = 1, #held, 2 do
    local request_id, func = held[i], string.match(held[i + 1], '^(.*)|')
    local event = ARGV[1] .. request_id
    redis.call('SREM', ARGV[3] .. func, request_id)
    if redis.call('HGET', event, 'state') == 'running' then
      count(keys.ledger, func, 'running', -1)
      redis.call('HINCRBY', event, 'workers_lost', 1)
      make_ready(keys, func, request_id, event, message_of(request_id))
      reaped = reaped + 1
    end
  end
  redis.call('DEL', lease)
  redis.call('ZREM', KEYS[3], worker)
end

-- 3. Ready events whose Celery message was popped by a worker that died before it claimed them. The queue is first in,
--    first out: what became ready before the oldest message that is still on it has no message there any more.
--    A second message for an event that is only slow to be claimed does no harm: the claim takes it once.
local oldest = redis.call('LINDEX', keys.invocations, -1)
local before = real_ms()
if oldest then
  local request_id = string.match(oldest, '"id":%s*"([^"]+)"')
  before = tonumber(request_id and redis.call('ZSCORE', keys.ready, request_id) or 0)
end
for _, request_id in ipairs(redis.call('ZRANGEBYSCORE', keys.ready, '-inf', before - grace, 'LIMIT', 0, limit)) do
  local message = message_of(request_id)
  if message then
    redis.call('ZADD', keys.ready, real_ms(), request_id)
    redis.call('LPUSH', keys.invocations, message)
    republished = republished + 1
  else
    redis.call('ZREM', keys.ready, request_id)
  end
end

local next_due = redis.call('ZRANGE', keys.waiting, 0, 0, 'WITHSCORES')[2]
return {promoted, reaped, republished, next_due and math.max(0, tonumber(next_due) - now) or -1}
