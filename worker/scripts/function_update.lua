-- Replace the configuration of a function, if it is still the one that the caller read.
-- KEYS  1 functions  2 code before  3 code after
-- ARGV  1 name  2 configuration before  3 configuration after  4 SHA-256 of the code before  5 of the code after
-- Returns 1 if it was replaced.
-- include: release_code
local replaced = redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2]
if replaced then redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) end
if KEYS[2] ~= KEYS[3] then
  if replaced then release_code(KEYS[1], KEYS[2], ARGV[4]) else release_code(KEYS[1], KEYS[3], ARGV[5]) end
end
return replaced and 1 or 0
