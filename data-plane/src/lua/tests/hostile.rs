//! What would never end, or take all memory, in the parts that Lua's own limits do not see.

use lua::pdk::Phase;

use super::{Scene, check, said};

#[test]
fn tables_that_hold_one_another_end_with_the_time_of_the_call() {
    let nested = |leaf: &str, last: &str| {
        format!("local t = {{ {leaf} }} for _ = 1, 31 do t = {{ t, t }} end {last}")
    };
    for (phase, source, expected) in [
        (
            Phase::Access,
            nested("'x'", "ngx.print(t)"),
            "error: execution time limit exceeded",
        ),
        (
            Phase::Access,
            nested("('x'):rep(2 ^ 20)", "ngx.say(t)"),
            "error: bad argument #1 to 'say' (string, number, boolean, nil, ngx.null, or array table expected, got too much)",
        ),
        (
            Phase::Log,
            nested(
                "",
                "kong.log.set_serialize_value('a', t) kong.log.serialize()",
            ),
            "error: execution time limit exceeded",
        ),
    ] {
        check(&Scene::default(), &[(phase, &source, expected)]);
    }
}

#[test]
fn an_answer_in_pieces_has_an_end() {
    let mut ctx = Scene::default().ctx();
    let output = &mut ctx.lua.get_or_insert_default().output;
    output.bytes = vec![b'x'; (64 << 20) - 1];
    let mut print = || said(Some(&mut ctx), Phase::Access, "ngx.print('y')");
    assert_eq!(print(), "exit 200");
    let output = &mut ctx.lua.get_or_insert_default().output;
    output.bytes = vec![b'x'; 64 << 20];
    let mut print = || said(Some(&mut ctx), Phase::Access, "ngx.print('y')");
    assert_eq!(print(), "error: answer longer than 64 MiB");
}

#[test]
fn any_number_of_headers_is_set_without_harm() {
    let many = "local many = {} for n = 1, 30000 do many['x-' .. n] = 'y' end ";
    for (phase, last, expected) in [
        (Phase::Access, "kong.service.request.set_headers(many)", ""),
        (Phase::HeaderFilter, "kong.response.set_headers(many)", ""),
        (
            Phase::Access,
            "kong.response.exit(200, nil, many)",
            "exit 200",
        ),
    ] {
        let mut ctx = Scene::default().ctx();
        let end = said(Some(&mut ctx), phase, &format!("{many}{last}"));
        // On a busy machine a third of the time that there is may not be enough.
        assert!(
            end == expected || end == "error: execution time limit exceeded",
            "{last}: {end}"
        );
    }
}
