-- Give messages back that a consumer holds and has not finished, to the head of their lists.
--
-- KEYS: the consumer's lease, consumers, its set of begun messages
-- ARGV: consumer, most, lease fields... (none: all that it holds; then the consumer is forgotten as well)
-- Returns how many are still to be given back. Call again while it is not 0.
-- include: queue
-- include: journal
-- include: giveback
redis.call('HDEL', KEYS[1], '')  -- A full server refuses nothing after this: see claim.
local function as_it_is(envelope)
  return envelope
end

local left = 0
if #ARGV > 2 then
  local fields = {}
  for i = 3, #ARGV do fields[#fields + 1] = ARGV[i] end
  give_back(KEYS[1], ARGV[1], fields, as_it_is)
else
  give_back(KEYS[1], ARGV[1], newest_fields(KEYS[1], tonumber(ARGV[2])), as_it_is)
  left = redis.call('HLEN', KEYS[1])
  if left == 0 then
    redis.call('ZREM', KEYS[2], ARGV[1])
    redis.call('DEL', KEYS[3])
  end
end
moves_done()
return left
