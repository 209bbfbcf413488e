-- Put back what lies under leases that have ended, with a count in each envelope: how many consumers were lost with the
-- message. The first loss counts against all that they held, a further one against what they had begun.
--
-- KEYS: consumers
-- ARGV: what a lease's key begins with, most messages, what the key of a set of begun messages begins with
-- Returns how many messages went back. Call again while it is as many as asked.
-- include: now
-- include: queue
-- include: journal
-- include: giveback
redis.call('ZREM', KEYS[1], '')  -- A full server refuses nothing after this: see claim.
local most, count = tonumber(ARGV[2]), 0
local begun

local function lost(envelope, field)
  local is_suspect = string.sub(envelope, 1, 8) == '{"x-dc":'
  if is_suspect and redis.call('SISMEMBER', begun, field) == 0 then return envelope end
  return redelivered(envelope)
end

for _, consumer in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. real_ms(), 'LIMIT', 0, 10)) do
  local lease = ARGV[1] .. consumer
  begun = ARGV[3] .. consumer
  if count < most then
    count = count + give_back(lease, consumer, newest_fields(lease, most - count), lost)
  end
  if redis.call('EXISTS', lease) == 0 then
    redis.call('ZREM', KEYS[1], consumer)
    redis.call('DEL', begun)
  end
end
moves_done()
return count
