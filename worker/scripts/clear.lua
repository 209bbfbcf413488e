-- Remove what is ready in a queue's own lists, and leave its lanes alone: events are in lanes, and what was accepted is
-- kept, whatever Celery's `purge` says.
--
-- KEYS: queue
-- Returns how many were removed.
-- include: queue
local queue, count = KEYS[1], 0
for _, target in ipairs(PRIORITIES) do
  count = count + redis.call('LLEN', queue .. target)
  redis.call('DEL', queue .. target)
end
return count
