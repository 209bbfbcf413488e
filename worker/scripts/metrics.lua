-- What CloudWatch and Prometheus are told, written by the very scripts that move the events. For other scripts to include.
--
-- A record of one minute is a hash `metrics:1:<first second of the minute>:<name>`. The name is a function's, or
-- `<function>:<qualifier>` where a version or an alias was asked for, or empty for all functions together. Its columns are
-- of one or two letters, because there are so many records:
--   r  events received           x  events given up          y  of those, for a recursive loop
--   q  dead letters that could not be sent                   f  records of destinations that could not
--   e  attempts that failed      t  attempts that were throttled      o  attempts that we lost
--   c  the most that ran at once
--   d<n>  attempts that took so long, ds the sum of all, dl and dh the shortest and the longest, in µs
--   w<n>  ages of events at their first attempt, ws their sum; a<n>, as  ages at later ones; al, ah  of both, in ms
--   z  the record has been added up (roll_metrics.lua): what comes later is added there as well
-- Bucket n is of lengths from 2^(n/8) ms up to 2^((n+1)/8) ms: worker/measurement.py.
--
-- As in the ledger, what a script counts is put together first and written once at its end: a batch costs two commands for
-- each record that it touches, however many events are in it.
--
-- include: now
-- include: ledger
-- include: places
-- include: metric_records
local OF_LEDGER = {accepted = 'r', dead_lettered = 'x', dead_letter_errors = 'q', destination_delivery_failures = 'f'}
local OF_KIND = {E = 'e', T = 't', R = 'y', L = 'o'}
-- What attempts came to: {[function] = {[what is the same of many] = {how many, µs: sum, lowest, highest, ms: the same}}}
local outcomes_of = {}

local function is_metered(func)
  return string.sub(func, 1, 7) ~= 'thrice:'
end

-- The minute of a time (ms), as the second at which it begins.
local function minute_of(ms)
  return string.format('%.0f', (ms - ms % 60000) / 1000)
end

-- What the attempts of a batch came to, as the caller has put it together (worker/measurement.py): JSON of `outcomes_of`. What
-- is the same of many is a text, 'kind minute d<n> w<n>': an age at a first attempt, 'a<n>' at a later one, '-' for none;
-- then ':' and the qualifier, if there is one.
local function note_batch(text)
  if text ~= '' then outcomes_of = cjson.decode(text) end
end

-- The same of a single attempt, where not all of a batch count: that text, how long it ran (µs), how old its event was (ms).
local function note_outcome(func, text)
  local group, duration, age = string.match(text, '^(.*) (%d+) (%d+)$')
  if not group then return end
  duration, age = tonumber(duration), tonumber(age)
  local groups = outcomes_of[func] or {}
  outcomes_of[func] = groups
  local sums = groups[group] or {0, 0, duration, duration, 0, age, age}
  groups[group] = {sums[1] + 1, sums[2] + duration, lower(sums[3], duration), higher(sums[4], duration),
    sums[5] + age, lower(sums[6], age), higher(sums[7], age)}
end

local function join_group(columns, kind, took, waited, sums)
  if OF_KIND[kind] then join_column(columns, OF_KIND[kind], sums[1]) end
  if took == '-' then return end
  join_column(columns, took, sums[1])
  join_column(columns, 'ds', sums[2])
  join_column(columns, 'dl', sums[3])
  join_column(columns, 'dh', sums[4])
  if waited == '-' then return end
  join_column(columns, waited, sums[1])
  join_column(columns, string.sub(waited, 1, 1) .. 's', sums[5])
  join_column(columns, 'al', sums[6])
  join_column(columns, 'ah', sums[7])
end

local function note_groups(records)
  for func, groups in pairs(outcomes_of) do
    if is_metered(func) then
      for group, sums in pairs(groups) do
        local kind, minute, took, waited, qualifier = string.match(group, '^(%u) (%d+) (%S+) ([^%s:]+)(.*)$')
        join_group(record_of(records, minute, func), kind, took, waited, sums)
        if qualifier ~= '' then join_group(record_of(records, minute, func .. qualifier), kind, took, waited, sums) end
      end
    end
  end
end

-- What the script has counted in the ledger. To be called before that is written.
local function note_ledger(records, minute)
  for func, columns in pairs(counted) do
    if is_metered(func) then
      for column, by in pairs(columns) do
        local name = OF_LEDGER[column] or (string.sub(column, 1, 8) == 'dropped:' and 'x')
        if name then join_column(record_of(records, minute, func), name, by) end
      end
    end
  end
end

-- All functions together: what is in the records so far, but for those of versions and aliases, which are in them twice.
local function note_all(records)
  for _, names in pairs(records) do
    local all = {}
    for name, columns in pairs(names) do
      if not string.find(name, ':', 1, true) then
        for column, value in pairs(columns) do join_column(all, column, value) end
      end
    end
    names[''] = all
  end
end

-- How many run of the functions of which the script has taken places. To be called after that was written.
local function note_places(ns, records, minute)
  local names, in_all = {}, 0
  for func, by in pairs(places) do
    if by ~= 0 and is_metered(func) then
      if by > 0 then names[#names + 1] = func end
      in_all = in_all + by
    end
  end
  local running = in_all ~= 0 and redis.call('HINCRBY', ns .. 'metrics', '|running', in_all)
  if in_all > 0 then join_column(record_of(records, minute, ''), 'c', running) end
  if #names == 0 then return end
  for i, number in ipairs(redis.call('HMGET', ns .. 'concurrency', unpack(names))) do
    join_column(record_of(records, minute, names[i]), 'c', tonumber(number))
  end
end

-- Write all that the script has counted, at its end: after the places, and before the ledger.
local function write_metrics(ns, now)
  local records, minute = {}, minute_of(now)
  note_ledger(records, minute)
  note_groups(records)
  note_all(records)
  note_places(ns, records, minute)
  write_records(ns, records)
end
