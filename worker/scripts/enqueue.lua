-- Store one event, count it, and put its message on the queue: what happens before a 202.
-- KEYS  1 event  2 ready  3 waiting  4 invocations  5 ledger  6 clock
-- ARGV  1 request id  2 task  3 function  4 delay in ms  5 message template  6… fields and values of the record
-- include: now
-- include: ledger
local keys = {ready = KEYS[2], waiting = KEYS[3], invocations = KEYS[4], ledger = KEYS[5]}
local request_id, task, func, delay = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local now = now_ms(KEYS[6])
-- A client whose connection broke before the answer asks again: the event is there once.
if redis.call('EXISTS', KEYS[1]) == 1 then return now end
redis.call('HSET', KEYS[1], 'v', 1, 'task', task, 'function', func, 'accepted_at', now, unpack(ARGV, 6))
count(keys.ledger, func, 'accepted', 1)
if delay > 0 then
  redis.call('HSET', KEYS[1], 'state', 'waiting', 'due_at', now + delay)
  redis.call('ZADD', keys.waiting, now + delay, request_id)
  count(keys.ledger, func, 'waiting', 1)
else
  make_ready(keys, func, request_id, KEYS[1], message_for(ARGV[5], request_id, task))
end
return now
