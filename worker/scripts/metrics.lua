-- What CloudWatch and Prometheus are told, written by the very scripts that move the events. For other scripts to include.
--
-- A script puts down what it has counted as a note of a line or two, with one command, however many functions are in it: at
-- the end of `metrics:new`. Notes are added up later (metric_notes.lua): before anybody reads metrics, and whenever there
-- are many.
--
-- include: now
-- include: ledger
-- include: places
-- include: metric_notes
local OF_LEDGER = {accepted = 'r', dead_lettered = 'x', dead_letter_errors = 'q', destination_delivery_failures = 'f'}
-- Bytes of notes above which they are added up: some 3 ms of work.
local MOST_NOTES = 65536
local notes = {}

-- What attempts came to, as whoever made them has put it together (worker/measurement.py). Empty: nothing.
local function note(text)
  if text ~= '' then notes[#notes + 1] = text end
end

-- What the script has counted in the ledger. To be called before that is written.
local function note_ledger(records, minute)
  for func, columns in pairs(counted) do
    if is_users(func) then
      for column, by in pairs(columns) do
        local name = OF_LEDGER[column] or (string.sub(column, 1, 8) == 'dropped:' and 'x')
        if name then join_column(record_of(records, minute .. ':' .. func), name, by) end
      end
    end
  end
end

-- How many run of the functions of which the script has taken places. To be called after that was written.
local function note_places(records, minute)
  local in_all = 0
  for func, by in pairs(places) do
    if is_users(func) then
      if by > 0 then join_column(record_of(records, minute .. ':' .. func), 'c', running_now[func]) end
      in_all = in_all + by
    end
  end
  if in_all > 0 then join_column(record_of(records, minute .. ':'), 'c', running_of_all) end
end

-- Put down all that the script has counted, at its end: after the places, and before the ledger.
local function write_metrics(ns, now)
  local records, minute = {}, minute_of(now)
  note_ledger(records, minute)
  note_places(records, minute)
  if next(records) then note(cjson.encode(records)) end
  if #notes == 0 then return end
  notes[#notes + 1] = ''
  local bytes = redis.call('APPEND', ns .. 'metrics:new', table.concat(notes, '\n'))
  if bytes > MOST_NOTES then add_up_notes(ns) end
end
