-- The ledger: fields "<function>|<column>" of one hash, moved by the script that moves the event. What a script counts
-- is added up and written once at its end, so that a batch costs no more than the functions in it.
local counted = {}
local function count(func, column, by)
  local columns = counted[func]
  if not columns then
    columns = {}
    counted[func] = columns
  end
  columns[column] = (columns[column] or 0) + by
end

local function write_counts(ledger)
  for func, columns in pairs(counted) do
    for column, by in pairs(columns) do
      if by ~= 0 then redis.call('HINCRBY', ledger, func .. '|' .. column, by) end
    end
  end
  counted = {}
end
