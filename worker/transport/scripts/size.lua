-- How many messages of a queue are ready, in its lists and lanes.
--
-- KEYS: queue
-- include: queue
local queue, count = KEYS[1], 0
for _, target in ipairs(PRIORITIES) do count = count + redis.call('LLEN', queue .. target) end
for _, lane in ipairs(all_lanes(queue)) do
  count = count + redis.call('LLEN', queue .. ':lane:' .. lane)
end
return count
