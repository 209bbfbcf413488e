-- Set what the account may run at once, and count anew what is reserved and what runs: when a worker starts.
-- KEYS  1 functions  2 concurrency  3 account  4 reserved  5 consumers
-- ARGV  1 concurrency of the account  2 slots of the worker
-- Returns 1.
-- include: places
-- include: reserved
local running, reserved, limits = 0, 0, {}
local all = redis.call('HGETALL', KEYS[2])
for i = 1, #all, 2 do
  if is_users(all[i]) then running = running + all[i + 1] end
end
all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local number = reserved_by(all[i + 1])
  if number then
    limits[all[i]] = number
    reserved = reserved + number
  end
end
redis.call('DEL', KEYS[4])
for func, number in pairs(limits) do redis.call('HSET', KEYS[4], func, number) end
-- The most that any worker has which may be alive: a worker says so of itself, and not of others.
local slots = tonumber(ARGV[2])
if redis.call('ZCARD', KEYS[5]) > 0 then slots = math.max(slots, redis.call('HGET', KEYS[3], 'slots') or 0) end
redis.call('HSET', KEYS[3], 'limit', ARGV[1], 'running', running, 'reserved', reserved, 'slots', slots)
return 1
