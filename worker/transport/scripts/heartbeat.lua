-- Renew the lease of a consumer.
--
-- KEYS: consumers
-- ARGV: consumer, lease (ms)
-- Returns 1; 0 if the lease was lost: it had ended and what lay under it was given to others, or it never began.
-- include: now
redis.call('ZREM', KEYS[1], '')  -- A full server refuses nothing after this: see claim.
local known = redis.call('ZSCORE', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[1], real_ms() + tonumber(ARGV[2]), ARGV[1])
return known and 1 or 0
