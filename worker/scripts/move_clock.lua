-- Move the virtual clock, and wake everybody who waits for a time. It never goes back.
-- KEYS  1 clock  2 invocations  3 schedules  4 SQS queues
-- ARGV  1 prefix of the keys of SQS queues  2 "advance", "next", "freeze" or "resume"  3 of "advance": by how many ms
-- Returns {real time, time, "1" if it stands still, then of "next" what is due: due time, kind ("event", "schedule" or
-- "message"), name (function, rule or queue), id ('' for a schedule)}; of "next" nothing more if nothing will be due.
-- include: now
-- include: message_queue
local real, now = real_ms(), now_ms(KEYS[1])
local frozen = string.sub(redis.call('GET', KEYS[1]) or '', 1, 1) == '='
local queues = redis.call('HKEYS', KEYS[4])

local function set(time)
  local value = frozen and '=' .. string.format('%.0f', time) or string.format('%.0f', time - real)
  redis.call('SET', KEYS[1], value)
end

-- What is due first after now: each kind in a sorted set by due time.
local function first_after(set_key)
  local found = redis.call('ZRANGEBYSCORE', set_key, '(' .. string.format('%.17g', now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  if found[1] then return found[1], tonumber(found[2]) end
end

local function next_due()
  local first
  local function consider(member, due, kind, name, id)
    if member and (not first or due < first.due) then first = {due = due, kind = kind, name = name, id = id, member = member} end
  end
  local member, due = first_after(KEYS[2] .. ':delayed')
  if member then
    -- A lane is named after its function.
    consider(member, due, 'event', string.match(member, '^:lane:([^\n]*)\n') or '', string.match(member, '"id":"([^"]+)"') or '')
  end
  member, due = first_after(KEYS[3])
  consider(member, due, 'schedule', member, '')
  for _, queue in ipairs(queues) do
    local keys = queue_keys(ARGV[1], queue)
    member, due = first_after(keys.visible)
    consider(member, due, 'message', queue, member)
    member, due = first_after(keys.in_flight)
    consider(member, due, 'message', queue, member)
  end
  return first
end

local function wake_all()
  local wake = KEYS[2] .. ':wake'
  if redis.call('LLEN', wake) == 0 then redis.call('LPUSH', wake, 1) end
  for _, queue in ipairs(queues) do
    local keys = queue_keys(ARGV[1], queue)
    if redis.call('EXISTS', keys.visible, keys.in_flight) > 0 then ring(keys) end
  end
end

local due
if ARGV[2] == 'advance' then
  set(now + tonumber(ARGV[3]))
elseif ARGV[2] == 'next' then
  due = next_due()
  if due then set(math.ceil(due.due)) end
else
  frozen = ARGV[2] == 'freeze'
  set(now)
end
wake_all()
local answer = {real, now_ms(KEYS[1]), frozen and '1' or ''}
if due then
  for _, value in ipairs({string.format('%.0f', math.ceil(due.due)), due.kind, due.name, due.id}) do
    answer[#answer + 1] = value
  end
end
return answer
