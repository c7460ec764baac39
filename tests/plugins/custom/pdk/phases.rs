//! Where each function may be called, as section 3 of the page has it.

/// Function, arguments, and the letters of the phases where it may be called: `*` is all, `-i` all but `init_worker`. Two
/// readings of the page are parted by `|`.
pub type Entry = (&'static str, &'static str, &'static str);

/// All *request* phases.
const REQUEST: &str = "wabrhfl";

/// The phases by letter, in the order in which messages list them.
const PHASES: [(char, &str); 10] = [
    ('i', "init_worker"),
    ('c', "certificate"),
    ('w', "rewrite"),
    ('a', "access"),
    ('b', "balancer"),
    ('r', "response"),
    ('h', "header_filter"),
    ('f', "body_filter"),
    ('l', "log"),
    ('p', "preread"),
];

pub const MATRIX: &[Entry] = &[
    ("kong.log", "('x')", "*"),
    ("kong.log.emerg", "('x')", "*"),
    ("kong.log.alert", "('x')", "*"),
    ("kong.log.crit", "('x')", "*"),
    ("kong.log.err", "('x')", "*"),
    ("kong.log.warn", "('x')", "*"),
    ("kong.log.notice", "('x')", "*"),
    ("kong.log.info", "('x')", "*"),
    ("kong.log.debug", "('x')", "*"),
    ("kong.log.inspect", "({})", "*"),
    ("kong.log.inspect.on", "()", "*"),
    ("kong.log.inspect.off", "()", "*"),
    (
        "kong.log.deprecation",
        "('x', { after = '1', removal = '2' })",
        "*",
    ),
    ("kong.log.set_serialize_value", "('x', 1)", "cwarhfl"),
    ("kong.log.serialize", "()", "l"),
    ("kong.request.get_scheme", "()", REQUEST),
    ("kong.request.get_host", "()", REQUEST),
    ("kong.request.get_port", "()", "cwabrhfl"),
    ("kong.request.get_forwarded_scheme", "()", REQUEST),
    ("kong.request.get_forwarded_host", "()", REQUEST),
    ("kong.request.get_forwarded_port", "()", REQUEST),
    ("kong.request.get_forwarded_path", "()", REQUEST),
    ("kong.request.get_forwarded_prefix", "()", REQUEST),
    ("kong.request.get_http_version", "()", REQUEST),
    ("kong.request.get_method", "()", REQUEST),
    ("kong.request.get_path", "()", REQUEST),
    ("kong.request.get_raw_path", "()", REQUEST),
    ("kong.request.get_path_with_query", "()", REQUEST),
    ("kong.request.get_raw_query", "()", REQUEST),
    ("kong.request.get_query_arg", "('a')", REQUEST),
    ("kong.request.get_query", "()", REQUEST),
    ("kong.request.get_header", "('a')", REQUEST),
    ("kong.request.get_headers", "()", REQUEST),
    ("kong.request.get_raw_body", "()", "war"),
    ("kong.request.get_body", "()", "war"),
    ("kong.request.get_start_time", "()", REQUEST),
    ("kong.request.get_uri_captures", "()", REQUEST),
    ("kong.client.get_ip", "()", "-i"),
    ("kong.client.get_port", "()", "-i"),
    ("kong.client.get_forwarded_ip", "()", "-i"),
    ("kong.client.get_forwarded_port", "()", "-i"),
    ("kong.client.get_credential", "()", "arhfl"),
    ("kong.client.get_consumer", "()", "arhfl"),
    ("kong.client.authenticate", "()", "a"),
    ("kong.client.load_consumer", "('x')", "arhfl"),
    ("kong.client.get_protocol", "()", "arhfl"),
    ("kong.service.request.set_scheme", "('x')", "wab"),
    ("kong.service.request.set_path", "('x')", "wab"),
    ("kong.service.request.set_raw_query", "(1)", "wa"),
    ("kong.service.request.set_query", "(1)", "wa"),
    ("kong.service.request.clear_query_arg", "('x')", "wa"),
    ("kong.service.request.set_method", "('x')", "wa"),
    ("kong.service.request.set_header", "(1)", "wab"),
    ("kong.service.request.add_header", "(1)", "wa|wab"),
    ("kong.service.request.clear_header", "(1)", "wa|wab"),
    ("kong.service.request.set_headers", "(1)", "wa|wab"),
    ("kong.service.request.set_raw_body", "(1)", "wab"),
    ("kong.service.request.set_body", "(1)", "wa"),
    ("kong.service.request.enable_buffering", "()", "wab"),
    ("kong.service.response.get_status", "()", "rhfl"),
    ("kong.service.response.get_header", "('x')", "rhfl"),
    ("kong.service.response.get_headers", "()", "rhfl"),
    ("kong.service.response.get_raw_body", "()", "rhfl"),
    ("kong.service.response.get_body", "()", "rhfl"),
    ("kong.response.get_status", "()", "rhfl"),
    ("kong.response.get_header", "('x')", "rhfl"),
    ("kong.response.get_headers", "()", "rhfl"),
    ("kong.response.get_source", "()", "rhfl"),
    ("kong.response.set_status", "('x')", "warh"),
    ("kong.response.set_header", "(1)", "warh"),
    ("kong.response.add_header", "(1)", "warh"),
    ("kong.response.clear_header", "(1)", "warh"),
    ("kong.response.set_headers", "(1)", "warh"),
    ("kong.response.get_raw_body", "()", "f"),
    ("kong.response.set_raw_body", "(1)", "f"),
    ("kong.response.exit", "('x')", "warhp"),
    ("kong.response.error", "('x')", "warh"),
    ("kong.router.get_route", "()", "abrhfl"),
    ("kong.router.get_service", "()", "abrhfl"),
];

/// What is wrong with a call in a phase, if anything: whether it worked, and its error if it did not.
pub fn judge(phase: &str, letters: &str, worked: bool, message: &str) -> Option<String> {
    let refusal = "function cannot be called in ";
    let letter = PHASES
        .iter()
        .find(|(_, name)| *name == phase)
        .expect("a phase")
        .0;
    let (allowed, lists) = match letters {
        "*" => (true, Vec::new()),
        "-i" => (letter != 'i', Vec::new()),
        letters => {
            let readings = letters.split('|');
            let list = |letters: &str| {
                let names = PHASES
                    .iter()
                    .filter(|(letter, _)| letters.contains(*letter));
                names.map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
            };
            (letters.contains(letter), readings.map(list).collect())
        }
    };
    if allowed {
        // Arguments that are wrong are another matter.
        let refused = !worked && message.contains(refusal);
        return refused.then(|| format!("it may be called there, but: {message}"));
    }
    let expected: Vec<_> = match lists.is_empty() {
        true => vec![format!("{refusal}{phase} phase")],
        false => lists
            .iter()
            .map(|list| format!("{refusal}{phase} phase (only in: {list})"))
            .collect(),
    };
    let right = |text: &String| {
        message.ends_with(text.as_str()) || (lists.is_empty() && message.contains(text.as_str()))
    };
    match !worked && expected.iter().any(right) {
        true => None,
        false if worked => Some(format!("it works, expected {expected:?}")),
        false => Some(format!("{message:?}, expected {expected:?}")),
    }
}
