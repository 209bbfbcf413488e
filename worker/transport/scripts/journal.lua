-- What is told of every move of a message. Here nothing comes of it; whoever builds on the transport may put a file of
-- this name before this one. States are 'ready', 'delayed', 'running'.

-- How many of `wanted` ready messages of a list may run now, and a context that is handed to the consumer with them
-- (a string, or false). The others are handed over as well, marked as refused.
local function admit(queue, target, wanted)
  return wanted, false
end

-- A message has moved from one state to another. `flag` is that of its lease field, where it has or had one ('-', '!').
local function moved(queue, target, envelope, from, to, consumer, flag)
end

-- The end of a script that may have moved messages.
local function moves_done()
end
