-- Take a synchronous invocation: a lease that leads back to no ready list.
-- KEYS  1 record of the call  2 lease of the worker  3 workers  4 functions  5 clock
-- ARGV  1 request id  2 worker  3 token  4 prefix of the running sets  5 lease in ms
-- Returns as claim.lua does; nothing if the caller has given up meanwhile, or another worker was faster.
-- include: now
-- include: concurrency
local record = redis.call('HGETALL', KEYS[1])
if #record == 0 then return false end
local func = redis.call('HGET', KEYS[1], 'function')
-- A worker whose connection broke before the answer asks again, with the same token.
if redis.call('HSETNX', KEYS[1], 'token', ARGV[3]) == 0 and redis.call('HGET', KEYS[1], 'token') ~= ARGV[3] then
  return false
end
redis.call('ZADD', KEYS[3], real_ms() + tonumber(ARGV[5]), ARGV[2])
redis.call('HSET', KEYS[2], ARGV[1], func .. '|' .. ARGV[3])
local config = redis.call('HGET', KEYS[4], func)
local reserved, throttled = take_place(config, ARGV[4] .. func, ARGV[1])
return {now_ms(KEYS[5]), reserved, throttled, config, record}
