-- Add parts of a streamed answer to what its caller reads.
-- KEYS  1 the reply  2 the call
-- ARGV  1 so many parts may wait at most  2 how long they are kept, ms  3… the parts
-- Returns 1; 0 if too many wait: nothing was added, ask again later; -1 if nobody waits for the answer any more.
if redis.call('EXISTS', KEYS[2]) == 0 then return -1 end
if redis.call('LLEN', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
for number = 3, #ARGV do redis.call('RPUSH', KEYS[1], ARGV[number]) end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
