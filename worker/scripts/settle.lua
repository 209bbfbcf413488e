-- Settle a batch of outcomes: each event goes to its next attempt, or to its end with all that is sent then; the caller
-- of a synchronous invocation gets his answer. Fenced: only the holder of a lease field can, and only once.
-- KEYS  1 lease of the worker  2 ledger  3 clock  4 invocations  5 dead  6 SQS queues
-- ARGV  1 prefix of all keys  2 how long the record of an event is kept that succeeded or was dropped, ms
--       3 and of a dead-lettered one, ms  4 what follows the time of acceptance in an envelope
--       5 what is measured of all of them, as a note: see metric_notes.lua; 6 of each of them, in a line of its own
--       7… of each outcome: lease field, request id, function, root, to ("succeeded", "waiting", "given_up",
--          "answered"), the attempt for the history (JSON, or empty), "1" if there is a history already, number of real
--          attempts made, what the attempt logged (JSON, or empty), details (JSON, or empty), number of bodies, the bodies
-- The details: fields {name: value} of the record; of "waiting" delay_ms and uses_attempt, its body is the next envelope;
-- of "given_up" condition and refused_of [function, counter] of a delivery, its first body is the payload; of both ends
-- deliveries [{queue, id, size of a message for our own SQS | id, func, root, source of a delivery; counter of failures;
-- told: how the record tells of it, up to its outcome}], whose bodies follow in their order; cause: of a delivery, the
-- request id of the event that it tells of. The body of "answered" is the reply.
-- Returns for each outcome 1; 0 if its lease is not held any more: then nothing was done but for the log; the error; or
-- {position of a delivery that was not taken, "missing" or "too long", ...} if any was not.
-- include: accept
-- include: send_message
-- include: log
-- include: places
-- include: metrics
local ns, retention, dead_retention, tail = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local lease, invocations = KEYS[1], KEYS[4]
local now = now_ms(KEYS[3])
local now_text = string.format('%.0f', now)
local NOTHING = {}
local lanes, logs = {}, {}
local done, is_done = {}, {}

local function write_history(record, outcome, ...)
  local history = outcome.summary
  if outcome.has_history then
    local before = redis.call('HGET', record, 'attempts')
    if before and history ~= '' then history = before .. ',' .. history elseif before then history = before end
  end
  redis.call('HSET', record, 'attempts', history, 'attempts_made', outcome.made, ...)
end

local function to_waiting(record, outcome, details, envelope)
  local state, due = 'ready', now + details.delay_ms
  if details.delay_ms > 0 then
    state = 'waiting'
    write_history(record, outcome, 'state', state, 'due_at', due)
    put_delayed(invocations, ':lane:' .. outcome.func, due, envelope)
  else
    write_history(record, outcome, 'state', state)
    add_to(lanes, outcome.func, envelope)
  end
  count(outcome.func, state, 1)
  if details.uses_attempt then count(outcome.func, 'retried', 1) end
end

-- A queue of ours takes its message here, in the step that ends the event; every other target gets a delivery of its
-- own, which is as durable as an event and is tried by itself.
local function hand_over(delivery, body)
  if delivery.queue then
    return send_message(KEYS[6], ns .. 'queue:', delivery.queue, delivery.id, body, delivery.size, '', now)
  end
  local event = {id = delivery.id, func = delivery.func, source = delivery.source, root = delivery.root, head = body}
  add_to(lanes, delivery.func, accept(ns, event, tail, 'ready', now_text))
  return true
end

-- A delivery has ended: the record of the event that it tells of says how.
local function tell_cause(cause, id, result)
  local record = ns .. 'event:' .. cause
  local told = redis.call('HGET', record, 'deliveries') or ''
  local first, last = string.find(told, '"' .. id .. '","outcome":"pending', 1, true)
  if first then
    redis.call('HSET', record, 'deliveries', string.sub(told, 1, last - #'pending') .. result .. string.sub(told, last + 1))
  end
end

local function to_its_end(record, outcome, details, bodies)
  local given_up = outcome.to == 'given_up'
  local first, taken, refused, counters, told = given_up and 1 or 0, 0, {}, {}, {}
  for i, delivery in ipairs(details.deliveries or NOTHING) do
    local is_taken, why = hand_over(delivery, bodies[first + i])
    if is_taken then
      taken = taken + 1
      outcome.has_caused = outcome.has_caused or not delivery.queue
    else
      refused[#refused + 1] = i
      refused[#refused + 1] = why
      counters[#counters + 1] = delivery.counter
    end
    told[i] = delivery.told .. (not is_taken and 'failed' or delivery.queue and 'delivered' or 'pending') .. '"}'
  end
  if #told > 0 then redis.call('HSET', record, 'deliveries', table.concat(told, ',')) end
  if details.cause then tell_cause(details.cause, outcome.id, given_up and 'failed' or 'delivered') end
  local state = outcome.to
  if given_up then
    state = taken > 0 and 'dead_lettered' or 'dropped'
    redis.call('HSET', record, 'condition', details.condition)
  end
  local kept = state == 'dead_lettered' and dead_retention or retention
  write_history(record, outcome, 'state', state, 'ended_at', now_text,
    ending(ns .. 'event:', outcome.root, outcome.id, given_up, kept, outcome.has_caused))
  if state == 'dead_lettered' then
    redis.call('HSET', record, 'payload', bodies[1])
    redis.call('ZADD', KEYS[5], now, outcome.id)
    redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', now - dead_retention)
  end
  for _, counter in ipairs(counters) do count(outcome.func, counter, 1) end
  if state == 'dropped' and details.refused_of then count(details.refused_of[1], details.refused_of[2], 1) end
  count(outcome.func, state == 'dropped' and ('dropped:' .. details.condition) or state, 1)
  return #refused > 0 and refused or nil
end

local function answer(outcome, reply)
  local key = ns .. 'reply:' .. outcome.id
  redis.call('RPUSH', key, reply) -- behind the parts of a streamed one
  redis.call('PEXPIRE', key, 60000)
end

local function move(outcome, bodies)
  if outcome.to == 'answered' then return answer(outcome, bodies[1]) end
  local record = ns .. 'event:' .. outcome.id
  local details = outcome.details == '' and NOTHING or cjson.decode(outcome.details)
  for name, value in pairs(details.fields or NOTHING) do redis.call('HSET', record, name, value) end
  local refused
  if outcome.to == 'waiting' then
    to_waiting(record, outcome, details, bodies[1])
  else
    refused = to_its_end(record, outcome, details, bodies)
  end
  count(outcome.func, 'running', -1)
  return refused
end

local function settle(outcome, bodies)
  -- What a handler printed is worth reading even if its result came too late.
  if outcome.log ~= '' then
    add_to(logs, outcome.func, outcome.log)
  end
  -- The fields go at the end, all at once; until then a second outcome of one must not find it.
  if is_done[outcome.field] or redis.call('HEXISTS', lease, outcome.field) == 0 then return 0 end
  local refused = move(outcome, bodies)
  done[#done + 1] = outcome.field
  is_done[outcome.field] = true
  outcome.is_settled = true
  if may_run(outcome.field) then take_places(outcome.func, -1) end
  return refused or 1
end

-- A server without memory refuses the first write of a script if it may need some, and lets all others pass. What
-- follows here mostly gives memory back, so the first one needs none.
redis.call('HDEL', lease, '')
local outcomes, ids, i = {}, {}, 7
while i <= #ARGV do
  local bodies, number = NOTHING, tonumber(ARGV[i + 10])
  if number > 0 then bodies = {unpack(ARGV, i + 11, i + 10 + number)} end
  outcomes[#outcomes + 1] = {
    field = ARGV[i], id = ARGV[i + 1], func = ARGV[i + 2], root = ARGV[i + 3], to = ARGV[i + 4],
    summary = ARGV[i + 5], has_history = ARGV[i + 6] == '1', made = ARGV[i + 7], log = ARGV[i + 8],
    details = ARGV[i + 9], bodies = bodies,
  }
  ids[#ids + 1] = ARGV[i + 1]
  i = i + 11 + number
end
local have_caused, answers = causes(ns .. 'event:', ids), {}
for _, outcome in ipairs(outcomes) do
  outcome.has_caused = have_caused[outcome.id]
  -- An outcome that cannot be settled stays under its lease, and does not stop the others: nothing of a script that
  -- fails is undone. Each function counts when it has done all that may fail.
  local settled, result = pcall(settle, outcome, outcome.bodies)
  answers[#answers + 1] = settled and result or (type(result) == 'table' and result.err or tostring(result))
end
if #done > 0 then redis.call('HDEL', lease, unpack(done)) end
write_places(ns)
if #done == #outcomes then
  note(ARGV[5])
else
  local at = 0
  for text in string.gmatch(ARGV[6], '([^\n]*)\n') do
    at = at + 1
    if outcomes[at].is_settled then note(text) end
  end
end
write_metrics(ns, now)
put_into_lanes(invocations, lanes)
for func, attempts in pairs(logs) do append_log(ns, func, attempts) end
write_counts(KEYS[2])
return answers
