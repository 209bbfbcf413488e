-- Lay a message that a consumer holds into the list of the dead ones.
--
-- KEYS: the consumer's lease, list of the dead
-- ARGV: lease field
-- Returns 1; 0 if the consumer no longer holds it: then nothing has changed.
local envelope = redis.call('HGET', KEYS[1], ARGV[1])
if not envelope then return 0 end
redis.call('LPUSH', KEYS[2], envelope)
redis.call('HDEL', KEYS[1], ARGV[1])
return 1
