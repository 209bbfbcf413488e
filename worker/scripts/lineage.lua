-- Which event caused which: how much of all that an event has caused is still open. For other scripts to include.
--
-- It is counted in the record of the root, the event that caused it all:
--   open      the events that have not ended: the root itself, if it is an event, and what it has caused
--   caused    how many others it has caused so far, whether they have ended or not
--   failed    how many of all have ended badly; failures has the request ids of the first of them, each after a space
--   keep_ms   for how long the record is to be kept at least, once nothing is open; absent if as long as its last event
-- The set `<record of the root>:open` has the request ids of the open events that it has caused, and goes with the last;
-- the set `causing` of the namespace has the roots of which it exists. Most events cause nothing, and are not looked at.
-- The record does not expire while anything is open. If there is none (the root was a synchronous invocation, or has
-- expired), one begins with these numbers alone.
--
-- At zero the root's id is published to the channel `ended` of the namespace: who waits looks at the record.
local FAILURES = 20

local function causing(event_prefix)
  return (string.gsub(event_prefix, 'event:$', 'causing'))
end

-- Which of these events have caused others that may be open: {[request id] = true}.
local function causes(event_prefix, request_ids)
  local found = {}
  local key = causing(event_prefix)
  if #request_ids == 0 or redis.call('EXISTS', key) == 0 then return found end
  for i, is_one in ipairs(redis.call('SMISMEMBER', key, unpack(request_ids))) do
    if is_one == 1 then found[request_ids[i]] = true end
  end
  return found
end

-- An event is taken in. Returns what goes into its record for it: names and values.
local function birth(event_prefix, root, request_id)
  if root == '' or root == request_id then return 'open', 1 end
  local record = event_prefix .. root
  redis.call('HINCRBY', record, 'caused', 1)
  if redis.call('HINCRBY', record, 'open', 1) == 1 then
    -- It had ended, with all it had caused; the time that was left to it begins again at the next end.
    local left = redis.call('PTTL', record)
    if left > 0 then redis.call('HSET', record, 'keep_ms', left) end
    redis.call('PERSIST', record)
  end
  redis.call('SADD', record .. ':open', request_id)
  redis.call('SADD', causing(event_prefix), root)
  return 'root', root
end

-- Whether anybody waits for the end of something. Asked once by each script that needs it.
local is_awaited

local function tell_the_end(event_prefix, root)
  local channel = string.gsub(event_prefix, 'event:$', 'ended')
  if is_awaited == nil then is_awaited = redis.call('PUBSUB', 'NUMSUB', channel)[2] > 0 end
  if is_awaited then redis.call('PUBLISH', channel, root) end
end

local function note_failure(record, request_id)
  if redis.call('HINCRBY', record, 'failed', 1) > FAILURES then return end
  local before = redis.call('HGET', record, 'failures')
  redis.call('HSET', record, 'failures', (before and before .. ' ' or '') .. request_id)
end

-- An event has ended, and what it causes by its end has been born. `retention_ms`: for how long its record is kept;
-- `has_caused`: whether it is among `causes`. Returns what goes into its record for it: names and values.
local function ending(event_prefix, root, request_id, is_bad, retention_ms, has_caused)
  if root == '' then root = request_id end
  local record = event_prefix .. root
  if is_bad then note_failure(record, request_id) end
  if root == request_id and not has_caused then
    redis.call('PEXPIRE', record, retention_ms)
    tell_the_end(event_prefix, root)
    return 'open', 0
  end
  if root ~= request_id then
    redis.call('SREM', record .. ':open', request_id)
    redis.call('PEXPIRE', event_prefix .. request_id, retention_ms)
  end
  local open, kept = unpack(redis.call('HMGET', record, 'open', 'keep_ms'))
  open, kept = (tonumber(open) or 0) - 1, math.max(tonumber(kept) or 0, tonumber(retention_ms))
  if open <= 0 then
    redis.call('PEXPIRE', record, string.format('%.0f', kept))
    redis.call('SREM', causing(event_prefix), root)
    tell_the_end(event_prefix, root)
  end
  if root == request_id then
    if open > 0 then return 'open', open, 'keep_ms', string.format('%.0f', kept) end
    return 'open', 0
  end
  redis.call('HSET', record, 'open', open)
  return 'root', root
end
