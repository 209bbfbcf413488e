-- Put one message into an SQS queue, unless there is no such queue or the message is longer than it takes. For other
-- scripts to include: `queues` and `prefix` are Keys.queues and Keys.queue_prefix, `size` counts body and attributes in
-- bytes, `delay` is in seconds or '' for the queue's own, `now` comes from now_ms.
-- Returns true, or false and 'missing' or 'too long'. A message that is sent again under its id is there once.
-- include: message_queue
local function send_message(queues, prefix, queue, id, document, size, delay, now)
  local attributes = queue_attributes(queues, queue)
  if not attributes then return false, 'missing' end
  if tonumber(size) > tonumber(attributes.MaximumMessageSize) then return false, 'too long' end
  if delay == '' then delay = attributes.DelaySeconds end
  local keys = queue_keys(prefix, queue)
  if redis.call('HSETNX', keys.messages, id, document) == 1 then
    redis.call('ZADD', keys.sent, now, id)
    redis.call('ZADD', keys.visible, now + delay * 1000, id)
    -- Also for a delayed message: who waits has to learn when it is due.
    ring(keys)
  end
  return true
end
