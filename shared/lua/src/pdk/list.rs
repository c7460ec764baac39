//! The list of declared functions. A test of the data plane asks that each has its behaviour there.

use super::{Declared, Phases};

const fn declared(name: &'static str, letters: &str) -> Declared {
    Declared {
        name,
        phases: Phases::letters(letters),
    }
}

/// Everywhere.
const ALL: &str = "icwabrhflpt";
/// Where there is a request: the page's *request*.
const REQUEST: &str = "wabrhfl";

/// Every function of the PDK and of `ngx` that needs to know a request, a worker or a node. What needs neither is in
/// `modules`.
pub static FUNCTIONS: &[Declared] = &[
    declared("kong.log()", ALL),
    declared("kong.log.emerg", ALL),
    declared("kong.log.alert", ALL),
    declared("kong.log.crit", ALL),
    declared("kong.log.err", ALL),
    declared("kong.log.warn", ALL),
    declared("kong.log.notice", ALL),
    declared("kong.log.info", ALL),
    declared("kong.log.debug", ALL),
    declared("kong.request.get_header", REQUEST),
    declared("kong.service.request.set_header", "wab"),
    declared("kong.response.exit", "warhp"),
    declared("kong.ctx[]", REQUEST),
    declared("ngx[]", ALL),
    declared("ngx[]=", ALL),
];
