-- Notes that a replica is there, by Redis's own clock, and answers how many are.
--
-- KEYS[1]: a sorted set of replicas by when they were last seen. ARGV: the replica, seconds until it is forgotten.
local now = tonumber(redis.call('TIME')[1])
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2]))
redis.call('EXPIRE', KEYS[1], tonumber(ARGV[2]))
return redis.call('ZCARD', KEYS[1])
