-- Count the messages of one SQS queue.
-- KEYS  1 queues  2 clock
-- ARGV  1 prefix of the queues' keys  2 queue
-- Returns {can be received, in flight, delayed}; nothing if there is no such queue.
-- include: now
-- include: message_queue
local attributes = queue_attributes(KEYS[1], ARGV[2])
if not attributes then return false end
local keys, now = queue_keys(ARGV[1], ARGV[2]), now_ms(KEYS[2])
forget_expired(keys, attributes, now)
local back = redis.call('ZCOUNT', keys.in_flight, '-inf', now)
return {
  redis.call('ZCOUNT', keys.visible, '-inf', now) + back,
  redis.call('ZCARD', keys.in_flight) - back,
  redis.call('ZCOUNT', keys.visible, '(' .. now, '+inf'),
}
