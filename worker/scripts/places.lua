-- How many invocations of each function run now, against which its reserved concurrency is held, and how many of users'
-- functions in all, against which the account's is. For other scripts to include: what a script takes and gives back is
-- added up, and written once at its end.
local places = {}
-- How many run after that, of each function that has changed, and of all users' functions.
local running_now, running_of_all = {}, 0

-- Deliveries and canaries (`thrice:…`) are nobody's function, and do not count for the account.
local function is_users(func)
  return string.sub(func, 1, 7) ~= 'thrice:'
end

local function take_places(func, by)
  places[func] = (places[func] or 0) + by
end

local function write_places(ns)
  local in_all = 0
  for func, by in pairs(places) do
    if by ~= 0 then
      running_now[func] = redis.call('HINCRBY', ns .. 'concurrency', func, by)
      if is_users(func) then in_all = in_all + by end
    end
  end
  if in_all ~= 0 then running_of_all = redis.call('HINCRBY', ns .. 'account', 'running', in_all) end
end
