-- What CloudWatch and Prometheus are told, written by the very scripts that move the events. For other scripts to include.
--
-- A record of one minute is a hash `metrics:1:<first second of the minute>:<function>` (nothing for all functions together,
-- `<function>:<qualifier>` for a version or an alias). Its columns, one or two letters because there are so many records:
--   r  events received           x  events given up          y  of those, for a recursive loop
--   q  dead letters that could not be sent                   f  records of destinations that could not
--   e  attempts that failed      t  attempts that were throttled      c  the most that ran at once
--   d<n>  attempts that took so long: see `bucket`;  ds, dl, dh  the sum, the lowest and the highest of them, µs
--   a<n>  ages of events when they ran;              as, al, ah  the same, ms
-- The hash `metrics` has the totals of every function, in fields `<function>|<column>`: e, t, d<n>, ds, a<n>, as; further
--   o  attempts that we lost     w<n>, ws  how long events waited for their first attempt, ms
-- with <n> in whole powers of two. The rest of the totals is in the ledger.
--
-- As in the ledger, what a script counts is added up and written once at its end: a batch costs two commands for each
-- record that it touches, however many events are in it.
--
-- include: now
-- include: ledger
-- include: places
-- How long the periods are (s) in which minutes are added up in the end.
local PERIOD = 300
-- For how long records of a minute can be read (ms), and after how long (s) they are added up in one of five minutes. An
-- attempt counts for the minute in which it began, and a function may run for 15 minutes.
local MINUTES_KEPT, CLOSED = 4 * 3600 * 1000, 1800

local OF_LEDGER = {accepted = 'r', dead_lettered = 'x', dead_letter_errors = 'q', destination_delivery_failures = 'f'}
local LOWEST, HIGHEST = {dl = true, al = true}, {dh = true, ah = true, c = true}
local minutes, totals = {}, {}

local function is_metered(func)
  return string.sub(func, 1, 7) ~= 'thrice:'
end

-- The beginning (ms) of the minute in which a time (ms) lies.
local function minute_of(ms)
  return ms - ms % 60000
end

local function columns_of(minute, name)
  local records = minutes[minute]
  if not records then
    records = {}
    minutes[minute] = records
  end
  local columns = records[name]
  if not columns then
    columns = {}
    records[name] = columns
  end
  return columns
end

local function total_of(func)
  local columns = totals[func]
  if not columns then
    columns = {}
    totals[func] = columns
  end
  return columns
end

local function add(columns, name, by)
  columns[name] = (columns[name] or 0) + by
end

-- The number of the bucket in which a length of time lies: bucket n holds what is from 2^(n/8) ms up to 2^((n+1)/8) ms,
-- so that its middle is wrong by 4.4 % at the most; the lowest, -80, holds what is shorter than a microsecond.
local PER_DOUBLING = 8 / math.log(2)
local function bucket(ms)
  if ms < 0.001 then return -80 end
  return math.floor(math.log(ms) * PER_DOUBLING + 1e-9)
end

local function note_length(columns, letter, n, length)
  add(columns, letter .. n, 1)
  add(columns, letter .. 's', length)
  local lowest, highest = letter .. 'l', letter .. 'h'
  if not columns[lowest] or length < columns[lowest] then columns[lowest] = length end
  if not columns[highest] or length > columns[highest] then columns[highest] = length end
end

local function note_total(columns, letter, n, length)
  add(columns, letter .. math.floor(n / 8), 1)
  add(columns, letter .. 's', length)
end

local function note_attempt(columns, kind, took, duration, age, waited)
  if kind == 'T' then return add(columns, 't', 1) end
  if kind == 'R' then return add(columns, 'y', 1) end
  if kind == 'E' then add(columns, 'e', 1) end
  note_length(columns, 'd', took, duration)
  if age then note_length(columns, 'a', waited, age) end
end

-- An outcome is settled. `text` (worker/measurement.py) is empty if nothing was run, else: what it was; when (ms) it began;
-- how long (µs) it ran; how old (ms) the event was, empty if it is none; '1' at a first attempt; the qualifier.
local function note_outcome(func, text)
  if text == '' or not is_metered(func) then return end
  local kind, at, duration, age, is_first, qualifier = string.match(text, '^(%u) (%d+) (%d+) (%d*) (1?) (.*)$')
  local total = total_of(func)
  if kind == 'L' then return add(total, 'o', 1) end
  local minute = minute_of(tonumber(at))
  duration, age = tonumber(duration), tonumber(age)
  local took, waited = bucket(duration / 1000), age and bucket(age)
  note_attempt(columns_of(minute, func), kind, took, duration, age, waited)
  note_attempt(columns_of(minute, ''), kind, took, duration, age, waited)
  if qualifier ~= '' then
    note_attempt(columns_of(minute, func .. ':' .. qualifier), kind, took, duration, age, waited)
  end
  if kind == 'R' then return end
  if kind == 'T' then return add(total, 't', 1) end
  if kind == 'E' then add(total, 'e', 1) end
  note_total(total, 'd', took, duration)
  if age then
    note_total(total, 'a', waited, age)
    if is_first ~= '' then note_total(total, 'w', waited, age) end
  end
end

-- What the script has counted in the ledger. To be called before that is written.
local function note_ledger(minute)
  for func, columns in pairs(counted) do
    if is_metered(func) then
      for column, by in pairs(columns) do
        local name = OF_LEDGER[column] or (string.sub(column, 1, 8) == 'dropped:' and 'x')
        if name then
          add(columns_of(minute, func), name, by)
          add(columns_of(minute, ''), name, by)
        end
      end
    end
  end
end

local function note_highest(minute, func, running)
  local columns = columns_of(minute, func)
  columns.c = math.max(columns.c or 0, running)
end

-- How many run of the functions of which the script has taken or given back places: more where it has given back. To be
-- called after that was written.
local function note_places(ns, minute)
  local names, in_all = {}, 0
  for func, by in pairs(places) do
    if by ~= 0 and is_metered(func) then
      names[#names + 1] = func
      in_all = in_all + by
    end
  end
  if #names == 0 then return end
  for i, running in ipairs(redis.call('HMGET', ns .. 'concurrency', unpack(names))) do
    note_highest(minute, names[i], (tonumber(running) or 0) + math.max(0, -places[names[i]]))
  end
  note_highest(minute, '', redis.call('HINCRBY', ns .. 'metrics', '|running', in_all) + math.max(0, -in_all))
end

-- The fields of a record as they are to be, for HSET, from what is there and what has come. Returns them, and whether
-- none of them was there.
local function joined(key, columns, prefix)
  local names, fields, is_new = {}, {}, true
  for name in pairs(columns) do
    names[#names + 1] = name
    fields[#fields + 1] = prefix .. name
  end
  local changed = {}
  for i, before in ipairs(redis.call('HMGET', key, unpack(fields))) do
    local name, value = names[i], columns[names[i]]
    local now = value
    if before then
      is_new = false
      before = tonumber(before)
      if LOWEST[name] then now = math.min(before, value)
      elseif HIGHEST[name] then now = math.max(before, value)
      else now = before + value end
    end
    if now ~= before then
      changed[#changed + 1] = fields[i]
      changed[#changed + 1] = string.format('%.0f', now)
    end
  end
  return changed, is_new
end

local function write_minute(ns, minute, name, columns, now)
  if not next(columns) then return end
  local seconds = string.format('%.0f', minute / 1000)
  local key = ns .. 'metrics:1:' .. seconds .. ':' .. name
  local changed, seems_new = joined(key, columns, '')
  if #changed == 0 then return end
  local is_new = seems_new and redis.call('EXISTS', key) == 0
  redis.call('HSET', key, unpack(changed))
  if is_new then
    redis.call('PEXPIRE', key, MINUTES_KEPT)
    redis.call('ZADD', ns .. 'metrics:active', 'GT', seconds, name)
  end
  -- One that was added up already, because it has come so late, is added up again.
  if is_new or now - minute >= CLOSED * 1000 then
    local period = string.format('%.0f', seconds - seconds % PERIOD)
    redis.call('ZADD', ns .. 'metrics:pending', period, period .. ':' .. name)
  end
end

-- Write all that the script has counted. After the places, and before the ledger.
local function write_metrics(ns, now)
  local minute = minute_of(now)
  note_ledger(minute)
  note_places(ns, minute)
  for at, records in pairs(minutes) do
    for name, columns in pairs(records) do write_minute(ns, at, name, columns, now) end
  end
  for func, columns in pairs(totals) do
    redis.call('HSET', ns .. 'metrics', unpack((joined(ns .. 'metrics', columns, func .. '|'))))
  end
end
