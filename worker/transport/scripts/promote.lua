-- Make the messages ready that are due, and wake a consumer for each queue that had one.
--
-- KEYS: clock
-- ARGV: most of each queue, queues...
-- Returns the ms to the next due message, -1: there is none.
-- include: now
-- include: queue
-- include: journal
-- include: promotion
local now, next_due = now_ms(KEYS[1]), -1
for i = 2, #ARGV do
  local count, queue_next = promote_due(ARGV[i], now, tonumber(ARGV[1]))
  if count > 0 then ring(ARGV[i]) end
  if queue_next >= 0 and (next_due < 0 or queue_next < next_due) then next_due = queue_next end
end
moves_done()
return next_due
