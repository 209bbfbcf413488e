-- Take in events: what happens before a 202. All of them are stored, counted and on the queue, or none is.
-- KEYS  1 invocations  2 ledger  3 clock
-- ARGV  1 prefix of all keys  2 delay in ms before the first attempt  3 what follows the time of acceptance in an envelope
--       4… of each event: request id, function, source, root ('' for its own), envelope up to the time of acceptance
-- Returns the time (ms) at which they were accepted.
-- include: accept
local ns, delay, tail = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local now = now_ms(KEYS[3])
local lanes = {}
for i = 4, #ARGV, 5 do
  local event = {id = ARGV[i], func = ARGV[i + 1], source = ARGV[i + 2], root = ARGV[i + 3], head = ARGV[i + 4]}
  local envelope = accept(ns, event, tail, delay > 0 and 'waiting' or 'ready', now)
  if envelope and delay > 0 then
    redis.call('HSET', ns .. 'event:' .. event.id, 'due_at', now + delay)
    put_delayed(KEYS[1], ':lane:' .. event.func, now + delay, envelope)
  elseif envelope then
    lanes[event.func] = lanes[event.func] or {}
    table.insert(lanes[event.func], envelope)
  end
end
put_into_lanes(KEYS[1], lanes)
write_counts(KEYS[2])
return now
