-- The one clock of the scripts: the server's, plus an offset that only tests and a virtual clock set.
-- Leases use real_ms, so that a virtual clock never takes an attempt away from the worker that runs it.
local function real_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

local function now_ms(clock_key)
  return real_ms() + tonumber(redis.call('GET', clock_key) or '0')
end
