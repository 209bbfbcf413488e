-- Read the clock.
-- KEYS  1 clock
-- Returns {real time, time, "1" if it stands still}.
-- include: now
local frozen = string.sub(redis.call('GET', KEYS[1]) or '', 1, 1) == '='
return {real_ms(), now_ms(KEYS[1]), frozen and '1' or ''}
