-- A deployment package that no function uses any more is kept for a minute, for the attempts that were claimed before
-- and have not unpacked it; then Redis forgets it. Storing it again makes it stay.
local function release_code(functions, code, sha256)
  for _, config in ipairs(redis.call('HVALS', functions)) do
    if cjson.decode(config)['code_sha256'] == sha256 then return end
  end
  redis.call('PEXPIRE', code, 60000)
end
