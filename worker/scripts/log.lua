-- The log of a function: a stream of entries, each with the lines of one or more attempts. For other scripts to include.

-- After so many attempts a mark is set; up to so many marks are kept, and what is older than the oldest goes.
local EACH_MARK, MARKS = 1000, 10

-- An entry counts for so many attempts as it has, and for one for each so many bytes: what prints without end is to fill
-- its own log, of 40 MB at most, and not the server.
local BYTES = 4096

-- Append one entry with `attempts`, a list of JSON texts (`worker/log_entry.py`).
local function append_log(ns, func, attempts)
  local log = ns .. 'log:' .. func
  local entry = '[' .. table.concat(attempts, ',') .. ']'
  local id = redis.call('XADD', log, '*', 'attempts', entry)
  local count = math.max(#attempts, math.floor(#entry / BYTES))
  local total = redis.call('HINCRBY', ns .. 'log-counts', func, count)
  if total % EACH_MARK >= count then return end
  local marks = ns .. 'log-marks:' .. func
  if redis.call('LPUSH', marks, id) > MARKS then redis.call('XTRIM', log, 'MINID', redis.call('RPOP', marks)) end
end
