-- Take in events: what happens before a 202. All of them are stored, counted and on the queue, or none is; but events
-- of functions that do not exist are left out, if that is asked for.
-- KEYS  1 invocations  2 ledger  3 clock  4 functions, if an event's function must exist
-- ARGV  1 prefix of all keys  2 delay in ms before the first attempt  3 what follows the time of acceptance in an envelope
--       4… of each event: request id, function, source, root ('' for its own), envelope up to the time of acceptance
-- Returns the request ids of those that were left out.
-- include: accept
-- include: metrics
local ns, delay, tail = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local now = now_ms(KEYS[3])
local now_text = string.format('%.0f', now)
local state = delay > 0 and 'waiting' or 'ready'

-- A client whose connection broke before the answer asks again: what is there already is not taken in once more. Asked
-- of all at once, because nearly never one is.
local records = {}
for i = 4, #ARGV, 5 do records[#records + 1] = ns .. 'event:' .. ARGV[i] end
local are_new = redis.call('EXISTS', unpack(records)) == 0

-- Whether there is a function of that name, as far as that matters here. Asked once for each name.
local known = {}
local function is_known(func)
  if not KEYS[4] then return true end
  if known[func] == nil then known[func] = redis.call('HEXISTS', KEYS[4], func) == 1 end
  return known[func]
end

local lanes, seen, left_out = {}, {}, {}
for i = 4, #ARGV, 5 do
  local event = {id = ARGV[i], func = ARGV[i + 1], source = ARGV[i + 2], root = ARGV[i + 3], head = ARGV[i + 4]}
  if not is_known(event.func) then
    left_out[#left_out + 1] = event.id
  elseif not seen[event.id] and (are_new or redis.call('HEXISTS', ns .. 'event:' .. event.id, 'v') == 0) then
    seen[event.id] = true
    local envelope = accept(ns, event, tail, state, now_text)
    if delay > 0 then
      redis.call('HSET', ns .. 'event:' .. event.id, 'due_at', now + delay)
      put_delayed(KEYS[1], ':lane:' .. event.func, now + delay, envelope)
    else
      add_to(lanes, event.func, envelope)
    end
  end
end
put_into_lanes(KEYS[1], lanes)
write_metrics(ns, now)
write_counts(KEYS[2])
return left_out
