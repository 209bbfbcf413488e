-- Put messages into one SQS queue.
-- KEYS  1 queues  2 clock
-- ARGV  1 prefix of the queues' keys  2 queue  3… for each message: id, document, size, delay in s or ''
-- Returns for each message 'sent', 'missing' (no such queue) or 'too long'.
-- include: now
-- include: send_message
local now, answers = now_ms(KEYS[2]), {}
for i = 3, #ARGV, 4 do
  -- A thousandth of a millisecond apart, so that they are received in their order; none of them later than now.
  local sent, why = send_message(
    KEYS[1], ARGV[1], ARGV[2], ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], now - (#ARGV - i) / 4000)
  answers[#answers + 1] = sent and 'sent' or why
end
return answers
