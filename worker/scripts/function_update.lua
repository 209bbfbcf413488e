-- Replace the configuration of a function, if it is still the one that the caller read; publish and delete versions of it.
-- KEYS  1 functions  2 versions
-- ARGV  1 prefix of all keys  2 name  3 configuration before  4 configuration after
--       5 version to publish ('name:number', or empty)  6 its configuration  7 version to delete (or empty)
--       8 number of the following  9… SHA-256 of packages that are not needed if it was replaced; then of those that are
--       not needed if it was not
-- Returns 1 if it was replaced.
-- include: release_code
-- include: reserved
local before_last = 8 + tonumber(ARGV[8])
if redis.call('HGET', KEYS[1], ARGV[2]) ~= ARGV[3] then
  release_code(ARGV[1], {unpack(ARGV, before_last + 1)})
  return 0
end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[4])
note_reserved(ARGV[1], ARGV[2], ARGV[3], ARGV[4])
if ARGV[5] ~= '' then redis.call('HSET', KEYS[2], ARGV[5], ARGV[6]) end
if ARGV[7] ~= '' then redis.call('HDEL', KEYS[2], ARGV[7]) end
release_code(ARGV[1], {unpack(ARGV, 9, before_last)})
return 1
