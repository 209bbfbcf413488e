-- Replaces one EventBridge rule and its due time, unless somebody else has changed the rule since it was read.
-- KEYS: rules, schedules. ARGV: rule name, JSON that was read ('' for none), new JSON ('' to delete),
-- due time in ms ('' for none, 'keep' to leave it as it is).
-- Returns 1, or 0 if the rule was changed meanwhile.
local name, old, new, due = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if (redis.call('HGET', KEYS[1], name) or '') ~= old then
  return 0
end
if new == '' then
  redis.call('HDEL', KEYS[1], name)
else
  redis.call('HSET', KEYS[1], name, new)
end
if due == '' then
  redis.call('ZREM', KEYS[2], name)
elseif due ~= 'keep' then
  redis.call('ZADD', KEYS[2], due, name)
end
return 1
