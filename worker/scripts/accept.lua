-- Take in events. For other scripts to include.
--
-- include: now
-- include: queue
-- include: ledger
-- include: lineage

-- One event: its record, its lineage, its place in the ledger. Returns its envelope, which the caller puts on the queue.
-- `event` has id, func, source, root ('' for its own), head: the envelope up to the time of acceptance, after which
-- `tail` follows; `now` is the time as text.
local function accept(ns, event, tail, state, now)
  redis.call('HSET', ns .. 'event:' .. event.id, 'v', 2, 'function', event.func, 'state', state, 'source', event.source,
    'accepted_at', now, birth(ns .. 'event:', event.root, event.id))
  count(event.func, 'accepted', 1)
  count(event.func, state, 1)
  return event.head .. now .. tail
end

-- Add something to the list of a function: {[function] = {...}}.
local function add_to(lists, func, what)
  local list = lists[func]
  if list then list[#list + 1] = what else lists[func] = {what} end
end

-- Put envelopes into the lanes of their functions: {[function] = {envelope…}}. Rings.
local function put_into_lanes(queue, lanes)
  local any = false
  for func, envelopes in pairs(lanes) do
    put_ready(queue, ':lane:' .. func, unpack(envelopes))
    any = true
  end
  if any then ring(queue) end
end
