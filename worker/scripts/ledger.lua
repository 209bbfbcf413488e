-- The ledger: fields "<function>|<column>" of one hash, moved by the script that moves the event.
local function count(ledger, func, column, by)
  redis.call('HINCRBY', ledger, func .. '|' .. column, by)
end

-- Put an event on the ready list and its Celery message on the queue.
local function make_ready(keys, func, request_id, event, message)
  redis.call('ZADD', keys.ready, real_ms(), request_id)
  redis.call('HSET', event, 'state', 'ready')
  redis.call('LPUSH', keys.invocations, message)
  count(keys.ledger, func, 'ready', 1)
end

-- The Celery message of an event, from the template that Python made.
local function message_for(template, request_id, task)
  local function literally(text) return (string.gsub(text, '%%', '%%%%')) end
  return (string.gsub(string.gsub(template, '@request_id@', literally(request_id)), '@task@', literally(task)))
end
