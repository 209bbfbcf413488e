-- What is told of every move of a message. Here nothing comes of it; whoever builds on the transport may put a file of
-- this name before this one. States are 'ready', 'delayed', 'running'.

-- How many of `wanted` ready messages of a list may run now, and a context that is handed to the consumer with them
-- (a string, or false). The others are handed over as well, marked as refused.
local function admit(queue, target, wanted)
  return wanted, false
end

-- Messages of one list are running now: so many with the flag '-' in their lease fields, and so many with '!'.
local function claimed(queue, target, count, refused, consumer)
end

-- A message has moved from one state to another, but for claims. `flag` is that of the lease field that it had ('-', '!').
local function moved(queue, target, envelope, from, to, consumer, flag)
end

-- The end of a script that may have moved messages.
local function moves_done()
end
