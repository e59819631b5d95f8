-- What wrk sends: requests for one path, with one prepared cookie after the other, each thread from a place of its own. At the
-- end, one line of JSON.
local threads = 0

function setup(thread)
  thread:set("place", threads)
  threads = threads + 1
end

function init(arguments)
  local path, file, most = arguments[1], arguments[2], tonumber(arguments[3])
  requests = {}
  if file then
    for cookie in io.lines(file) do
      if #requests == most then break end
      requests[#requests + 1] = wrk.format("GET", path, { Cookie = cookie })
    end
  else
    requests[1] = wrk.format("GET", path)
  end
  next_one = math.floor(#requests / 2) * (place % 2)
end

function request()
  next_one = next_one % #requests + 1
  return requests[next_one]
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"micros":%d,"p50_us":%d,"p99_us":%d,"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect, e.read, e.write, e.status, e.timeout))
end
