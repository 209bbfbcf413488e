-- Put messages at the end of one list of a queue, and wake a consumer.
--
-- KEYS: queue
-- ARGV: target, lifetime of the queue's lists (ms, 0: for ever), envelopes...
-- include: queue
local queue, target, lifetime = KEYS[1], ARGV[1], tonumber(ARGV[2])
for from = 3, #ARGV, 1000 do
  put_ready(queue, target, unpack(ARGV, from, math.min(from + 999, #ARGV)))
end
ring(queue)
if lifetime > 0 then
  for _, list in ipairs(PRIORITIES) do redis.call('PEXPIRE', queue .. list, lifetime) end
  redis.call('PEXPIRE', queue .. ':wake', lifetime)
end
return 1
