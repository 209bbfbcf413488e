-- Hand out messages of one SQS queue: hide each for the visibility timeout under a new receipt. Messages that were
-- received too often go to the queue's own dead-letter queue, messages that are too old go away.
-- KEYS  1 queues  2 clock
-- ARGV  1 prefix of the queues' keys  2 queue  3 how many at the most  4 visibility timeout in s or '' for the queue's
--       5 token of the receipts  6 what the ARNs of queues begin with
-- Returns nothing if there is no such queue, else {ms until the next message may be due or -1, the queue's own wait in
-- s, then for each message its id, document, time sent, receive count, time of the first receive, ARN of the queue that
-- it died in or ''}.
-- include: now
-- include: message_queue
local attributes = queue_attributes(KEYS[1], ARGV[2])
if not attributes then return false end
local keys, now = queue_keys(ARGV[1], ARGV[2]), now_ms(KEYS[2])
local oldest = forget_expired(keys, attributes, now)
local hidden_for = (ARGV[4] ~= '' and ARGV[4] or attributes.VisibilityTimeout) * 1000

for _, id in ipairs(redis.call('ZRANGEBYSCORE', keys.in_flight, '-inf', now, 'LIMIT', 0, 1000)) do
  redis.call('ZADD', keys.visible, redis.call('ZSCORE', keys.in_flight, id), id)
  redis.call('ZREM', keys.in_flight, id)
end

-- The queue for messages that were received too often; nothing while it does not exist: a message is never lost.
local dead, most_receives
if attributes.RedrivePolicy then
  local policy = cjson.decode(attributes.RedrivePolicy)
  local name = string.match(policy.deadLetterTargetArn, '[^:]+$')
  if redis.call('HEXISTS', KEYS[1], name) == 1 then
    dead, most_receives = queue_keys(ARGV[1], name), tonumber(policy.maxReceiveCount)
  end
end

-- A message takes its age along, and what was counted: only the receives in the new queue start at zero.
local function bury(id, receipt, sent)
  local document = redis.call('HGET', keys.messages, id)
  receipt.here, receipt.token, receipt.source = 0, '', ARGV[6] .. ARGV[2]
  forget(keys, id)
  redis.call('HSET', dead.messages, id, document)
  redis.call('HSET', dead.receipts, id, cjson.encode(receipt))
  redis.call('ZADD', dead.sent, sent, id)
  redis.call('ZADD', dead.visible, now, id)
  ring(dead)
end

-- `left` is how many may follow: they become visible again in their order, thousandths of a millisecond apart.
local function hand_out(id, receipt, sent, answer, left)
  receipt.all, receipt.here, receipt.token, receipt.at = receipt.all + 1, receipt.here + 1, ARGV[5], now
  if receipt.first == 0 then receipt.first = now end
  redis.call('HSET', keys.receipts, id, cjson.encode(receipt))
  redis.call('ZREM', keys.visible, id)
  redis.call('ZADD', keys.in_flight, now + hidden_for - left / 1000, id)
  for _, value in ipairs({id, redis.call('HGET', keys.messages, id), math.ceil(sent), receipt.all, receipt.first,
                          receipt.source}) do
    answer[#answer + 1] = value
  end
end

local answer, wanted = {-1, tonumber(attributes.ReceiveMessageWaitTimeSeconds)}, tonumber(ARGV[3])
for _, id in ipairs(redis.call('ZRANGEBYSCORE', keys.visible, '-inf', now, 'LIMIT', 0, 1000)) do
  if wanted == 0 then break end
  local sent = tonumber(redis.call('ZSCORE', keys.sent, id))
  local kept = redis.call('HGET', keys.receipts, id)
  local receipt = kept and cjson.decode(kept) or {all = 0, here = 0, first = 0, source = ''}
  if sent <= oldest then
    forget(keys, id)
  elseif dead and receipt.here >= most_receives then
    bury(id, receipt, sent)
  else
    wanted = wanted - 1
    hand_out(id, receipt, sent, answer, wanted)
  end
end

-- Somebody else who waits must be woken for what is left, or must learn when it is due; but not for nothing.
local function next_due(zset)
  local first = redis.call('ZRANGE', zset, 0, 0, 'WITHSCORES')[2]
  return first and math.max(0, math.ceil(tonumber(first) - now))
end
local visible, in_flight = next_due(keys.visible), next_due(keys.in_flight)
local due = math.min(visible or math.huge, in_flight or math.huge)
if due == 0 or (#answer > 2 and due < math.huge) then ring(keys) else redis.call('DEL', keys.doorbell) end
if due < math.huge then answer[1] = due end
return answer
