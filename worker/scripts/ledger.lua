-- The ledger: fields "<function>|<column>" of one hash, moved by the script that moves the event. What a script counts
-- is added up and written once at its end, so that a batch costs no more than the functions in it.
local counted = {}
local function count(func, column, by)
  local name = func .. '|' .. column
  counted[name] = (counted[name] or 0) + by
end

local function write_counts(ledger)
  for name, by in pairs(counted) do
    if by ~= 0 then redis.call('HINCRBY', ledger, name, by) end
  end
  counted = {}
end
