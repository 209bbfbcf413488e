-- The log of a function: a stream of entries, each with the lines of one or more attempts. For other scripts to include.

-- After so many attempts a mark is set; up to so many marks are kept, and what is older than the oldest goes.
local EACH_MARK, MARKS = 1000, 10

-- Append one entry with `attempts`, a list of JSON texts (`worker/log_entry.py`).
local function append_log(ns, func, attempts)
  local log = ns .. 'log:' .. func
  local id = redis.call('XADD', log, '*', 'attempts', '[' .. table.concat(attempts, ',') .. ']')
  local total = redis.call('HINCRBY', ns .. 'log-counts', func, #attempts)
  if total % EACH_MARK >= #attempts then return end
  local marks = ns .. 'log-marks:' .. func
  if redis.call('LPUSH', marks, id) > MARKS then redis.call('XTRIM', log, 'MINID', redis.call('RPOP', marks)) end
end
