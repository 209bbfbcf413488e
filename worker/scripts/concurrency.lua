-- A place among the reserved concurrency of a function: taken here, given back by whoever ends the attempt.
-- Returns the reserved concurrency (-1: none) and 1 if there was no place left.
local function take_place(config, running, request_id)
  local reserved = -1
  if config then
    local value = cjson.decode(config)['reserved_concurrency']
    if value and value ~= cjson.null then reserved = value end
  end
  if redis.call('SISMEMBER', running, request_id) == 1 then return reserved, 0 end
  if reserved >= 0 and redis.call('SCARD', running) >= reserved then return reserved, 1 end
  redis.call('SADD', running, request_id)
  return reserved, 0
end
