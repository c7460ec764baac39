-- pl.compat, after Penlight (LICENSE in this folder).
local pack, unpack = table.pack, unpack

return {
  lua51 = true,
  jit = true,
  jit52 = true,
  dir_separator = "/",
  is_windows = false,
  pack = pack,
  unpack = unpack,
}
