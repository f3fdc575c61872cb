-- Settles what one replica asks of one tenant's limits: all of a call or nothing of it, by Redis's own clock.
--
-- KEYS: the limits, then the vendors' budgets (one hash a connection). All hold the tenant as hash tag.
-- ARGV[1]: JSON {m, l, v, a}
--   m  the replica
--   l  per limit      [window seconds, quota, which entry ends, units of it that were not used, units to lease beside]
--   v  per connection {b: [[budget, given back, to lease beside, answers seen, limit, remaining, resets at]], p: [seconds, why]}
--                     the last three are missing where no answer told of the budget; p where the vendor refused nothing
--   a  per call       [[[limit, cost], ...], connection, budget, writes]; connection is 0 where none is reached
-- Answer: JSON {now, a, l, v}
--   a  per call       [0], [1, limit, seconds] or [2, connection, seconds, why]
--   l  per limit      [units leased, seconds until it is whole, the entry that begins]
--   v  per connection {b: [[units leased, known, limit, left, seconds until it resets]], p: [seconds, why]}
--
-- A limit is kept as the moment at which it is whole again (GCRA), with an entry for each replica: the units that it was
-- given last, until it says what became of them. What is out at replicas is not refilled meanwhile: a limit is never
-- nearer to whole than by that, so that what is left and what is out never are more than the quota. An entry that nobody
-- ends is taken as used after OUT seconds; that is longer than replicas use theirs, and ending it later gives nothing.

local RESERVE = 0.05 -- of a vendor's budget, kept for writes
local SHARE = 0.25 -- of what is left, the most that is leased at once
local OUT = 2 -- seconds
local FORGET = 60 -- seconds after which units that nobody answered for are taken as never sent

local asked = cjson.decode(ARGV[1])
local time = redis.call('TIME')
-- JSON holds 14 digits here: seconds since 1970 would leave tenths of a millisecond.
local EPOCH = 1750000000
local now = tonumber(time[1]) - EPOCH + tonumber(time[2]) / 1000000
local me, limits, vendors, calls = asked.m, asked.l, asked.v, asked.a
local count = #limits

local stored = count > 0 and redis.call('MGET', unpack(KEYS, 1, count)) or {}
local ahead, unit, entries, others = {}, {}, {}, {}
for i = 1, count do
  local window, quota, ended, unused = limits[i][1], limits[i][2], limits[i][3], limits[i][4]
  local readable, kept = pcall(cjson.decode, stored[i] or '')
  if not readable or type(kept) ~= 'table' then
    kept = { now, {} }
  end
  local out, mine, rest = 0, nil, {}
  for _, entry in ipairs(kept[2]) do
    if math.abs(now - entry[3]) <= OUT then
      out = out + entry[2]
      if entry[1] == me then
        mine = entry
      else
        rest[#rest + 1] = entry
      end
    end
  end
  unit[i] = window / quota
  -- More than a window ahead is a clock that went back, or a limit that was changed.
  ahead[i] = math.min(math.max(kept[1] - now, out * unit[i]), window)
  others[i] = out
  if mine then
    others[i] = out - mine[2]
    if mine[3] == ended then
      ahead[i] = math.max(ahead[i] - math.min(unused, mine[2]) * unit[i], others[i] * unit[i], 0)
    end
  end
  entries[i] = rest
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
      local limit, remaining, resets = b[5], b[6], b[7] - EPOCH
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

local taken, answers = {}, {}
for n, call in ipairs(calls) do
  local refused = refusal(call)
  answers[n] = refused or { 0 }
  if not refused then
    for _, charge in ipairs(call[1]) do
      local i = charge[1]
      ahead[i] = ahead[i] + charge[2] * unit[i]
      taken[i] = (taken[i] or 0) + charge[2]
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
  local given = math.max(math.min(limits[i][5], math.floor(left * SHARE)), 0)
  local units = given + (taken[i] or 0)
  ahead[i] = ahead[i] + given * unit[i]
  leased[i] = { given, ahead[i], now }
  if units > 0 then
    entries[i][#entries[i] + 1] = { me, units, now }
  end
  if #entries[i] == 0 and ahead[i] <= 0 then
    redis.call('DEL', KEYS[i])
  else
    local life = math.ceil(math.max(ahead[i], OUT) * 1000) + 1000
    redis.call('SET', KEYS[i], cjson.encode({ now + ahead[i], entries[i] }), 'PX', life)
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
