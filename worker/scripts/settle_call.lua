-- End a synchronous invocation: give its place back and its answer to the caller who waits for it.
-- KEYS  1 lease of the worker  2 running set of the function  3 reply  4 record of the call
-- ARGV  1 request id  2 the answer  3 how long the answer is kept, ms
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('SREM', KEYS[2], ARGV[1])
redis.call('DEL', KEYS[4])
redis.call('LPUSH', KEYS[3], ARGV[2])
redis.call('PEXPIRE', KEYS[3], ARGV[3])
return 1
