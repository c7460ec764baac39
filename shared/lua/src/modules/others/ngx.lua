-- ngx.errlog and ngx.process: what of them a plugin asks. Given: nothing, and the name.
local _, name = ...

if name == "process" then
  return {
    type = function()
      return "worker"
    end,
  }
end

return {
  raw_log = function(level, text)
    ngx.log(level, text)
  end,
}
