-- Reads one EventBridge rule, and the time by which its schedule is counted.
-- KEYS: rules, clock. ARGV: rule name.
-- Returns the rule's JSON (false if there is none) and the time in ms.
-- include: now
return {redis.call('HGET', KEYS[1], ARGV[1]), now_ms(KEYS[2])}
