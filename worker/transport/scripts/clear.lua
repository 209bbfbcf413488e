-- Remove the messages of a queue that are ready or delayed.
--
-- KEYS: queue
-- Returns how many were ready.
-- include: queue
local queue, count = KEYS[1], 0
local function remove(list)
  count = count + redis.call('LLEN', list)
  redis.call('DEL', list)
end
for _, target in ipairs(PRIORITIES) do remove(queue .. target) end
for _, lane in ipairs(all_lanes(queue)) do remove(queue .. ':lane:' .. lane) end
redis.call('DEL', queue .. ':lanes', queue .. ':new-lanes', queue .. ':turns', queue .. ':delayed', queue .. ':wake')
return count
