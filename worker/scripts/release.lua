-- A worker says goodbye: its lease ends at once, so that the next sweep puts back what it still holds.
-- KEYS  1 workers
-- ARGV  1 worker
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then redis.call('ZADD', KEYS[1], 0, ARGV[1]) end
return 1
