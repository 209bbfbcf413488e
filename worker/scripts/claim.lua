-- Take a ready event under this worker's lease.
-- KEYS  1 event  2 ready  3 lease of the worker  4 workers  5 functions  6 ledger  7 clock
-- ARGV  1 request id  2 worker  3 token  4 prefix of the running sets  5 lease in ms
-- Returns nothing if the event is not ready (another message was faster, or it has ended), else
-- {now, reserved concurrency or -1, is throttled, configuration of the function or false, the record…}.
-- include: now
-- include: ledger
-- include: concurrency
local request_id = ARGV[1]
local func = redis.call('HGET', KEYS[1], 'function')
if not func then
  redis.call('ZREM', KEYS[2], request_id)
  return false
end

local lease = func .. '|' .. ARGV[3]
if redis.call('ZREM', KEYS[2], request_id) == 1 then
  -- The worker is known before it holds a lease, so that no lease is ever without somebody to reap it.
  redis.call('ZADD', KEYS[4], real_ms() + tonumber(ARGV[5]), ARGV[2])
  redis.call('HSET', KEYS[3], request_id, lease)
  redis.call('HSET', KEYS[1], 'state', 'running', 'worker', ARGV[2])
  count(KEYS[6], func, 'ready', -1)
  count(KEYS[6], func, 'running', 1)
elseif redis.call('HGET', KEYS[3], request_id) ~= lease then
  return false
end -- else the worker asks again, because its connection broke before the answer came

local config = redis.call('HGET', KEYS[5], func)
local reserved, throttled = take_place(config, ARGV[4] .. func, request_id)
return {now_ms(KEYS[7]), reserved, throttled, config, redis.call('HGETALL', KEYS[1])}
