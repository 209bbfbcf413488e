-- Replace the policy of a function, if it is still the one that the caller read and the function is there.
-- KEYS  1 functions  2 policies
-- ARGV  1 name  2 policy before, empty for none  3 policy after, empty for none
-- Returns 1 if it was replaced.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
if (redis.call('HGET', KEYS[2], ARGV[1]) or '') ~= ARGV[2] then return 0 end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[2], ARGV[1])
else
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
end
return 1
