-- Add up the minutes of periods that are over, and note what runs now: a function that runs for long without a new event
-- would else be missing in its metrics.
-- KEYS  1 pending periods  2 active names  3 clock  4 how many run of each function
-- ARGV  1 prefix of all keys  2 most periods to add up  3 how long they are kept, ms
-- Returns how many periods were added up. Call again while it is as many as asked.
-- include: now
-- include: metrics
local ns, now = ARGV[1], now_ms(KEYS[3])

local function join_into(columns, name, value)
  local before = columns[name]
  if not before then columns[name] = value
  elseif LOWEST[name] or name == 'cl' then columns[name] = math.min(before, value)
  elseif HIGHEST[name] then columns[name] = math.max(before, value)
  else columns[name] = before + value end
end

local function add_up(start, name)
  local columns = {}
  for minute = start, start + PERIOD - 60, 60 do
    local fields = redis.call('HGETALL', ns .. 'metrics:1:' .. string.format('%.0f', minute) .. ':' .. name)
    for i = 1, #fields, 2 do
      local value = tonumber(fields[i + 1])
      join_into(columns, fields[i], value)
      if fields[i] == 'c' then
        join_into(columns, 'cn', 1)
        join_into(columns, 'cs', value)
        join_into(columns, 'cl', value)
      end
    end
  end
  local fields = {}
  for column, value in pairs(columns) do
    fields[#fields + 1] = column
    fields[#fields + 1] = string.format('%.0f', value)
  end
  if #fields == 0 then return end
  local key = ns .. 'metrics:5:' .. string.format('%.0f', start) .. ':' .. name
  redis.call('HSET', key, unpack(fields))
  redis.call('PEXPIRE', key, ARGV[3])
end

local in_all = 0
local running = redis.call('HGETALL', KEYS[4])
for i = 1, #running, 2 do
  local func, number = running[i], tonumber(running[i + 1])
  if number > 0 and is_metered(func) then
    note_highest(minute_of(now), func, number)
    in_all = in_all + number
  end
end
if in_all > 0 then note_highest(minute_of(now), '', in_all) end
write_metrics(ns, now)

local over = string.format('%.0f', math.floor(now / 1000) - PERIOD - CLOSED)
local pending = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', over, 'LIMIT', 0, ARGV[2])
for _, member in ipairs(pending) do
  local start, name = string.match(member, '^(%d+):(.*)$')
  add_up(tonumber(start), name)
  redis.call('ZREM', KEYS[1], member)
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now / 1000 - ARGV[3] / 1000))
return #pending
