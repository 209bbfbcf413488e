-- How many invocations of each function run now, against which its reserved concurrency is held. For other scripts to
-- include: what a script takes and gives back is added up, and written once at its end.
local places = {}

local function take_places(func, by)
  places[func] = (places[func] or 0) + by
end

local function write_places(ns)
  for func, by in pairs(places) do
    if by ~= 0 then redis.call('HINCRBY', ns .. 'concurrency', func, by) end
  end
end
