-- A package that nothing uses any more is kept for a minute, for the attempts that were claimed before and have not
-- unpacked it; then Redis forgets it. Storing it again makes it stay. Functions, their versions and layers use packages.
-- `packages` are SHA-256 sums; `ns` is the prefix of all keys.
local function release_code(ns, packages)
  if #packages == 0 then return end
  local used = {}
  for _, documents in ipairs({'functions', 'versions', 'layers'}) do
    for _, document in ipairs(redis.call('HVALS', ns .. documents)) do
      document = cjson.decode(document)
      used[document.code_sha256] = true
      for _, layer in ipairs(document.layers or {}) do used[layer.code_sha256] = true end
    end
  end
  for _, sha256 in ipairs(packages) do
    if not used[sha256] then redis.call('PEXPIRE', ns .. 'code:' .. sha256, 60000) end
  end
end
