-- All that was ever counted: the totals, and what is in records that have not been added up yet.
-- KEYS  1 totals  2 open records
-- ARGV  1 prefix of all keys
-- Returns name|column and number in turn.
-- include: places
-- include: metric_notes
add_up_notes(ARGV[1])
local totals, found = {}, redis.call('HGETALL', KEYS[1])
for i = 1, #found, 2 do totals[found[i]] = tonumber(found[i + 1]) end
for _, member in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  local fields = redis.call('HGETALL', ARGV[1] .. 'metrics:1:' .. member)
  local columns, name = {}, string.match(member, '^%d+:(.*)$')
  for i = 1, #fields, 2 do columns[fields[i]] = tonumber(fields[i + 1]) end
  for column, value in pairs(total_of(columns)) do
    join_column(totals, name .. '|' .. column, value)
  end
end
local answer = {}
for field, value in pairs(totals) do
  answer[#answer + 1] = field
  answer[#answer + 1] = string.format('%.0f', value)
end
return answer
