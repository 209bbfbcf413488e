-- What has been counted since notes were last added up, and how it gets into records. For other scripts to include.
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
-- A note is a line of `metrics:new`, of one of two kinds:
--   {"function": {"what is the same of many": [how many, µs: sum, lowest, highest, ms: the same]}}: attempts. What is the same
--   of many is 'kind minute d<n> w<n>': an age at a first attempt, 'a<n>' at a later one, '-' for none; then ':' and the
--   qualifier, if there is one
--   'minute function column number function column number …': all else. '*' is all functions
--
-- include: metric_records
local OF_KIND = {E = 'e', T = 't', R = 'y', L = 'o'}
local ALL = '*'

-- The minute of a time (ms), as the second at which it begins.
local function minute_of(ms)
  return string.format('%.0f', (ms - ms % 60000) / 1000)
end

-- Join attempts into others, both as in a note.
local function join_outcomes(into, outcomes_of)
  for func, groups in pairs(outcomes_of) do
    local known = into[func]
    if not known then
      into[func] = groups
    else
      for group, more in pairs(groups) do
        local sums = known[group]
        if not sums then
          known[group] = more
        else
          sums[1], sums[2], sums[5] = sums[1] + more[1], sums[2] + more[2], sums[5] + more[5]
          if more[3] < sums[3] then sums[3] = more[3] end
          if more[4] > sums[4] then sums[4] = more[4] end
          if more[6] < sums[6] then sums[6] = more[6] end
          if more[7] > sums[7] then sums[7] = more[7] end
        end
      end
    end
  end
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

local function join_groups(records, outcomes_of)
  for func, groups in pairs(outcomes_of) do
    if is_users(func) then
      for group, sums in pairs(groups) do
        local kind, minute, took, waited, qualifier = string.match(group, '^(%u) (%d+) (%S+) ([^%s:]+)(.*)$')
        join_group(record_of(records, minute, func), kind, took, waited, sums)
        if qualifier ~= '' then join_group(record_of(records, minute, func .. qualifier), kind, took, waited, sums) end
      end
    end
  end
end

local function join_note(records, line)
  local minute, columns = string.match(line, '^(%d+) (.*)$')
  for func, column, number in string.gmatch(columns, '(%S+) (%S+) (-?%d+)') do
    join_column(record_of(records, minute, func == ALL and '' or func), column, tonumber(number))
  end
end

-- All functions together: what is in the records so far, but for those of versions and aliases, which are in them twice.
local function join_all(records)
  for minute, names in pairs(records) do
    local all = names[''] or {}
    for name, columns in pairs(names) do
      if name ~= '' and not string.find(name, ':', 1, true) then
        for column, value in pairs(columns) do join_column(all, column, value) end
      end
    end
    names[''] = all
  end
end

local function add_up_notes(ns)
  local text = redis.call('GET', ns .. 'metrics:new')
  if not text then return end
  -- Away with them first: a note that cannot be read is lost then, and not in the way of every event that follows.
  redis.call('DEL', ns .. 'metrics:new')
  local records, outcomes_of = {}, {}
  for line in string.gmatch(text, '[^\n]+') do
    if string.sub(line, 1, 1) == '{' then
      join_outcomes(outcomes_of, cjson.decode(line))
    else
      join_note(records, line)
    end
  end
  join_groups(records, outcomes_of)
  join_all(records)
  write_records(ns, records)
end
