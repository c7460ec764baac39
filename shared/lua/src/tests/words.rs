//! What the sandbox has of its own says what stock LuaJIT says, at the same place.

use super::*;

#[test]
fn failures_are_worded_and_placed_as_in_stock_luajit() {
    let ours = state();
    let options = Options {
        trust: UntrustedLua::On,
        ..Options::default()
    };
    let stock = State::new(&options).expect("a state");
    for body in [
        "local x = string.gsub('x', '%', print)",
        "local x = string.gsub('x', '%', 'y')",
        "local x = string.gsub('x', 'x', function() return {} end)",
        "local x = string.gsub('x', 'x')",
        "local x = string.gsub('x', 'x', 'y', {})",
        "local x = string.gsub('x', 'x', print, {})",
        "return (string.gsub('xxx', 'x', function() return 'y' end, '2'))",
        "local x = string.gsub(nil, 'x', 'x')",
        "for a in string.gmatch('x', '%') do end",
        "for a in string.gmatch(nil, 'x') do end",
        "local x = string.find('x', '%')",
        "local x = string.find('x')",
        "local x = string.match('x', '(')",
        "local x = string.rep('x', {})",
        "local x = string.format('%d', {})",
        "local x = string.format('%d', 'x')",
        "local x = string.format('%y', {})",
        "local x = string.format('%s', setmetatable({}, { __tostring = function() error('in') end }))",
        "return string.format('%s %d', setmetatable({}, { __tostring = function() return 'in' end }), 3)",
        "table.sort({ 1, {}, 'x' })",
        "table.sort({ {}, {} })",
        "table.sort({ 3, 2, 1 }, function() error('in') end)",
        "table.sort({ 3, 2, 1 }, function() error({}) end)",
        "local t = { 3, 1, 2, 5, 4 } table.sort(t, function(a, b) return true end)",
        "table.sort(nil)",
        "table.sort({ 2, 1 }, 5)",
        "table.insert(nil, 1)",
        "table.insert({}, 1, 2, 3)",
        "table.insert({}, 'x', 2)",
        "table.insert({})",
        "local t = { 1, 2, 3 } table.insert(t, 2, 9) table.insert(t, '1', 8) table.insert(t, 9, 7) return table.concat(t, ',') .. t[9]",
        "local t = { 1, 2 } table.insert(t, 0, 9) return table.concat(t, ',', 0)",
        "local c = coroutine.wrap(function() error('in') end) c()",
        "local c = coroutine.wrap(function() error({}) end) c()",
        "local c = coroutine.wrap(function() end) c() c()",
        "coroutine.wrap(5)",
        "coroutine.resume(5)",
        "return table.concat({ coroutine.wrap(function(...) return ... end)(1, 2, 3) })",
        "local x = os.time({})",
        "return os.time({ year = 2000, month = 1, day = 1 })",
        "return tostring(pcall(xpcall, error, function() error('in', 0) end))",
        "return select('#', xpcall(error, function() return 1, 2 end))",
        "return tostring(select(2, pcall(string.find, 'x', '%')))",
    ] {
        assert_eq!(answer(&ours, body), answer(&stock, body), "{body}");
    }
}
