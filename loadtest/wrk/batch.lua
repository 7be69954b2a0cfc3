-- Sends DEPTH requests at a time, asking the given targets in turn:  wrk -s batch.lua URL -- DEPTH TARGET...
local batches = {}
local turn = 0

function init(args)
  local depth = tonumber(args[1])
  local targets = #args - 1
  for first = 1, targets do
    local batch = {}
    for at = 0, depth - 1 do
      batch[at + 1] = wrk.format("GET", args[2 + (first - 1 + at) % targets])
    end
    batches[first] = table.concat(batch)
  end
end

function request()
  turn = turn % #batches + 1
  return batches[turn]
end
