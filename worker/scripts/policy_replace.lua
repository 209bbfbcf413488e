-- Replace a policy of a function, if it is still the one that the caller read and the function is there.
-- KEYS  1 functions  2 policies
-- ARGV  1 name of the function  2 name of the policy: that of the function, or 'name:qualifier'
--       3 policy before, empty for none  4 policy after, empty for none
-- Returns 1 if it was replaced.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
if (redis.call('HGET', KEYS[2], ARGV[2]) or '') ~= ARGV[3] then return 0 end
if ARGV[4] == '' then
  redis.call('HDEL', KEYS[2], ARGV[2])
else
  redis.call('HSET', KEYS[2], ARGV[2], ARGV[4])
end
return 1
