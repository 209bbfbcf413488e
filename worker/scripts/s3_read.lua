-- What a change of an object begins with: bucket and object as they are, and a sequencer behind all others.
-- KEYS  1 buckets  2 objects of the bucket  3 object-sequencer
-- ARGV  1 bucket  2 object key
-- The sequencer is the server's time in microseconds, unless that does not grow: then one more than the last. Not the
-- virtual time, which a test may take back. Returns {bucket or false, object or false, sequencer}.
local bucket = redis.call('HGET', KEYS[1], ARGV[1])
if not bucket then return {false, false, 0} end
local t = redis.call('TIME')
local last = tonumber(redis.call('GET', KEYS[3]) or '0')
local sequencer = math.max(last + 1, t[1] * 1000000 + t[2])
redis.call('SET', KEYS[3], string.format('%d', sequencer))
return {bucket, redis.call('HGET', KEYS[2], ARGV[2]), sequencer}
