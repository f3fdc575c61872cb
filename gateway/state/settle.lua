-- Settles what one replica asks of one tenant's limits: all of a call or nothing of it, by Redis's own clock.
--
-- KEYS: the limits, then the vendors' budgets (one hash a connection). All hold the tenant as hash tag.
-- ARGV[1]: JSON {l, v, a}
--   l  per limit      [window seconds, quota, units given back, units to lease beside]
--   v  per connection {b: [[budget, given back, to lease beside, answers seen, limit, remaining, resets at]], p: [seconds, why]}
--                     the last three are missing where no answer told of the budget; p where the vendor refused nothing
--   a  per call       [[[limit, cost], ...], connection, budget, writes]; connection is 0 where none is reached
-- Answer: JSON {now, a, l, v}
--   a  per call       [0], [1, limit, seconds] or [2, connection, seconds, why]
--   l  per limit      [units leased, seconds until it is whole]
--   v  per connection {b: [[units leased, known, limit, left, seconds until it resets]], p: [seconds, why]}
--
-- A limit is kept as the moment at which it is whole again (GCRA); it is no key at all when it is whole.

local RESERVE = 0.05 -- of a vendor's budget, kept for writes
local SHARE = 0.25 -- of what is left, the most that is leased at once
local FORGET = 60 -- seconds after which units that nobody answered for are taken as never sent

local asked = cjson.decode(ARGV[1])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local limits, vendors, calls = asked.l, asked.v, asked.a
local count = #limits

local stored = count > 0 and redis.call('MGET', unpack(KEYS, 1, count)) or {}
local ahead, before, unit = {}, {}, {}
for i = 1, count do
  local window, quota, back = limits[i][1], limits[i][2], limits[i][3]
  unit[i] = window / quota
  -- More than a window ahead is a clock that went back, or a limit that was changed.
  before[i] = math.min(math.max((tonumber(stored[i]) or now) - now, 0), window)
  ahead[i] = math.max(before[i] - back * unit[i], 0)
end

-- What replicas learned of vendors: {limit, remaining, resets at, units given out since, when the last was}.
local budgets, pauses = {}, {}
for j = 1, #vendors do
  local key, told = KEYS[count + j], vendors[j]
  budgets[j] = {}
  local raw = redis.call('HGET', key, 'pause')
  local pause = raw and cjson.decode(raw) or { 0, '' }
  if told.p then
    pause = { math.max(pause[1], now + told.p[1]), told.p[2] }
  end
  pauses[j] = pause
  for k, b in ipairs(told.b) do
    local found = redis.call('HGET', key, 'b:' .. b[1])
    local budget = found and cjson.decode(found) or nil
    if budget and (now >= budget[3] or now > budget[5] + FORGET) then
      budget[4] = 0
    end
    if budget then
      budget[4] = math.max(budget[4] - b[2] - b[4], 0)
    end
    if b[5] then
      local limit, remaining, resets = b[5], b[6], b[7]
      if budget and now < budget[3] and math.abs(resets - budget[3]) <= 2 then
        -- The same window: answers come in any order, and the least that is left is the newest.
        budget[1], budget[2] = limit, math.min(budget[2], remaining)
      elseif not budget or now >= budget[3] or resets > budget[3] then
        budget = { limit, remaining, resets, budget and now < budget[3] and budget[4] or 0, now }
      end
    end
    budgets[j][k] = budget or false
  end
end

local function free(budget, writes)
  local reserve = writes and 0 or math.floor(budget[1] * RESERVE)
  return budget[2] - budget[4] - reserve
end

local function live(budget)
  return budget and now < budget[3]
end

local function refusal(call)
  local j = call[2]
  if j > 0 then
    local pause, budget = pauses[j], budgets[j][call[3]]
    if now < pause[1] then
      return { 2, j, pause[1] - now, pause[2] }
    end
    if live(budget) and free(budget, call[4]) < 1 then
      local kept = budget[2] - budget[4]
      local why = "the vendor's budget of " .. string.format('%d', budget[1]) .. ' is used up'
      if kept > 0 then
        why = why .. '; ' .. string.format('%d', kept) .. ' are kept for writes'
      end
      return { 2, j, budget[3] - now, why }
    end
  end
  local found = nil
  for _, charge in ipairs(call[1]) do
    local i = charge[1]
    local early = ahead[i] + charge[2] * unit[i] - limits[i][1]
    if early > 1e-6 and (not found or early > found[3]) then
      found = { 1, i, early }
    end
  end
  return found
end

local answers = {}
for n, call in ipairs(calls) do
  local refused = refusal(call)
  answers[n] = refused or { 0 }
  if not refused then
    for _, charge in ipairs(call[1]) do
      ahead[charge[1]] = ahead[charge[1]] + charge[2] * unit[charge[1]]
    end
    local budget = call[2] > 0 and budgets[call[2]][call[3]]
    if live(budget) then
      budget[4], budget[5] = budget[4] + 1, now
    end
  end
end

local leased = {}
for i = 1, count do
  local left = math.floor((limits[i][1] - ahead[i]) / unit[i] + 1e-6)
  local given = math.max(math.min(limits[i][4], math.floor(left * SHARE)), 0)
  ahead[i] = ahead[i] + given * unit[i]
  leased[i] = { given, ahead[i] }
  if ahead[i] <= 0 then
    if stored[i] then
      redis.call('DEL', KEYS[i])
    end
  elseif ahead[i] ~= before[i] then
    local whole = string.format('%.6f', now + ahead[i])
    redis.call('SET', KEYS[i], whole, 'PX', math.ceil(ahead[i] * 1000) + 1000)
  end
end

local known = {}
for j = 1, #vendors do
  local key, told, shown, until_ = KEYS[count + j], vendors[j], {}, pauses[j][1]
  for k, b in ipairs(told.b) do
    local budget = budgets[j][k]
    if live(budget) then
      local given = math.max(math.min(b[3], math.floor(free(budget, false) * SHARE)), 0)
      if given > 0 then
        budget[4], budget[5] = budget[4] + given, now
      end
      shown[k] = { given, 1, budget[1], math.max(budget[2] - budget[4], 0), budget[3] - now }
      until_ = math.max(until_, budget[3])
      redis.call('HSET', key, 'b:' .. b[1], cjson.encode(budget))
    else
      shown[k] = { 0, 0, 0, 0, 0 }
      redis.call('HDEL', key, 'b:' .. b[1])
    end
  end
  if told.p then
    redis.call('HSET', key, 'pause', cjson.encode(pauses[j]))
  end
  known[j] = { b = shown, p = now < pauses[j][1] and { pauses[j][1] - now, pauses[j][2] } or { 0, '' } }
  local life = math.ceil((until_ - now) * 1000)
  if life > 0 and redis.call('PTTL', key) < life then
    redis.call('PEXPIRE', key, life + 1000)
  end
end

return cjson.encode({ now = now, a = answers, l = leased, v = known })
