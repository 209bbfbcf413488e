-- Records of metrics: how their columns come together, and how they are written. For other scripts to include; what the
-- columns are is told in metric_notes.lua.

-- For how long a record of a minute is kept, ms, and one of five minutes, s.
local MINUTE_KEPT, PERIOD_KEPT = 4 * 3600 * 1000, 15 * 86400
local PERIOD = 300

local function lower(a, b) return a < b and a or b end
local function higher(a, b) return a > b and a or b end
-- All columns that are not here are sums.
local JOINED = {dl = lower, al = lower, cl = lower, dh = higher, ah = higher, c = higher, z = higher}

local function join_column(columns, name, value)
  local before, join = columns[name], JOINED[name]
  if not before then columns[name] = value
  elseif join then columns[name] = join(before, value)
  else columns[name] = before + value end
end

-- The columns of one record among {['<first second of the minute>:<name>'] = columns}.
local function record_of(records, record)
  local columns = records[record]
  if not columns then
    columns = {}
    records[record] = columns
  end
  return columns
end

-- Join columns into a hash whose fields are called `prefix .. column`. Returns whether none of them was there, and whether
-- the record had been added up.
local function join_hash(key, prefix, columns)
  local names, fields, changed, is_new = {}, {}, {}, true
  for name in pairs(columns) do
    names[#names + 1] = name
    fields[#fields + 1] = prefix .. name
  end
  fields[#fields + 1] = 'z'
  local found = redis.call('HMGET', key, unpack(fields))
  for i, name in ipairs(names) do
    local before, value = tonumber(found[i]), columns[name]
    if before then
      is_new = false
      local join = JOINED[name]
      value = join and join(before, value) or before + value
    end
    if value ~= before then
      changed[#changed + 1] = fields[i]
      changed[#changed + 1] = value
    end
  end
  if #changed > 0 then redis.call('HSET', key, unpack(changed)) end
  return is_new, found[#fields]
end

-- What the totals get of a record: the sums, and buckets of a whole doubling; and 'c', which says that something ran.
local function total_of(columns)
  local total = {}
  for column, value in pairs(columns) do
    local letter, n = string.match(column, '^([daw])(%-?%d+)$')
    if letter then column = letter .. math.floor(n / 8) end
    if column == 'c' or not JOINED[column] then join_column(total, column, value) end
  end
  return total
end

-- A record of five minutes and the totals get what has come in a minute.
local function add_up(ns, minute, name, columns)
  local of_period, total = {}, total_of(columns)
  for column, value in pairs(columns) do
    if column ~= 'z' then of_period[column] = value end
  end
  if columns.c then
    of_period.cn, of_period.cs, of_period.cl = 1, columns.c, columns.c
  end
  local start = string.format('%.0f', minute - minute % PERIOD)
  local key = ns .. 'metrics:5:' .. start .. ':' .. name
  if next(of_period) and join_hash(key, '', of_period) then redis.call('EXPIRE', key, PERIOD_KEPT) end
  if next(total) then join_hash(ns .. 'metrics', name .. '|', total) end
end

local function write_records(ns, records)
  for record, columns in pairs(records) do
    local minute, name = string.match(record, '^(%d+):(.*)$')
    local key = ns .. 'metrics:1:' .. record
    local seems_new, is_added_up = join_hash(key, '', columns)
    if is_added_up then
      add_up(ns, minute, name, columns)
    elseif seems_new and redis.call('PTTL', key) < 0 then
      redis.call('PEXPIRE', key, MINUTE_KEPT)
      redis.call('ZADD', ns .. 'metrics:open', minute, record)
      redis.call('ZADD', ns .. 'metrics:active', 'GT', minute, name)
    end
  end
end
