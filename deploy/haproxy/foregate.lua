-- Forward auth for HAProxy 2.5 and later: asks Foregate about each request. See docs/integrations/haproxy.md.
--
--   http-request lua.foregate <address of Foregate> <names of the identity headers>
--
-- A request goes on, and txn.foregate is "allowed", only after Foregate has answered 200, with the identity
-- headers of that answer in place of the client's own. Every other answer goes to the browser as it is; no
-- answer is 503.

local timeout = 10000 -- milliseconds that Foregate may take

-- What belongs to one connection or to the body, which Foregate is not sent.
local unsent = {
  ["connection"] = true, ["keep-alive"] = true, ["proxy-connection"] = true, ["te"] = true, ["trailer"] = true,
  ["transfer-encoding"] = true, ["upgrade"] = true, ["http2-settings"] = true, ["expect"] = true,
  ["content-length"] = true, ["content-encoding"] = true, ["host"] = true,
}

-- What an application could believe of a browser: another address, path or method than the one that is judged, and
-- what CGI programs take for their proxy.
local claims = {
  ["forwarded"] = true, ["x-forwarded"] = true, ["x-real-ip"] = true, ["x-client-ip"] = true, ["x-cluster-client-ip"] = true,
  ["true-client-ip"] = true, ["cf-connecting-ip"] = true, ["x-rewrite-url"] = true, ["x-http-method-override"] = true,
  ["x-http-method"] = true, ["x-method-override"] = true, ["proxy"] = true,
}

-- Applications that fold "_" or "." into "-" take X_Forwarded_User for X-Forwarded-User.
local function folded(name)
  return (name:lower():gsub("[^a-z0-9]", "-"))
end

-- The application does not get Foregate's cookies.
local function others(cookies)
  local kept = {}
  for pair in cookies:gmatch("[^;]+") do
    local name = pair:match("^%s*([^=]*)"):gsub("^__Host%-", ""):gsub("^__Secure%-", "")
    if not name:find("^foregate") then kept[#kept + 1] = pair:match("^%s*(.*)$") end
  end
  return table.concat(kept, "; ")
end

local down = {
  status = 503, headers = {["retry-after"] = {"5"}, ["cache-control"] = {"no-store"}, ["content-type"] = {"text/plain; charset=utf-8"}},
  body = "We cannot check who you are right now. Please try again in a minute.\n",
}

-- ask returns what to answer in place of the application; nothing, if the request may go on.
local function ask(txn, address, names)
  local identity = {}
  for name in names:gmatch("[^,]+") do identity[folded(name)] = name end

  local question = {}
  for name, values in pairs(txn.http:req_get_headers()) do
    local plain = folded(name)
    if identity[plain] or claims[plain] or plain:find("^x%-forwarded%-") or plain:find("^x%-original%-") then
      txn.http:req_del_header(name)
    elseif not unsent[name] then
      question[name] = values
    end
  end

  local cookies = question["cookie"]
  if cookies then
    txn.http:req_del_header("cookie")
    for _, line in pairs(cookies) do
      local kept = others(line)
      if kept ~= "" then txn.http:req_add_header("Cookie", kept) end
    end
  end

  -- The application gets the very address that is asked about.
  local target, proto = txn.f:pathq(), txn.f:ssl_fc() == 1 and "https" or "http"
  if target:sub(1, 1) ~= "/" then
    return {status = 400}
  end
  txn.http:req_set_uri(target)
  question["host"] = {txn.f:req_hdr("host")}
  question["x-forwarded-for"] = {txn.f:src()}
  question["x-forwarded-proto"] = {proto}
  question["x-forwarded-host"] = {txn.f:req_hdr("host")}
  question["x-forwarded-method"] = {txn.f:method()}
  question["x-forwarded-uri"] = {target}

  local answer = core.httpclient():get{url = "http://" .. address .. "/sso/verify", headers = question, timeout = timeout}
  if answer.status ~= 200 then
    if not answer.headers or answer.status < 300 then
      core.log(core.err, "foregate: no answer from " .. address)
      return down
    end
    local headers = {}
    for name, values in pairs(answer.headers) do
      if not unsent[name:lower()] then headers[name] = values end
    end
    return {status = answer.status, reason = answer.reason, headers = headers, body = answer.body}
  end
  local named = {}
  for name, values in pairs(answer.headers) do
    local known = identity[folded(name)]
    if known then
      named[known] = true
      for _, value in pairs(values) do
        if value ~= "" then txn.http:req_add_header(known, value) end
      end
    end
  end
  for _, name in pairs(identity) do -- Foregate names them all, also of nobody
    if not named[name] then error("the answer of " .. address .. " is without " .. name) end
  end
  txn.http:req_set_header("X-Forwarded-For", txn.f:src())
  txn.http:req_set_header("X-Forwarded-Proto", proto)
  txn.http:req_set_header("X-Forwarded-Host", txn.f:req_hdr("host"))
end

core.register_action("foregate", {"http-req"}, function(txn, address, names)
  local ok, reply = pcall(ask, txn, address, names)
  if not ok then
    core.log(core.err, "foregate: " .. tostring(reply))
    reply = down
  end
  if reply then
    txn:done(txn:reply(reply)) -- does not return
  end
  txn:set_var("txn.foregate", "allowed")
end, 2)
