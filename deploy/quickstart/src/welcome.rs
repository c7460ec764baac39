//! What is printed when everything runs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// The addresses, lines to paste, and where the state lies. `listening` names listeners as the planes do.
pub fn text(listening: &[(&'static str, SocketAddr)], state: &Path) -> String {
    let url = |name: &str| {
        listening
            .iter()
            .find(|(found, _)| *found == name)
            .map(|(_, address)| reached(*address))
    };
    let line = |label: &str, name: &str, scheme: &str, path: &str| {
        let urls = listening.iter().filter(|(found, _)| *found == name);
        let text = |(_, address): &(_, SocketAddr)| {
            format!("  {label:<15}{scheme}://{}{path}\n", reached(*address))
        };
        urls.map(text).collect::<String>()
    };
    let lines = [
        line("proxy", "proxy", "http", ""),
        line("", "proxy_ssl", "https", ""),
        line("Admin API", "admin", "http", ""),
        line("", "admin_ssl", "https", ""),
        line("demo upstream", "demo", "http", ""),
        line("node status", "status", "http", "/status"),
    ];
    let paste = match (url("admin"), url("proxy"), url("demo")) {
        (Some(admin), Some(proxy), Some(demo)) => paste(&admin, &proxy, &demo),
        _ => String::new(),
    };
    format!(
        "\nHeadgate runs: a control plane, a data plane and a demo upstream in one process.\n\n{}\n{paste}\
         The state lies in {} and is kept for the next start. Ctrl-C stops everything.\n\n",
        lines.concat(),
        state.display(),
    )
}

fn paste(admin: &str, proxy: &str, demo: &str) -> String {
    format!(
        "Paste these three lines: a service, a route to it, a plugin that adds a header.\n\n\
         \x20 curl -X POST {admin}/services -d name=demo -d url=http://{demo}\n\
         \x20 curl -X POST {admin}/services/demo/routes -d name=demo -d 'paths[]=/demo'\n\
         \x20 curl -X POST '{admin}/services/demo/plugins?wait=applied' -d name=request-transformer \
         -d config.add.headers=x-greeting:hello\n\n\
         Then see what the upstream gets: http://{proxy}/demo/orders?item=7\n\n"
    )
}

/// How a listener is reached from this machine.
fn reached(mut address: SocketAddr) -> String {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address.to_string()
}

/// The same for a program that reads: one line for each listener, and `ready`.
pub fn for_scripts(listening: &[(&'static str, SocketAddr)]) -> String {
    let line = |(name, address): &(&str, SocketAddr)| format!("listening {name} {address}\n");
    listening.iter().map(line).collect::<String>() + "ready\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_to_paste_have_the_ports_that_listen() {
        let at = |text: &str| text.parse().expect("an address");
        let listening = [
            ("proxy", at("0.0.0.0:9000")),
            ("proxy_ssl", at("[::]:9443")),
            ("admin", at("127.0.0.1:9001")),
            ("demo", at("127.0.0.1:9010")),
        ];
        let text = text(&listening, Path::new("./state"));
        for expected in [
            "proxy          http://127.0.0.1:9000\n",
            "https://[::1]:9443\n",
            "curl -X POST 127.0.0.1:9001/services -d name=demo -d url=http://127.0.0.1:9010\n",
            "see what the upstream gets: http://127.0.0.1:9000/demo/orders?item=7\n",
            "The state lies in ./state",
        ] {
            assert!(
                text.contains(expected),
                "'{expected}' is missing in\n{text}"
            );
        }
        assert_eq!(text.matches("curl ").count(), 3);
    }

    #[test]
    fn what_does_not_listen_is_not_offered() {
        let text = text(
            &[("admin", "127.0.0.1:9001".parse().expect("an address"))],
            Path::new("x"),
        );
        assert!(!text.contains("curl"), "{text}");
    }
}
