-- Read the records of events, and who holds which of them.
-- KEYS  1 consumers  2 clock
-- ARGV  1 prefix of all keys  2… request ids
-- Returns {time in ms, {fields and values of the record, worker or ''} for each}.
-- include: now
local holders, events = {}, {}
for i = 2, #ARGV do holders[ARGV[i]] = '' end
for _, worker in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  for _, envelope in ipairs(redis.call('HVALS', ARGV[1] .. 'lease:' .. worker)) do
    local id = string.match(envelope, '"id":"([^"]+)"')
    if id and holders[id] then holders[id] = worker end
  end
end
for i = 2, #ARGV do
  events[#events + 1] = {redis.call('HGETALL', ARGV[1] .. 'event:' .. ARGV[i]), holders[ARGV[i]]}
end
return {now_ms(KEYS[2]), events}
