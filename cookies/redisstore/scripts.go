package redisstore

// The scripts run with EVAL, always whole: Redis compiles each of them once, and
// none is missing after a restart or on a replica that became the master. Each
// touches one key. An answer of 1 is yes.

// createLua: KEYS the record; ARGV the value, its expiry. A value that is there
// already, to the last byte, is our own of a first try.
const createLua = `
local old = redis.call('GET', KEYS[1])
if old then return old == ARGV[1] and 1 or 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PXAT', ARGV[2])
return 1`

// updateLua: KEYS the record; ARGV the version it must have, the new head, the new
// data, the new expiry, and where to tell of it: channel and message, or ”. It
// answers 0 for a record that is not there, and -1 for one of another version.
const updateLua = `
local old = redis.call('GET', KEYS[1])
if not old or #old < 29 then return 0 end
local note, tags = struct.unpack('>HH', old:sub(26, 29))
local new = ARGV[2] .. old:sub(26, 29 + note + tags) .. ARGV[3]
if old == new then return 1 end
if old:sub(2, 9) ~= ARGV[1] then return -1 end
redis.call('SET', KEYS[1], new, 'PXAT', ARGV[4])
if ARGV[5] ~= '' then redis.call('PUBLISH', ARGV[5], ARGV[6]) end
return 1`

// deleteLua: KEYS the record; ARGV channel and message.
const deleteLua = `
redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[1], ARGV[2])
return 1`

// tagLua: KEYS the tag's set; ARGV the record's key, its expiry, now. The set lasts
// as long as the record in it that lasts longest.
const tagLua = `
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2]
redis.call('PEXPIREAT', KEYS[1], last)
return 1`

// countLua: KEYS the count; ARGV the window in milliseconds.
const countLua = `
local n = redis.call('INCR', KEYS[1])
if n == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return n`
