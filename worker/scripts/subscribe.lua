-- Subscribe to a topic, unless that is done already.
-- KEYS  1 topics  2 subscriptions of the topic
-- ARGV  1 topic  2 ARN of the subscription  3 its record
-- Returns 'subscribed', or the record that was there before; nothing if there is no such topic.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return false end
if redis.call('HSETNX', KEYS[2], ARGV[2], ARGV[3]) == 1 then return 'subscribed' end
return redis.call('HGET', KEYS[2], ARGV[2])
