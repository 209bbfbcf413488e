-- Renew all leases of one worker. Leases are measured in real time, whatever a virtual clock says.
-- KEYS  1 workers
-- ARGV  1 worker  2 lease in ms
-- include: now
redis.call('ZADD', KEYS[1], real_ms() + tonumber(ARGV[2]), ARGV[1])
return 1
