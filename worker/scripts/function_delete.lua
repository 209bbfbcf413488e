-- Take a function out of the table, with its versions and policies, if its configuration is still the one that the caller
-- read.
-- KEYS  1 functions  2 versions  3 policies
-- ARGV  1 prefix of all keys  2 name  3 configuration  4 number of the following  5… its versions ('name:number'), then
--       its policies (name, or 'name:qualifier')
-- Returns 1 if it was taken out.
-- include: release_code
-- include: reserved
if redis.call('HGET', KEYS[1], ARGV[2]) ~= ARGV[3] then return 0 end
local packages = {}
local function note(document)
  document = cjson.decode(document)
  packages[#packages + 1] = document.code_sha256
  for _, layer in ipairs(document.layers or {}) do packages[#packages + 1] = layer.code_sha256 end
end
note(ARGV[3])
local last_version = 4 + tonumber(ARGV[4])
for i = 5, last_version do
  local document = redis.call('HGET', KEYS[2], ARGV[i])
  if document then note(document) end
  redis.call('HDEL', KEYS[2], ARGV[i])
end
redis.call('HDEL', KEYS[1], ARGV[2])
note_reserved(ARGV[1], ARGV[2], ARGV[3], nil)
for i = last_version + 1, #ARGV do redis.call('HDEL', KEYS[3], ARGV[i]) end
release_code(ARGV[1], packages)
return 1
