-- The oldest of the messages that are next in their lanes.
-- KEYS  1 a queue  2 clock
-- ARGV  1 most lanes to look at, of those that have been served and of those that have not
-- Returns how long ago (ms) it was accepted; -1 if no lane has any.
-- include: now
local oldest, now = -1, now_ms(KEYS[2])
for _, lanes in ipairs({':lanes', ':new-lanes'}) do
  for _, name in ipairs(redis.call('LRANGE', KEYS[1] .. lanes, -ARGV[1], -1)) do
    local envelope = redis.call('LINDEX', KEYS[1] .. ':lane:' .. name, -1)
    -- Behind the body, where the quotes are escaped: what is found is the header.
    local accepted = envelope and tonumber(string.match(envelope, '"accepted_at":(%d+)'))
    if accepted then oldest = math.max(oldest, now - accepted) end
  end
end
return string.format('%.0f', oldest)
