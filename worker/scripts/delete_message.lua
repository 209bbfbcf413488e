-- Delete a message by the receipt of its latest receive. What is gone, or was received again since, is left as it is.
-- KEYS  1 queues
-- ARGV  1 prefix of the queues' keys  2 queue  3 message id  4 token of its receipt
-- Returns 'deleted', or 'missing' (no such queue).
-- include: message_queue
if redis.call('HEXISTS', KEYS[1], ARGV[2]) == 0 then return 'missing' end
local keys = queue_keys(ARGV[1], ARGV[2])
local kept = redis.call('HGET', keys.receipts, ARGV[3])
if kept and cjson.decode(kept).token == ARGV[4] then forget(keys, ARGV[3]) end
return 'deleted'
