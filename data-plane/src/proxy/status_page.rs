//! What a status says when nobody gave it words: Kong's web server has error pages for some and plain pages for most.

use http::StatusCode;

/// The body of a status without words.
#[derive(Debug, PartialEq, Eq)]
pub enum Page {
    /// The error page of proxy-and-routing.md 7 B.
    Error,
    /// A plain page of the web server's own, `text/html` without a charset.
    Plain(String),
    /// Nothing.
    Empty,
}

/// Which page a status has.
pub fn page(status: StatusCode) -> Page {
    let code = status.as_u16();
    if matches!(code, 400 | 404 | 405 | 408 | 411..=414 | 417 | 494 | 500 | 502..=504) {
        return Page::Error;
    }
    match title(code) {
        Some(title) => Page::Plain(format!(
            "<html>\r\n<head><title>{code} {title}</title></head>\r\n<body>\r\n\
             <center><h1>{code} {title}</h1></center>\r\n</body>\r\n</html>\r\n"
        )),
        None => Page::Empty,
    }
}

fn title(code: u16) -> Option<&'static str> {
    Some(match code {
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        402 => "Payment Required",
        403 => "Forbidden",
        406 => "Not Acceptable",
        409 => "Conflict",
        410 => "Gone",
        415 => "Unsupported Media Type",
        416 => "Requested Range Not Satisfiable",
        421 => "Misdirected Request",
        429 => "Too Many Requests",
        501 => "Not Implemented",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_kind_of_page() {
        let page = |code| page(StatusCode::from_u16(code).expect("a status"));
        assert_eq!(page(400), Page::Error);
        assert_eq!(page(504), Page::Error);
        assert_eq!(page(200), Page::Empty);
        assert_eq!(page(418), Page::Empty);
        let moved = "<html>\r\n<head><title>301 Moved Permanently</title></head>\r\n<body>\r\n\
                     <center><h1>301 Moved Permanently</h1></center>\r\n</body>\r\n</html>\r\n";
        assert_eq!(page(301), Page::Plain(moved.to_owned()));
    }
}
