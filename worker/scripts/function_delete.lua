-- Take a function out of the table, with its policy, if its configuration is still the one that the caller read.
-- KEYS  1 functions  2 policies  3 its code
-- ARGV  1 name  2 configuration  3 SHA-256 of the code
-- Returns 1 if it was taken out.
-- include: release_code
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
release_code(KEYS[1], KEYS[3], ARGV[3])
return 1
