/**
 * Updates the baselines of many tokens and answers what is unusual about these uses: for each key the facts that
 * `featuresOf` reads, or nothing where there is no baseline yet. Atomic per call; the same event twice counts once.
 *
 * One hash per token, every value under 64 bytes so that Redis keeps it in its compact form:
 *   f, t   first and last use, seconds        n      calls
 *   b c p  minute, its calls, the ones before hb hc  hour, its calls
 *   m v h  mean, variance, high-water mark of active minutes; hm hh of active hours
 *   d dh   refused scopes, decayed; their high-water mark
 *   kn ka  new networks and agents of late, decayed: who often brings new ones surprises less
 *   w g    awoke at, after so many days       q      quiet until, after "it was us"
 *   e      tags of the newest events
 *   N*, A*, D*   networks, agents, refused scopes: "first:last:calls", first in seconds, last in minutes
 */
export const baselineScript = `
local DAY = 86400
local limits = { N = 12, A = 6, D = 8 }
local at = 1
local s, now

local function num(value) return tonumber(value) or 0 end
local function short(value) return string.format('%.5g', value) end

local function fold(calls)
  if calls <= 0 then return end
  local mean, var = num(s.m), num(s.v)
  local delta = calls - mean
  local alpha = math.max(0.05, 1 / (num(s.k) + 1))
  s.m = mean + alpha * delta
  s.v = (1 - alpha) * (var + alpha * delta * delta)
  s.k = math.min(99, num(s.k) + 1)
  s.h = math.max(num(s.h), calls)
end

local function toMinute(minute)
  local b = num(s.b)
  if minute <= b then return end
  fold(num(s.p))
  if minute > b + 1 then fold(num(s.c)); s.p = 0 else s.p = num(s.c) end
  s.b = minute
  s.c = 0
end

local function toHour(hour)
  if hour <= num(s.hb) then return end
  local calls = num(s.hc)
  if calls > 0 then
    s.hm = num(s.hm) + 0.1 * (calls - num(s.hm))
    s.hh = math.max(num(s.hh), calls)
  end
  s.dh = math.max(num(s.dh), num(s.d))
  s.hb = hour
  s.hc = 0
end

local function entry(field)
  local first, last, calls = string.match(s[field] or '', '(%d+):(%d+):(%d+)')
  return num(first), num(last), num(calls)
end

local function known(kind)
  local count, oldest, oldestAt = 0, nil, math.huge
  for field in pairs(s) do
    if string.sub(field, 1, 1) == kind then
      count = count + 1
      local _, last = entry(field)
      if last < oldestAt then oldest, oldestAt = field, last end
    end
  end
  return count, oldest
end

local touched, gone

local function touch(kind, name, second, calls)
  local field = kind .. name
  local first, last, before = entry(field)
  if first == 0 then
    local count, oldest = known(kind)
    if count >= limits[kind] then s[oldest] = nil; touched[oldest] = nil; gone[oldest] = true end
    first = second
    if kind == 'N' then s.kn = num(s.kn) + 1 end
    if kind == 'A' then s.ka = num(s.ka) + 1 end
  end
  s[field] = string.format('%d:%d:%d', first, math.max(last, math.floor(second / 60)), math.min(9999999, before + calls))
  touched[field] = true
  gone[field] = nil
end

local function decay(dt)
  local function by(name, half) if s[name] then s[name] = num(s[name]) * 2 ^ (-dt / half) end end
  by('h', 45 * DAY); by('hh', 45 * DAY); by('dh', 45 * DAY)
  by('d', 6 * 3600); by('kn', 10 * DAY); by('ka', 10 * DAY)
end

local function isRepeated(tag)
  local ring = s.e or ''
  for i = 1, #ring, 4 do if string.sub(ring, i, i + 3) == tag then return true end end
  return false
end

local function newest(list, kind)
  local best, bestFirst, bestCalls
  for _, name in ipairs(list) do
    local first, _, calls = entry(kind .. name)
    if first > 0 and (not bestFirst or first > bestFirst or (first == bestFirst and calls > bestCalls)) then
      best, bestFirst, bestCalls = name, first, calls
    end
  end
  return best, bestFirst
end

-- Seconds by which another of the kind was there before: -1 for the first of all.
local function lead(kind, name, first)
  local most = -1
  for field in pairs(s) do
    if string.sub(field, 1, 1) == kind and field ~= kind .. name then most = math.max(most, first - (entry(field))) end
  end
  return most
end

-- Known: there for longer than an hour.
local function company(kind, wide)
  local count, near = 0, 0
  for field in pairs(s) do
    if string.sub(field, 1, 1) == kind then
      local first = entry(field)
      if now - first >= 3600 then
        count = count + 1
        if wide and string.sub(field, 2, 4) == wide then near = 1 end
      end
    end
  end
  return count, near
end

local function observe(key, count)
  touched, gone = {}, {}
  local dt = math.max(0, now - num(s.t))
  if s.t then
    decay(dt)
    if dt > 14 * DAY and num(s.n) >= 20 then s.w = now; s.g = math.floor(dt / DAY) end
  end
  s.t = math.max(now, num(s.t))
  -- As it was before these uses, so that no burst hides behind itself.
  local before = { mean = num(s.m), var = num(s.v), minutes = num(s.k), high = num(s.h), highHour = num(s.hh), denied = num(s.dh) }
  local busiest = 0
  local tags, networks, agents, dead, deadKnown, live = {}, {}, {}, 0, 0, 0
  local byNetwork = {}
  for _ = 1, count do
    local tag, second, use, calls = ARGV[at], num(ARGV[at + 1]), ARGV[at + 2], num(ARGV[at + 3])
    local minute = math.floor(second / 60)
    local network, agent, denied = ARGV[at + 4], ARGV[at + 5], ARGV[at + 6]
    at = at + 7
    local fresh = not isRepeated(tag)
    tags[tag] = true
    if use == 'x' then
      dead = dead + calls
      if network == '' or s['N' .. network] then deadKnown = deadKnown + calls end
    else
      live = live + calls
      if fresh then
        toMinute(minute)
        toHour(math.floor(minute / 60))
        if minute == num(s.b) then s.c = num(s.c) + calls
        elseif minute == num(s.b) - 1 then s.p = num(s.p) + calls end
        if math.floor(minute / 60) == num(s.hb) then s.hc = num(s.hc) + calls end
        busiest = math.max(busiest, num(s.c), num(s.p))
        s.n = num(s.n) + calls
      end
      if use == 'd' and fresh then s.d = num(s.d) + math.min(calls, 20) end
      if use ~= 'r' then
        local proof = (fresh and use == 'v') and calls or 0
        if network ~= '' then touch('N', network, second, proof); networks[#networks + 1] = network end
        if agent ~= '' then
          touch('A', agent, second, proof)
          agents[#agents + 1] = agent
          byNetwork[network] = byNetwork[network] or {}
          table.insert(byNetwork[network], agent)
        end
        for i = 1, #denied, 4 do touch('D', string.sub(denied, i, i + 3), second, 1) end
      end
    end
  end
  local ring = s.e or ''
  for tag in pairs(tags) do if not isRepeated(tag) then ring = ring .. tag end end
  s.e = string.sub(ring, -60)

  local net, netFirst = newest(networks, 'N')
  local agent, agentFirst = newest(net and now - netFirst < 3600 and byNetwork[net] or agents, 'A')
  local netCalls, nets, near, agentsKnown, netLead = 0, 0, 0, 0, -1
  if net then
    local _, _, calls = entry('N' .. net)
    netCalls = calls
    nets, near = company('N', string.sub(net, 1, 3))
    netLead = lead('N', net, netFirst)
  end
  if agent then agentsKnown = company('A') end
  local deniedNew = 0
  for field in pairs(s) do
    if string.sub(field, 1, 1) == 'D' and now - (entry(field)) < 6 * 3600 then deniedNew = deniedNew + 1 end
  end

  local write = { 'HSET', key }
  local function set(name, value) write[#write + 1] = name; write[#write + 1] = value end
  for _, name in ipairs({ 'f', 't', 'n', 'b', 'c', 'p', 'hb', 'hc', 'w', 'g', 'k' }) do
    if s[name] then set(name, string.format('%d', num(s[name]))) end
  end
  for _, name in ipairs({ 'm', 'v', 'h', 'hm', 'hh', 'd', 'dh', 'kn', 'ka' }) do
    if s[name] then set(name, short(num(s[name]))) end
  end
  set('e', s.e)
  for field in pairs(touched) do set(field, s[field]) end
  redis.call(unpack(write))
  for field in pairs(gone) do redis.call('HDEL', key, field) end
  redis.call('EXPIRE', key, 400 * DAY)

  return {
    now, num(s.f), num(s.n), live, busiest, short(before.mean), short(before.var), before.minutes,
    short(before.high), num(s.hc), short(num(s.hm)), short(before.highHour),
    net or '', netFirst and math.max(0, now - netFirst) or -1, netLead, netCalls, nets, near, short(num(s.kn)),
    agent or '', agentFirst and math.max(0, now - agentFirst) or -1, agentsKnown, short(num(s.ka)),
    short(num(s.d)), deniedNew, short(before.denied),
    s.w and now - num(s.w) or -1, num(s.g), dead, deadKnown, num(s.q), num(s.l),
  }
end

local answers = {}
for i = 1, #KEYS do
  now = num(ARGV[at])
  local count = num(ARGV[at + 1])
  at = at + 2
  local flat = redis.call('HGETALL', KEYS[i])
  s = {}
  for j = 1, #flat, 2 do s[flat[j]] = flat[j + 1] end
  if #flat == 0 then answers[i] = false; at = at + 7 * count
  else answers[i] = observe(KEYS[i], count) end
end
return answers
`;
