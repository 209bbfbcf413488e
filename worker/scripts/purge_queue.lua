-- Delete all messages of one SQS queue, once in 60 s.
-- KEYS  1 queues  2 clock
-- ARGV  1 prefix of the queues' keys  2 queue
-- Returns 'purged', or 'missing' (no such queue), 'in progress' (purged less than 60 s ago).
-- include: now
-- include: message_queue
if redis.call('HEXISTS', KEYS[1], ARGV[2]) == 0 then return 'missing' end
local keys, now = queue_keys(ARGV[1], ARGV[2]), now_ms(KEYS[2])
local before = redis.call('GET', keys.purged)
if before and now - before < 60000 then return 'in progress' end
redis.call('UNLINK', keys.messages, keys.sent, keys.visible, keys.in_flight, keys.receipts, keys.doorbell)
redis.call('SET', keys.purged, now, 'PX', 60000)
return 'purged'
