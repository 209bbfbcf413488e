-- Delete an SQS queue with its messages.
-- KEYS  1 queues
-- ARGV  1 prefix of the queues' keys  2 queue
-- Returns 'deleted', or 'missing' (no such queue).
-- include: message_queue
if redis.call('HDEL', KEYS[1], ARGV[2]) == 0 then return 'missing' end
local keys = queue_keys(ARGV[1], ARGV[2])
redis.call('UNLINK', keys.messages, keys.sent, keys.visible, keys.in_flight, keys.receipts, keys.purged)
-- Who waits is woken, to be told that the queue is gone; the bell must not outlive it.
ring(keys)
redis.call('PEXPIRE', keys.doorbell, 1000)
return 'deleted'
