-- Change values inside one record of a hash of JSON records, without losing what somebody else changes beside it.
-- KEYS  1 hash
-- ARGV  1 field  2 the change, JSON: values replace values, null takes one away, and an object changes one in this way
-- Returns 1, or 0 if there is no such record.
local record = redis.call('HGET', KEYS[1], ARGV[1])
if not record then return 0 end
local function apply(target, change)
  for name, value in pairs(change) do
    if value == cjson.null then
      target[name] = nil
    elseif type(value) == 'table' then
      target[name] = target[name] or {}
      apply(target[name], value)
    else
      target[name] = value
    end
  end
end
record = cjson.decode(record)
apply(record, cjson.decode(ARGV[2]))
redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(record))
return 1
