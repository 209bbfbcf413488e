-- Messages that go back from a lease to the head of their lists. For other scripts to include, after queue and journal.

local function seq_of(field)
  return tonumber(string.match(field, '^%d+'))
end

-- Put the messages of these lease fields back, so that the oldest is the next, and ring. `change` makes the envelope
-- that is put back of the one that lay under a field. A field that the lease does not have counts for nothing. Returns how many went back.
local function give_back(lease, consumer, fields, change)
  table.sort(fields, function(a, b) return seq_of(a) > seq_of(b) end)
  local queues, count = {}, 0
  for _, field in ipairs(fields) do
    local envelope = redis.call('HGET', lease, field)
    if envelope then
      local flag, queue, target = split_field(field)
      envelope = change(envelope, field)
      put_back(queue, target, envelope)
      redis.call('HDEL', lease, field)
      moved(queue, target, envelope, 'running', 'ready', consumer, flag)
      queues[queue] = true
      count = count + 1
    end
  end
  for queue in pairs(queues) do ring(queue) end
  return count
end

-- The `limit` newest of the fields of a lease: what goes back first, so that the oldest ends up at the head.
local function newest_fields(lease, limit)
  local fields = redis.call('HKEYS', lease)
  table.sort(fields, function(a, b) return seq_of(a) > seq_of(b) end)
  local newest = {}
  for i = 1, math.min(limit, #fields) do newest[i] = fields[i] end
  return newest
end
