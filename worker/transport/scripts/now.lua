-- The one clock of the scripts: the server's, unless a virtual clock stands in its place: "<ms>" is added to it,
-- "=<ms>" is a clock that stands still.
-- Leases use real_ms, so that a virtual clock never takes an attempt away from the worker that runs it.
local function real_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

local function now_ms(clock_key)
  local clock = redis.call('GET', clock_key)
  if not clock then return real_ms() end
  if string.sub(clock, 1, 1) == '=' then return tonumber(string.sub(clock, 2)) end
  return real_ms() + tonumber(clock)
end
