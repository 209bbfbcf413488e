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
-- A note is a line of `metrics:new`: JSON, {"<first second of the minute>:<name>": {"column": number}}. What is noted of a
-- version or an alias is of its function too, and what is noted of a function is of all together.
--
-- include: metric_records

-- The minute of a time (ms), as the second at which it begins.
local function minute_of(ms)
  return string.format('%.0f', (ms - ms % 60000) / 1000)
end

local function join_columns(into, columns)
  for column, value in pairs(columns) do join_column(into, column, value) end
end

local function read_notes(text)
  local records = {}
  for line in string.gmatch(text, '[^\n]+') do
    for record, columns in pairs(cjson.decode(line)) do
      if records[record] then join_columns(records[record], columns) else records[record] = columns end
    end
  end
  return records
end

-- What is in the records whose names are like `pattern` is of others as well: of those that it captures.
local function join_wholes(records, pattern)
  local wholes = {}
  for record, columns in pairs(records) do
    local whole = string.match(record, pattern)
    if whole then join_columns(record_of(wholes, whole), columns) end
  end
  for whole, columns in pairs(wholes) do join_columns(record_of(records, whole), columns) end
end

local function add_up_notes(ns)
  local text = redis.call('GET', ns .. 'metrics:new')
  if not text then return end
  -- Away with them first: a note that cannot be read is lost then, and not in the way of every event that follows.
  redis.call('DEL', ns .. 'metrics:new')
  local records = read_notes(text)
  join_wholes(records, '^(%d+:[^:]+):')
  join_wholes(records, '^(%d+:)[^:]+$')
  write_records(ns, records)
end
