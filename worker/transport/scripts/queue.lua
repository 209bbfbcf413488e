-- A queue and its parts. For other scripts to include.
--
-- A message that is ready lies in a list `queue .. target`, where the target is
--   ''                       the queue's own list, as the stock transport has it (priority 0, the highest);
--   '\6\22' .. step          its list for the priority steps 3, 6 and 9, named as the stock transport names them;
--   ':lane:' .. name         a lane: the lanes of a queue are served in turn, so that none waits for another's backlog.
-- Lists are pushed on the left and popped on the right. The name of each lane that is not empty is in one of two lists,
-- once, the next one on the right: in `queue:new-lanes` if it was empty before and has not been served since, else in
-- `queue:lanes`. New lanes come first, so that who has little need not wait until all that have much were served; but of
-- four lanes that are served at least one is an old one (`queue:turns` counts), so that nobody waits for ever. A message for later is in the sorted set `queue:delayed`, by due time (ms), as
-- `target .. '\n' .. envelope`. `queue:wake` is the doorbell: a list of at most one token.
local function lane_of(target)
  if string.sub(target, 1, 6) == ':lane:' then return string.sub(target, 7) end
  return nil
end

-- Wake one consumer that waits for this queue.
local function ring(queue)
  if redis.call('LLEN', queue .. ':wake') == 0 then redis.call('LPUSH', queue .. ':wake', 1) end
end

local function is_new_lane(length, count, target)
  return length == count and lane_of(target) ~= nil
end

-- Put messages at the end of a ready list. The caller rings.
local function put_ready(queue, target, ...)
  local length = redis.call('LPUSH', queue .. target, ...)
  if is_new_lane(length, select('#', ...), target) then redis.call('LPUSH', queue .. ':new-lanes', lane_of(target)) end
end

-- The lanes that are not empty, for one turn of all of them. `turn.next()` takes the name of the next one off its list, nil
-- when all have had their turn; a lane that is not empty then goes back by `keep_lane`.
local function begin_turn(queue)
  local new, old = queue .. ':new-lanes', queue .. ':lanes'
  local news, olds = redis.call('LLEN', new), redis.call('LLEN', old)
  local turn = {count = news + olds}
  function turn.next()
    local is_new = news > 0
    if is_new and olds > 0 then is_new = redis.call('INCR', queue .. ':turns') % 4 ~= 0 end
    if is_new then
      news = news - 1
      return redis.call('RPOP', new)
    elseif olds > 0 then
      olds = olds - 1
      return redis.call('RPOP', old)
    end
  end
  return turn
end

local function keep_lane(queue, lane)
  redis.call('LPUSH', queue .. ':lanes', lane)
end

-- The names of all lanes that are not empty.
local function all_lanes(queue)
  local lanes = redis.call('LRANGE', queue .. ':lanes', 0, -1)
  for _, lane in ipairs(redis.call('LRANGE', queue .. ':new-lanes', 0, -1)) do lanes[#lanes + 1] = lane end
  return lanes
end

-- Put a message that was taken before to the head of its list, so that it is the next. The caller rings.
local function put_back(queue, target, envelope)
  local length = redis.call('RPUSH', queue .. target, envelope)
  if is_new_lane(length, 1, target) then redis.call('RPUSH', queue .. ':lanes', lane_of(target)) end
end

-- Keep a message until `due` (ms, now_ms). Rings if it is the first to be due: who waits has to learn of it.
local function put_delayed(queue, target, due, envelope)
  local first = redis.call('ZRANGE', queue .. ':delayed', 0, 0, 'WITHSCORES')[2]
  redis.call('ZADD', queue .. ':delayed', due, target .. '\n' .. envelope)
  if not first or due < tonumber(first) then ring(queue) end
end

-- Target and envelope of a member of `queue:delayed`. No target contains a line feed.
local function split_delayed(member)
  local cut = string.find(member, '\n', 1, true)
  return string.sub(member, 1, cut - 1), string.sub(member, cut + 1)
end

-- The field of a lease hash that stands for one held message: `seq|flag|length of queue|queue .. target`. The flag is
-- '-', or '!' for a message that was handed over although it may not run now.
local function lease_field(seq, flag, queue, target)
  return seq .. '|' .. flag .. '|' .. #queue .. '|' .. queue .. target
end

-- What follows the sequence number in the lease fields of one list: of messages that may run, and of refused ones.
local function field_ends(queue, target)
  return {lease_field('', '-', queue, target), lease_field('', '!', queue, target)}
end

-- What lease_field was made of: flag, queue, target.
local function split_field(field)
  local flag, length, list = string.match(field, '^%d+|(.)|(%d+)|(.*)$')
  return flag, string.sub(list, 1, tonumber(length)), string.sub(list, tonumber(length) + 1)
end

-- Whether the message of a lease field was handed over to be run.
local function may_run(field)
  return string.find(field, '^%d+|%-|') ~= nil
end

-- The lists of a queue that are served before its lanes, in strict order.
local PRIORITIES = {'', '\6\0223', '\6\0226', '\6\0229'}

-- How many of these lists a queue has, that is: how many are not empty.
local function lists_in_use(queue)
  return redis.call('EXISTS', queue, queue .. PRIORITIES[2], queue .. PRIORITIES[3], queue .. PRIORITIES[4])
end

-- Whether any message of the queue is ready.
local function has_ready(queue)
  return redis.call('EXISTS', queue .. ':lanes', queue .. ':new-lanes') > 0 or lists_in_use(queue) > 0
end

-- The envelope with its count of redeliveries (`x-dc`, its first member) raised by one. Nothing is decoded: cjson would
-- turn [] into {} and round large integers.
local function redelivered(envelope)
  local count, rest = string.match(envelope, '^{"x%-dc":(%d+),(.*)$')
  if count then return '{"x-dc":' .. (count + 1) .. ',' .. rest end
  return '{"x-dc":1,' .. string.sub(envelope, 2)
end
