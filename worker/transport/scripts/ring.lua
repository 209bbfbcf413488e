-- Wake one consumer that waits for a queue.
--
-- KEYS: queue
-- include: queue
ring(KEYS[1])
return 1
