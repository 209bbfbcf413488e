-- Put back what lies under leases that have ended, with a count of the redeliveries in each envelope.
--
-- KEYS: consumers
-- ARGV: what a lease's key begins with, most messages
-- Returns how many messages went back. Call again while it is as many as asked.
-- include: now
-- include: queue
-- include: journal
-- include: giveback
redis.call('ZREM', KEYS[1], '')  -- A full server refuses nothing after this: see claim.
local most, count = tonumber(ARGV[2]), 0
for _, consumer in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. real_ms(), 'LIMIT', 0, 10)) do
  local lease = ARGV[1] .. consumer
  if count < most then
    count = count + give_back(lease, consumer, newest_fields(lease, most - count), redelivered)
  end
  if redis.call('EXISTS', lease) == 0 then redis.call('ZREM', KEYS[1], consumer) end
end
moves_done()
return count
