-- Put messages into one SQS queue.
-- KEYS  1 queues  2 clock
-- ARGV  1 prefix of the queues' keys  2 queue  3… for each message: id, document, size, delay in s or ''
-- Returns for each message 'sent', 'missing' (no such queue) or 'too long'.
-- include: now
-- include: send_message
-- Microseconds of the millisecond before now, and one more for each message: so they are received in the order in which
-- they were sent, and none has to wait for the next millisecond.
local now, answers = now_ms(KEYS[2]) - 1 + redis.call('TIME')[2] % 1000 / 1000, {}
for i = 3, #ARGV, 4 do
  local sent, why = send_message(
    KEYS[1], ARGV[1], ARGV[2], ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], now - (#ARGV - i) / 4000)
  answers[#answers + 1] = sent and 'sent' or why
end
return answers
