-- Which event caused which. For other scripts to include.
local function born(event_prefix, root, request_id)
end
local function ended(event_prefix, root, request_id, is_bad, retention_ms)
  redis.call('PEXPIRE', event_prefix .. request_id, retention_ms)
end
