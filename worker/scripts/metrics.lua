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

-- What the attempts of a batch came to, as the caller has put it together (worker/measurement.py).
local function note_batch(text)
  if text ~= '' then notes[#notes + 1] = text end
end

-- The same of single attempts, where not all of a batch count: {function, the text of note_outcome} of each.
local function note_outcomes(outcomes)
  local outcomes_of = {}
  for _, outcome in ipairs(outcomes) do
    local group, duration, age = string.match(outcome[2], '^(.*) (%d+) (%d+)$')
    if group then
      duration, age = tonumber(duration), tonumber(age)
      join_outcomes(outcomes_of, {[outcome[1]] = {[group] = {1, duration, duration, duration, age, age, age}}})
    end
  end
  if next(outcomes_of) then notes[#notes + 1] = cjson.encode(outcomes_of) end
end

-- What the script has counted in the ledger. To be called before that is written.
local function note_ledger(columns_of)
  for func, columns in pairs(counted) do
    if is_users(func) then
      for column, by in pairs(columns) do
        local name = OF_LEDGER[column] or (string.sub(column, 1, 8) == 'dropped:' and 'x')
        if name then columns_of[#columns_of + 1] = func .. ' ' .. name .. ' ' .. by end
      end
    end
  end
end

-- How many run of the functions of which the script has taken places. To be called after that was written.
local function note_places(columns_of)
  local in_all = 0
  for func, by in pairs(places) do
    if is_users(func) then
      if by > 0 then columns_of[#columns_of + 1] = func .. ' c ' .. running_now[func] end
      in_all = in_all + by
    end
  end
  if in_all > 0 then columns_of[#columns_of + 1] = ALL .. ' c ' .. running_of_all end
end

-- Put down all that the script has counted, at its end: after the places, and before the ledger.
local function write_metrics(ns, now)
  local columns_of = {}
  note_ledger(columns_of)
  note_places(columns_of)
  if #columns_of > 0 then
    notes[#notes + 1] = minute_of(now) .. ' ' .. table.concat(columns_of, ' ')
  end
  if #notes == 0 then return end
  local bytes = redis.call('APPEND', ns .. 'metrics:new', table.concat(notes, '\n') .. '\n')
  if bytes > MOST_NOTES then add_up_notes(ns) end
end
