-- The reserved concurrency of functions, kept beside their configurations so that a claim can tell what is left for all
-- others without reading any. For other scripts to include.

-- What a configuration reserves, nil: nothing. The number as `FunctionConfiguration` writes it; inside a string the quotes
-- would be escaped.
local function reserved_by(config)
  local number = config and string.match(config, '"reserved_concurrency":(%d+)')
  return number and tonumber(number)
end

-- The configuration of a function is replaced: `before` and `after` are false or nil where there is none.
local function note_reserved(ns, func, before, after)
  local old, new = reserved_by(before), reserved_by(after)
  if old == new then return end
  if new then
    redis.call('HSET', ns .. 'reserved', func, new)
  else
    redis.call('HDEL', ns .. 'reserved', func)
  end
  redis.call('HINCRBY', ns .. 'account', 'reserved', (new or 0) - (old or 0))
end
