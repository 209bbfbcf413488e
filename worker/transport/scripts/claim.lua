-- Take ready messages into the lease of one consumer; acknowledge others on the way; make due ones ready first.
--
-- KEYS: the consumer's lease, consumers, clock
-- ARGV: consumer, lease (ms), most messages, most bytes, first sequence number, most to promote of each queue,
--       number of acks, acks (lease fields), most messages of a lane, number of the following, lanes that have an
--       allowance of their own with it (lane, most messages of it, ...),
--       for each queue: name, '1' if its messages are not acknowledged ('0')
-- Returns {ms to the next due message or -1, 1 if the consumer was known, 1 if something is left that it could have,
--   1 if something is left in lanes that have given what they may, groups...}, a group being
--   {index of the queue from 0, target, context or false, {field, envelope, field, envelope, ...}}. The field is ''
--   where no ack is expected.
-- include: now
-- include: queue
-- include: journal
-- include: promotion
local lease, consumers, clock = KEYS[1], KEYS[2], KEYS[3]
local consumer, lease_ms = ARGV[1], tonumber(ARGV[2])
local room, bytes, seq, promotable = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])

-- How many lanes one call looks at, of all its queues.
local visits = 1000

local at = 7
local function next_list()
  local list, count = {}, tonumber(ARGV[at])
  for i = 1, count do list[i] = ARGV[at + i] end
  at = at + count + 1
  return list
end

-- A server that is out of memory refuses what may need more, unless the script has written before. Claims must go on then:
-- they are what empties it. So the first write is one that is never refused.
redis.call('HDEL', lease, '')

local acks = next_list()
for from = 1, #acks, 1000 do
  redis.call('HDEL', lease, unpack(acks, from, math.min(from + 999, #acks)))
end
local allowance, allowances = tonumber(ARGV[at]), {}
at = at + 1
local own = next_list()
for i = 1, #own, 2 do allowances[own[i]] = tonumber(own[i + 1]) end
local queues = {}
while at < #ARGV do
  queues[#queues + 1] = {name = ARGV[at], no_ack = ARGV[at + 1] == '1', index = #queues}
  at = at + 2
end

-- Before any lease is written, so that whoever looks for leases that have ended finds every one.
local known = redis.call('ZSCORE', consumers, consumer) and 1 or 0
for _, queue in ipairs(queues) do
  if not queue.no_ack then
    redis.call('ZADD', consumers, real_ms() + lease_ms, consumer)
    break
  end
end

local reply = {-1, known, 0, 0}
local now = now_ms(clock)
for _, queue in ipairs(queues) do
  local _, next_due = promote_due(queue.name, now, promotable)
  if next_due >= 0 and (reply[1] < 0 or next_due < reply[1]) then reply[1] = next_due end
end

local function is_full()
  return room <= 0 or bytes <= 0
end

-- How many messages are popped at once, at most. They may pass the limit of bytes only if they are much larger than
-- those before them.
local GRASP = 8

local function take(queue, target, wanted)
  local list = queue.name .. target
  local allowed, context = wanted, false
  if not queue.no_ack then allowed, context = admit(queue.name, target, wanted) end
  local messages, taken, ends, largest = {}, 0, field_ends(queue.name, target), bytes
  while taken < wanted and bytes > 0 do
    local grasp = math.min(GRASP, wanted - taken, math.max(1, math.floor(bytes / largest)))
    local popped = redis.call('RPOP', list, grasp)
    if not popped then break end
    if taken == 0 then largest = 1 end
    for _, envelope in ipairs(popped) do
      taken = taken + 1
      bytes, largest = bytes - #envelope, math.max(largest, #envelope)
      local field = ''
      if not queue.no_ack then
        field = seq .. (taken <= allowed and ends[1] or ends[2])
        seq = seq + 1
      end
      messages[#messages + 1] = field
      messages[#messages + 1] = envelope
    end
  end
  room = room - taken
  if taken == 0 then return 0 end
  if not queue.no_ack then
    for from = 1, #messages, 1000 do
      redis.call('HSET', lease, unpack(messages, from, math.min(from + 999, #messages)))
    end
    claimed(queue.name, target, math.min(taken, allowed), math.max(0, taken - allowed), consumer)
  end
  reply[#reply + 1] = {queue.index, target, context, messages}
  return taken
end

local function take_list(queue, target, most)
  local length = redis.call('LLEN', queue.name .. target)
  if length == 0 then return 0 end
  return take(queue, target, math.min(length, most, room))
end

-- One turn of all lanes of a queue. Who was served comes after all others.
local function take_turn(queue)
  local turn = begin_turn(queue.name)
  local share = math.max(1, math.ceil(room / math.max(1, turn.count)))
  for _ = 1, turn.count do
    if is_full() or visits <= 0 then return end
    visits = visits - 1
    local lane = turn.next()
    local allowed = allowances[lane] or allowance
    if allowed > 0 then
      allowances[lane] = allowed - take_list(queue, ':lane:' .. lane, math.min(share, allowed))
    end
    if redis.call('LLEN', queue.name .. ':lane:' .. lane) > 0 then
      keep_lane(queue.name, lane)
      if (allowances[lane] or allowance) <= 0 then queue.has_held_back = true end
    end
  end
end

local has_lists = false
for _, queue in ipairs(queues) do has_lists = has_lists or lists_in_use(queue.name) > 0 end
for _, target in ipairs(has_lists and PRIORITIES or {}) do
  for _, queue in ipairs(queues) do
    if not is_full() then take_list(queue, target, room) end
  end
end
for _, queue in ipairs(queues) do
  local before
  repeat
    before = room
    take_turn(queue)
  until room == before or is_full()
end

for _, queue in ipairs(queues) do
  if (is_full() or queue.has_held_back) and has_ready(queue.name) then
    ring(queue.name)
    reply[is_full() and 3 or 4] = 1
  end
end
moves_done()
return reply
