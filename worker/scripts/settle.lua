-- Move an event on after an attempt: to its next attempt, or to its end with all that is sent then. Fenced: only
-- the holder of the lease can.
-- KEYS  1 event  2 ready  3 waiting  4 dead  5 lease of the worker  6 invocations  7 ledger  8 clock  9 queues
--      10 log of the function
-- ARGV  1 the settlement, JSON: request_id, token, running (prefix of the running sets), event (prefix of the records),
--         template, to ("waiting", "succeeded", "given_up"), delay_ms, uses_attempt, condition, retention_ms,
--         dead_retention_ms, queues (prefix of the SQS queues' keys), fields {name: value}, deliveries [{id, queue and
--         size of a message for our own SQS, or task, func, target and attributes of a delivery; counter of failures}]
--       2 the attempt for the history (JSON, or empty)  3 the last error object (or empty)
--       4 log stream  5 lines for the log (JSON, or empty)  6 how many entries the log keeps
--       7… the bodies of the deliveries, in their order: bytes stay out of the JSON
-- Returns 1, or 0 if the lease is not held any more: then nothing has happened.
-- include: now
-- include: ledger
-- include: send_message
local s = cjson.decode(ARGV[1])
-- What a handler printed is worth reading even if its result came too late.
if ARGV[5] ~= '' then redis.call('XADD', KEYS[10], 'MAXLEN', '~', ARGV[6], '*', 'stream', ARGV[4], 'events', ARGV[5]) end

local held = redis.call('HGET', KEYS[5], s.request_id)
local func = redis.call('HGET', KEYS[1], 'function')
if not held or not func or held ~= func .. '|' .. s.token then return 0 end

local keys = {ready = KEYS[2], waiting = KEYS[3], invocations = KEYS[6], ledger = KEYS[7]}
local now = now_ms(KEYS[8])
redis.call('HDEL', KEYS[5], s.request_id)
redis.call('SREM', s.running .. func, s.request_id)
redis.call('HDEL', KEYS[1], 'worker')
count(keys.ledger, func, 'running', -1)
for name, value in pairs(s.fields) do redis.call('HSET', KEYS[1], name, value) end
if ARGV[2] ~= '' then
  local before = redis.call('HGET', KEYS[1], 'attempts')
  redis.call('HSET', KEYS[1], 'attempts', before and (before .. ',' .. ARGV[2]) or ARGV[2])
end
if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], 'last_response', ARGV[3]) end

if s.to == 'waiting' then
  if s.uses_attempt then count(keys.ledger, func, 'retried', 1) end
  if s.delay_ms > 0 then
    redis.call('HSET', KEYS[1], 'state', 'waiting', 'due_at', now + s.delay_ms)
    redis.call('ZADD', keys.waiting, now + s.delay_ms, s.request_id)
    count(keys.ledger, func, 'waiting', 1)
  else
    local message = message_for(s.template, s.request_id, redis.call('HGET', KEYS[1], 'task'))
    make_ready(keys, func, s.request_id, KEYS[1], message)
  end
  return 1
end

-- A queue of ours takes its message here, in the step that ends the event; every other target gets a task of its own,
-- which is as durable as an event and is tried by itself.
local function hand_over(delivery, body)
  if delivery.queue then
    return send_message(KEYS[9], s.queues, delivery.queue, delivery.id, body, delivery.size, '', now)
  end
  local record = s.event .. delivery.id
  redis.call('HSET', record, 'v', 1, 'task', delivery.task, 'function', delivery.func, 'arn', delivery.target,
    'payload', body, 'attributes', delivery.attributes, 'source', 'thrice:settlement', 'accepted_at', now,
    'cause', s.request_id, 'counter', delivery.counter, 'of', func)
  count(keys.ledger, delivery.func, 'accepted', 1)
  make_ready(keys, delivery.func, delivery.id, record, message_for(s.template, delivery.id, delivery.task))
  return true
end

local taken = 0
for i, delivery in ipairs(s.deliveries) do
  if hand_over(delivery, ARGV[6 + i]) then
    taken = taken + 1
  else
    count(keys.ledger, func, delivery.counter, 1)
  end
end

local state = 'succeeded'
if s.to == 'given_up' then
  state = taken > 0 and 'dead_lettered' or 'dropped'
  redis.call('HSET', KEYS[1], 'condition', s.condition)
end
redis.call('HSET', KEYS[1], 'state', state, 'ended_at', now)
if state == 'dropped' then
  -- A delivery that failed is told of under the function whose event it was.
  local of, counter = unpack(redis.call('HMGET', KEYS[1], 'of', 'counter'))
  if of then count(keys.ledger, of, counter, 1) end
end
count(keys.ledger, func, state == 'dropped' and ('dropped:' .. s.condition) or state, 1)
if state == 'dead_lettered' then
  redis.call('ZADD', KEYS[4], now, s.request_id)
  redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now - s.dead_retention_ms)
  redis.call('PEXPIRE', KEYS[1], s.dead_retention_ms)
else
  redis.call('HDEL', KEYS[1], 'payload')
  redis.call('PEXPIRE', KEYS[1], s.retention_ms)
end
return 1
