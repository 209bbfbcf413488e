-- Messages whose time has come. For other scripts to include, after now, queue and journal.

-- Make up to `limit` messages of the queue ready that are due. Returns how many, and the milliseconds until the next one
-- is due (-1: there is none). The caller rings.
local function promote_due(queue, now, limit)
  local delayed = queue .. ':delayed'
  local due = redis.call('ZRANGEBYSCORE', delayed, '-inf', now, 'LIMIT', 0, limit)
  for _, member in ipairs(due) do
    local target, envelope = split_delayed(member)
    put_ready(queue, target, envelope)
    moved(queue, target, envelope, 'delayed', 'ready')
  end
  if #due > 0 then redis.call('ZREMRANGEBYRANK', delayed, 0, #due - 1) end
  local first = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')[2]
  return #due, first and math.max(0, tonumber(first) - now) or -1
end
