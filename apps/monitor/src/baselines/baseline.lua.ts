const formats = `local INTEGERS, FLOATS, ENTRY = '<I4I4I4I4I4I4I4I4I4I4I4', '<fffffffff', '<I4I4I4'`;

/**
 * Updates the baselines of many tokens and answers what is unusual about these uses: for each key the facts that
 * `featuresOf` reads, or nothing where there is no baseline yet. Atomic per call; the same event twice counts once.
 *
 * One hash per token, every value under 64 bytes so that Redis keeps it in its compact form, numbers packed
 * (little-endian, as baseline.ts reads and writes them):
 *   i   f t n b c p hb hc w g k   unsigned integers: first and last use in seconds, calls; minute, its calls, the ones
 *                                 before; hour, its calls; awoke at, after so many days; active minutes seen
 *   v   m v h hm hh d dh kn ka    floats: mean, variance, high-water mark of active minutes; mean and mark of hours;
 *                                 refused scopes, decayed, their mark; new networks and agents of late, decayed
 *   e   tags of the newest events
 *   q l quiet until, after "it was us"; learning until, after a loss
 *   N*, A*, D*   networks, agents, refused scopes: first and last use in seconds, calls
 */
export const baselineScript = `
local DAY = 86400
${formats}
local limits = { N = 12, A = 6, D = 8 }
local pack, unpacked, sub, floor, max, min = struct.pack, struct.unpack, string.sub, math.floor, math.max, math.min
local at = 1
local f, t, n, b, c, p, hb, hc, w, g, k
local m, v, h, hm, hh, d, dh, kn, ka
local now, seen, counts, changed

local function fold(calls)
  if calls <= 0 then return end
  local delta = calls - m
  local alpha = max(0.05, 1 / (k + 1))
  m = m + alpha * delta
  v = (1 - alpha) * (v + alpha * delta * delta)
  k = min(99, k + 1)
  h = max(h, calls)
end

local function toMinute(minute)
  if minute <= b then return end
  fold(p)
  if minute > b + 1 then fold(c); p = 0 else p = c end
  b = minute
  c = 0
end

local function toHour(hour)
  if hour <= hb then return end
  if hc > 0 then
    hm = hm + 0.1 * (hc - hm)
    hh = max(hh, hc)
  end
  dh = max(dh, d)
  hb = hour
  hc = 0
end

local function evict(kind)
  local oldest, oldestAt
  for name, entry in pairs(seen[kind]) do
    if not oldestAt or entry[2] < oldestAt then oldest, oldestAt = name, entry[2] end
  end
  seen[kind][oldest] = nil
  counts[kind] = counts[kind] - 1
  changed[kind .. oldest] = false
end

local function touch(kind, name, second, calls)
  local entry = seen[kind][name]
  if not entry then
    if counts[kind] >= limits[kind] then evict(kind) end
    counts[kind] = counts[kind] + 1
    entry = { second, second, 0 }
    seen[kind][name] = entry
    if kind == 'N' then kn = kn + 1 elseif kind == 'A' then ka = ka + 1 end
  end
  entry[2] = max(entry[2], second)
  entry[3] = min(4e9, entry[3] + calls)
  changed[kind .. name] = entry
end

local function decay(dt)
  if dt <= 0 then return end
  local slow, quick, churn = 2 ^ (-dt / (45 * DAY)), 2 ^ (-dt / 21600), 2 ^ (-dt / (10 * DAY))
  h, hh, dh, d, kn, ka = h * slow, hh * slow, dh * slow, d * quick, kn * churn, ka * churn
end

local function isRepeated(ring, tag)
  for i = 1, #ring, 4 do if sub(ring, i, i + 3) == tag then return true end end
  return false
end

local function newest(kind, names)
  local best, entry
  for name in pairs(names) do
    local one = seen[kind][name]
    if one and (not entry or one[1] > entry[1] or (one[1] == entry[1] and one[3] > entry[3])) then best, entry = name, one end
  end
  return best, entry
end

-- How many others are known for longer than an hour, whether one of them is a neighbour, and by how long the earliest
-- other one came before: -1 where there is none.
local function company(kind, name, first)
  local count, near, lead, wide = 0, 0, -1, sub(name, 1, 3)
  for other, entry in pairs(seen[kind]) do
    if now - entry[1] >= 3600 then
      count = count + 1
      if sub(other, 1, 3) == wide then near = 1 end
    end
    if other ~= name then lead = max(lead, first - entry[1]) end
  end
  return count, near, lead
end

local function load(flat)
  local s = {}
  seen, counts, changed = { N = {}, A = {}, D = {} }, { N = 0, A = 0, D = 0 }, {}
  for j = 1, #flat, 2 do
    local field = flat[j]
    local kind = sub(field, 1, 1)
    if seen[kind] then
      local first, last, calls = unpacked(ENTRY, flat[j + 1])
      seen[kind][sub(field, 2)] = { first, last, calls }
      counts[kind] = counts[kind] + 1
    else s[field] = flat[j + 1] end
  end
  f, t, n, b, c, p, hb, hc, w, g, k = unpacked(INTEGERS, s.i)
  m, v, h, hm, hh, d, dh, kn, ka = unpacked(FLOATS, s.v)
  return s
end

local function save(key, ring)
  local write = { 'HSET', key, 'i', pack(INTEGERS, f, t, min(4e9, n), b, min(4e9, c), min(4e9, p), hb, min(4e9, hc), w, g, k), 'v', pack(FLOATS, m, v, h, hm, hh, d, dh, kn, ka), 'e', ring }
  for field, entry in pairs(changed) do
    if entry then
      write[#write + 1] = field
      write[#write + 1] = pack(ENTRY, entry[1], entry[2], entry[3])
    else redis.call('HDEL', key, field) end
  end
  redis.call(unpack(write))
end

local function observe(key, flat, count)
  local s = load(flat)
  if t > 0 then
    local dt = max(0, now - t)
    decay(dt)
    if dt > 14 * DAY then w = now; g = floor(dt / DAY) end
  end
  -- Once a day is enough to keep what is used from fading.
  if floor(now / DAY) > floor(t / DAY) then redis.call('EXPIRE', key, 400 * DAY) end
  t = max(now, t)
  -- As it was before these uses, so that no burst hides behind itself.
  local mean, variance, minutes, high, highHour, highDenied = m, v, k, h, hh, dh
  local busiest, dead, deadKnown, live = 0, 0, 0, 0
  local ring = s.e or ''
  local tags, networks, agents, byNetwork = {}, {}, {}, {}
  for _ = 1, count do
    local tag, second, use, calls = ARGV[at], tonumber(ARGV[at + 1]), ARGV[at + 2], tonumber(ARGV[at + 3])
    local network, agent, denied = ARGV[at + 4], ARGV[at + 5], ARGV[at + 6]
    at = at + 7
    if tags[tag] == nil then tags[tag] = not isRepeated(ring, tag) end
    local fresh = tags[tag]
    if use == 'x' then
      dead = dead + calls
      if network == '' or seen.N[network] then deadKnown = deadKnown + calls end
    else
      live = live + calls
      if fresh then
        local minute = floor(second / 60)
        local hour = floor(second / 3600)
        toMinute(minute)
        toHour(hour)
        if minute == b then c = c + calls elseif minute == b - 1 then p = p + calls end
        if hour == hb then hc = hc + calls end
        n = n + calls
        if use == 'd' then d = d + min(calls, 20) end
      end
      -- Of a repetition too: the transaction that saw it first may have come to nothing, its verdict with it.
      busiest = max(busiest, c, p)
      if use ~= 'r' then
        local proof = (fresh and use == 'v') and calls or 0
        if network ~= '' then touch('N', network, second, proof); networks[network] = true end
        if agent ~= '' then
          touch('A', agent, second, proof)
          agents[agent] = true
          if not byNetwork[network] then byNetwork[network] = {} end
          byNetwork[network][agent] = true
        end
        for i = 1, #denied, 4 do touch('D', sub(denied, i, i + 3), second, 1) end
      end
    end
  end
  for tag, fresh in pairs(tags) do if fresh then ring = ring .. tag end end
  save(key, sub(ring, -60))

  local net, network = newest('N', networks)
  local agentName, agent = newest('A', net and now - network[1] < 3600 and byNetwork[net] or agents)
  local nets, near, lead, agentsKnown, deniedNew = 0, 0, -1, 0, 0
  if net then nets, near, lead = company('N', net, network[1]) end
  if agent then agentsKnown = company('A', agentName, agent[1]) end
  for _, entry in pairs(seen.D) do if now - entry[1] < 6 * 3600 then deniedNew = deniedNew + 1 end end
  return {
    now, f, n, live, busiest, tostring(mean), tostring(variance), minutes, tostring(high), hc, tostring(hm), tostring(highHour),
    net or '', net and max(0, now - network[1]) or -1, lead, net and network[3] or 0, nets, near, tostring(kn),
    agentName or '', agent and max(0, now - agent[1]) or -1, agentsKnown, tostring(ka),
    tostring(d), deniedNew, tostring(highDenied),
    w > 0 and now - w or -1, g, dead, deadKnown, tonumber(s.q or 0), tonumber(s.l or 0),
  }
end

local answers = {}
for i = 1, #KEYS do
  now = tonumber(ARGV[at])
  local count = tonumber(ARGV[at + 1])
  at = at + 2
  local flat = redis.call('HGETALL', KEYS[i])
  if #flat == 0 then answers[i] = false; at = at + 7 * count
  else answers[i] = observe(KEYS[i], flat, count) end
end
return answers
`;

/** Starts a baseline with its fields and values, unless there is one. */
export const startScript = `if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('HSET', KEYS[1], unpack(ARGV)) end`;

/**
 * "It was us", at a time in seconds, for so many seconds: what was seen is known for longer than the two hours in which
 * it would be news, its level is the usual one, and for a while nothing stops. Atomic, so that no use that is counted
 * meanwhile is taken back. Answers the level: calls in the busiest minute and hour, refused scopes.
 */
export const learnScript = `
${formats}
local now, quiet = tonumber(ARGV[1]), tonumber(ARGV[2])
local flat = redis.call('HGETALL', KEYS[1])
if #flat == 0 then return { '0', '0', '0' } end
local write, s = { 'HSET', KEYS[1], 'q', now + quiet }, {}
for j = 1, #flat, 2 do
  local field, value = flat[j], flat[j + 1]
  s[field] = value
  if string.find(field, '^[NA]') then
    local first, last, calls = struct.unpack(ENTRY, value)
    write[#write + 1] = field
    write[#write + 1] = struct.pack(ENTRY, math.min(first, math.max(0, now - 7200)), last, calls)
  end
end
local _, _, _, _, c, p, _, hc = struct.unpack(INTEGERS, s.i)
local m, v, h, hm, hh, d, dh, kn, ka = struct.unpack(FLOATS, s.v)
h, hh, dh = math.max(h, c, p), math.max(hh, hc), math.max(dh, d)
write[#write + 1] = 'v'
write[#write + 1] = struct.pack(FLOATS, m, v, h, hm, hh, d, dh, kn, ka)
redis.call(unpack(write))
return { tostring(h), tostring(hh), tostring(dh) }
`;
