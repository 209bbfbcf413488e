-- Add up the records of minutes that are over, and note what runs now: a function that runs for long without a new event
-- would else be missing.
-- KEYS  1 open records  2 active names  3 clock  4 how many run of each function  5 account
-- ARGV  1 prefix of all keys  2 most records to add up
-- Returns how many were added up. Call again while it is as many as asked.
-- include: now
-- include: places
-- include: metric_notes
local ns, now = ARGV[1], now_ms(KEYS[3])
add_up_notes(ns)
local records, minute = {}, minute_of(now)
local running = redis.call('HGETALL', KEYS[4])
for i = 1, #running, 2 do
  local func, number = running[i], tonumber(running[i + 1])
  if number > 0 and is_users(func) then
    join_column(record_of(records, minute .. ':' .. func), 'c', number)
  end
end
local in_all = tonumber(redis.call('HGET', KEYS[5], 'running') or 0)
if in_all > 0 then join_column(record_of(records, minute .. ':'), 'c', in_all) end
write_records(ns, records)

local open = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. minute, 'LIMIT', 0, ARGV[2])
for _, member in ipairs(open) do
  local start, name = string.match(member, '^(%d+):(.*)$')
  local key = ns .. 'metrics:1:' .. start .. ':' .. name
  local fields, columns = redis.call('HGETALL', key), {}
  for i = 1, #fields, 2 do columns[fields[i]] = tonumber(fields[i + 1]) end
  if #fields > 0 then
    add_up(ns, start, name, columns)
    redis.call('HSET', key, 'z', 1)
  end
  redis.call('ZREM', KEYS[1], member)
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', '(' .. string.format('%.0f', now / 1000 - PERIOD_KEPT))
return #open
