-- Add up what has been counted and is in no record yet: before records are read.
-- KEYS  1 notes
-- ARGV  1 prefix of all keys
-- Returns 1.
-- include: places
-- include: metric_notes
add_up_notes(ARGV[1])
return 1
