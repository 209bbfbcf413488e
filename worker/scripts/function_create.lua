-- Put a new function into the table, unless there is one of its name; with it its first version, if it has one.
-- KEYS  1 functions  2 versions
-- ARGV  1 prefix of all keys  2 name  3 configuration  4 version ('name:number', or empty)  5 configuration of the version
--       6… SHA-256 of the packages that were stored for it
-- Returns 1 if it was put.
-- include: release_code
-- include: reserved
if redis.call('HSETNX', KEYS[1], ARGV[2], ARGV[3]) == 1 then
  if ARGV[4] ~= '' then redis.call('HSET', KEYS[2], ARGV[4], ARGV[5]) end
  note_reserved(ARGV[1], ARGV[2], nil, ARGV[3])
  return 1
end
release_code(ARGV[1], {unpack(ARGV, 6)})
return 0
