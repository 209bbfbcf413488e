-- Put a synchronous invocation on its queue. It is no event and has no record: its caller waits for the reply.
-- KEYS  1 calls  2 the call  3 clock
-- ARGV  1 function  2 envelope up to the time of acceptance  3 what follows it  4 how long its caller waits, ms
-- include: now
-- include: queue
-- A client whose connection broke before the answer asks again: the call is made once.
if redis.call('SET', KEYS[2], 1, 'NX', 'PX', ARGV[4]) then
  put_ready(KEYS[1], ':lane:' .. ARGV[1], ARGV[2] .. string.format('%.0f', now_ms(KEYS[3])) .. ARGV[3])
  ring(KEYS[1])
end
return 1
