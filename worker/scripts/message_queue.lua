-- What the scripts of SQS queues share: the names of a queue's keys, its attributes, its doorbell, and how a message
-- comes and goes. A message's id is in `visible` or in `in_flight`, never in both and, while it exists, never in none.
local function queue_keys(prefix, queue)
  local head = prefix .. queue .. ':'
  return {
    messages = head .. 'messages', sent = head .. 'sent', visible = head .. 'visible', in_flight = head .. 'in-flight',
    receipts = head .. 'receipts', doorbell = head .. 'doorbell', purged = head .. 'purged',
  }
end

-- The attributes of a queue, all of them texts; nothing if there is no such queue.
local function queue_attributes(queues, queue)
  local record = redis.call('HGET', queues, queue)
  return record and cjson.decode(record).attributes
end

-- Wake one who waits for a message.
local function ring(keys)
  if redis.call('LLEN', keys.doorbell) == 0 then redis.call('LPUSH', keys.doorbell, '1') end
end

local function forget(keys, id)
  redis.call('HDEL', keys.messages, id)
  redis.call('HDEL', keys.receipts, id)
  redis.call('ZREM', keys.sent, id)
  redis.call('ZREM', keys.visible, id)
  redis.call('ZREM', keys.in_flight, id)
end

-- Forget messages that are older than the queue keeps them: up to 1,000 a call, so that no call takes long.
local function forget_expired(keys, attributes, now)
  local oldest = now - attributes.MessageRetentionPeriod * 1000
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', keys.sent, '-inf', oldest, 'LIMIT', 0, 1000)) do forget(keys, id) end
  return oldest
end
