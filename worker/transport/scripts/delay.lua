-- Keep messages until later.
--
-- KEYS: queue, clock
-- ARGV: target, for each message: delay (ms), envelope
-- include: now
-- include: queue
local now = now_ms(KEYS[2])
for i = 2, #ARGV, 2 do put_delayed(KEYS[1], ARGV[1], now + tonumber(ARGV[i]), ARGV[i + 1]) end
return 1
