-- Let a message that was received become visible earlier or later.
-- KEYS  1 queues  2 clock
-- ARGV  1 prefix of the queues' keys  2 queue  3 message id  4 token of its receipt  5 timeout in s  6 longest time, in
--       s, for which a message may be hidden after one receive
-- Returns 'changed', or 'missing' (no such queue), 'unknown' (no such message, or received again since), 'visible'
-- (its timeout has ended), 'too long'.
-- include: now
-- include: message_queue
if redis.call('HEXISTS', KEYS[1], ARGV[2]) == 0 then return 'missing' end
local keys, now, id = queue_keys(ARGV[1], ARGV[2]), now_ms(KEYS[2]), ARGV[3]
local kept = redis.call('HGET', keys.receipts, id)
local receipt = kept and cjson.decode(kept)
if not receipt or receipt.token ~= ARGV[4] then return 'unknown' end
local ends = redis.call('ZSCORE', keys.in_flight, id)
if not ends or tonumber(ends) <= now then return 'visible' end
if now + ARGV[5] * 1000 > receipt.at + ARGV[6] * 1000 then return 'too long' end
redis.call('ZADD', keys.in_flight, now + ARGV[5] * 1000, id)
ring(keys)
return 'changed'
