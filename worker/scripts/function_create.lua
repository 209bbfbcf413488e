-- Put a new function into the table, unless there is one of its name.
-- KEYS  1 functions  2 code of the new function
-- ARGV  1 name  2 configuration  3 SHA-256 of the code
-- Returns 1 if it was put.
-- include: release_code
if redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) == 1 then return 1 end
release_code(KEYS[1], KEYS[2], ARGV[3])
return 0
