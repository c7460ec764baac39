//! What code writes as the answer.

use lua::pdk::Phase;

use super::asked;
use crate::lua::call::{Halted, Outcome};
use crate::lua::tests::{check, outcome, said};
use crate::plugins::{Answer, AnswerBody};

fn answer(phase: Phase, source: &str) -> Answer {
    match outcome(Some(&mut asked().ctx()), phase, source) {
        Outcome::Halted(Halted::Answer(answer)) => *answer,
        other => panic!("{source}: {other:?}"),
    }
}

#[test]
fn answers_are_written_piece_by_piece() {
    for (source, status, body) in [
        (
            "ngx.say('a', 1, nil, true, ngx.null, { 'b', { 'c' } })",
            200,
            "a1niltruenullbc\n",
        ),
        ("ngx.print('a') ngx.print('b')", 200, "ab"),
        ("ngx.status = 403 ngx.say('no') ngx.exit(403)", 403, "no\n"),
        (
            "ngx.status = 403 ngx.say('no') ngx.exit(ngx.OK) ngx.say('never')",
            403,
            "no\n",
        ),
        ("ngx.say('a') ngx.status = 500", 200, "a\n"),
        ("ngx.send_headers()", 200, ""),
        (
            "ngx.say('a') ngx.eof() assert(select(2, ngx.say('b')) == 'seen eof')",
            200,
            "a\n",
        ),
    ] {
        let answer = answer(Phase::Access, source);
        assert_eq!(answer.status.as_u16(), status, "{source}");
        match &answer.body {
            AnswerBody::Exact(bytes) => assert_eq!(bytes, body, "{source}"),
            other => panic!("{source}: {other:?}"),
        }
    }
    check(
        &asked(),
        &[
            (
                Phase::Access,
                "ngx.say(print)",
                "error: bad argument #1 to 'say' (string, number, boolean, nil, ngx.null, or array table expected, got function)",
            ),
            (
                Phase::Access,
                "ngx.print('a', { a = 1 })",
                "error: bad argument #2 to 'print' (string, number, boolean, nil, ngx.null, or array table expected, got non-array table)",
            ),
            (
                Phase::Access,
                "return ngx.flush(true)",
                "nil, 'nothing to flush'",
            ),
            (
                Phase::HeaderFilter,
                "ngx.say('a')",
                "error: API disabled in the context of header_filter_by_lua*",
            ),
            (
                Phase::Access,
                "ngx.say('a') kong.response.set_header('a', 'b')",
                "error: headers have already been sent",
            ),
            (
                Phase::Access,
                "ngx.say('a') kong.response.exit(200)",
                "error: headers have already been sent",
            ),
            (
                Phase::Access,
                "ngx.say('a') ngx.redirect('/')",
                "error: attempt to call ngx.redirect after sending out the headers",
            ),
        ],
    );
}

#[test]
fn exit_and_redirect_end_the_phase() {
    check(
        &asked(),
        &[
            (Phase::Access, "ngx.exit(ngx.OK) error('goes on')", "exit"),
            (
                Phase::Access,
                "ngx.exit(ngx.DECLINED) error('goes on')",
                "exit",
            ),
            (Phase::Access, "ngx.exit(403) error('goes on')", "exit 403"),
            (Phase::Access, "ngx.exit(ngx.ERROR)", "exit 500"),
            (Phase::HeaderFilter, "ngx.exit(404)", "exit 404"),
            (
                Phase::Access,
                "ngx.exit()",
                "error: bad argument #1 to 'exit' (number expected, got no value)",
            ),
            (
                Phase::Access,
                "ngx.exit('x')",
                "error: bad argument #1 to 'exit' (number expected, got string)",
            ),
            (
                Phase::Log,
                "ngx.exit(200)",
                "error: API disabled in the context of log_by_lua*",
            ),
            (
                Phase::Access,
                "ngx.redirect('/x', 200)",
                "error: only ngx.HTTP_MOVED_TEMPORARILY, ngx.HTTP_MOVED_PERMANENTLY, ngx.HTTP_PERMANENT_REDIRECT, ngx.HTTP_SEE_OTHER, and ngx.HTTP_TEMPORARY_REDIRECT are allowed",
            ),
            (
                Phase::Access,
                "ngx.redirect('/x\\n')",
                "error: unsafe byte \"0x0a\" in redirect uri \"/x\\n\"",
            ),
            (
                Phase::Access,
                "ngx.redirect()",
                "error: bad argument #1 to 'redirect' (string expected, got nil)",
            ),
            (
                Phase::Log,
                "ngx.redirect('/x')",
                "error: API disabled in the context of log_by_lua*",
            ),
        ],
    );
    assert_eq!(said(None, Phase::Timer, "ngx.exit(403)"), "exit");
    for (source, status) in [
        ("ngx.redirect('/x')", 302),
        ("ngx.redirect('/x', 308)", 308),
    ] {
        let answer = answer(Phase::Access, source);
        assert_eq!(answer.status.as_u16(), status);
        assert_eq!(answer.headers["location"], "/x");
        assert!(matches!(answer.body, AnswerBody::Status));
    }
}
