-- Append a part of an attempt to the log of its function, while it still runs.
-- KEYS  1 log
-- ARGV  1 prefix of all keys  2 function  3 the part (`worker/log_entry.py`)
-- include: log
append_log(ARGV[1], ARGV[2], {ARGV[3]})
return 1
