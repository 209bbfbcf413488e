-- Reads which EventBridge schedules are due.
-- KEYS: schedules, rules, clock. ARGV: how many at most.
-- Returns the time in ms, the due time in ms of the first schedule of all ('' for none), and for each due schedule
-- its rule's name, its due time in ms, and the rule's JSON (false if there is none).
-- include: now
local now = now_ms(KEYS[3])
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'WITHSCORES', 'LIMIT', 0, ARGV[1])
local answer = {now, first[2] or ''}
for index = 1, #due, 2 do
  table.insert(answer, {due[index], due[index + 1], redis.call('HGET', KEYS[2], due[index])})
end
return answer
