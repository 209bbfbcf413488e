-- Remove a version of a layer. Its package goes with it, unless a function uses it.
-- KEYS  1 layers
-- ARGV  1 prefix of all keys  2 'layer:number'
-- include: release_code
local document = redis.call('HGET', KEYS[1], ARGV[2])
if not document then return 0 end
redis.call('HDEL', KEYS[1], ARGV[2])
release_code(ARGV[1], {cjson.decode(document).code_sha256})
return 1
