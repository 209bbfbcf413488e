-- How many more invocations of functions without reserved concurrency may run: they share what the account has and nobody
-- has reserved. For other scripts to include, after places.
--
-- Asked with one command for each script. As long as all that runs, that of functions with reserved concurrency included,
-- leaves enough, that is all; only near the limit the others are looked at one by one.
--
-- A place is taken by what a worker holds, also ahead of need. Where the account has a place for every slot of every
-- worker, what is held ahead cannot do harm, and nobody is refused.
local account
local on_account = {}  -- the functions without reserved concurrency

local function open_account(ns)
  local running, limit, reserved, slots = unpack(redis.call('HMGET', ns .. 'account', 'running', 'limit', 'reserved', 'slots'))
  running = tonumber(running) or 0
  for func, taken in pairs(places) do
    if is_users(func) then running = running + taken end
  end
  local unreserved = (tonumber(limit) or math.huge) - (tonumber(reserved) or 0)
  account = {
    free = unreserved - running,
    unreserved = unreserved,
    slots = tonumber(slots) or math.huge,
    is_exact = false,
  }
end

local function look_closer(ns)
  account.is_exact = true
  if redis.call('ZCARD', ns .. 'consumers') * account.slots <= account.unreserved then
    account.free = math.huge
    return
  end
  local names = redis.call('HKEYS', ns .. 'reserved')
  for from = 1, #names, 1000 do
    local some = {unpack(names, from, math.min(from + 999, #names))}
    for i, running in ipairs(redis.call('HMGET', ns .. 'concurrency', unpack(some))) do
      account.free = account.free + (tonumber(running) or 0) + (places[some[i]] or 0)
    end
  end
end

-- How many of `wanted` invocations of a function without reserved concurrency may run.
local function admit_on_account(ns, func, wanted)
  on_account[func] = true
  if not account then open_account(ns) end
  if account.free < wanted and not account.is_exact then look_closer(ns) end
  return math.max(0, math.min(wanted, account.free))
end

-- So many of a function run from now on.
local function draw_on_account(func, taken)
  if account and is_users(func) and (on_account[func] or not account.is_exact) then account.free = account.free - taken end
end
