-- Record one part of a multipart upload, if the upload is still in progress.
-- KEYS  1 uploads of the bucket  2 upload-parts
-- ARGV  1 upload id  2 part number  3 record, JSON
-- Returns {1, the record of the part that it replaces or false}, or {0} if there is no such upload.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return {0} end
local before = redis.call('HGET', KEYS[2], ARGV[2])
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
return {1, before}
