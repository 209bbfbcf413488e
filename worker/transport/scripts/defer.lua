-- Keep a message until later that a consumer holds.
--
-- KEYS: the consumer's lease, clock
-- ARGV: consumer, lease field, delay (ms), envelope
-- Returns 1; 0 if the consumer no longer holds it: then nothing has changed.
-- include: now
-- include: queue
-- include: journal
if redis.call('HEXISTS', KEYS[1], ARGV[2]) == 0 then return 0 end
local flag, queue, target = split_field(ARGV[2])
put_delayed(queue, target, now_ms(KEYS[2]) + tonumber(ARGV[3]), ARGV[4])
redis.call('HDEL', KEYS[1], ARGV[2])
moved(queue, target, ARGV[4], 'running', 'delayed', ARGV[1], flag)
moves_done()
return 1
