//! Names of ports, from `/etc/services`, as `getservbyname` and `getservbyport` find them.

use std::sync::OnceLock;

/// The port of a name or alias; with `protocol`, only in that protocol, else in the first line that has the name.
pub fn port(name: &str, protocol: Option<&str>) -> Option<u16> {
    services()
        .iter()
        .find(|service| protocol.is_none_or(|wanted| wanted == service.protocol) && service.is_called(name))
        .map(|service| service.port)
}

/// The name of a port in a protocol.
pub fn name(port: u16, protocol: &str) -> Option<&'static str> {
    services()
        .iter()
        .find(|service| service.port == port && service.protocol == protocol)
        .and_then(|service| service.names.first())
        .map(String::as_str)
}

struct Service {
    names: Vec<String>,
    port: u16,
    protocol: String,
}

impl Service {
    fn is_called(&self, name: &str) -> bool {
        self.names.iter().any(|own| own == name)
    }
}

fn services() -> &'static [Service] {
    static SERVICES: OnceLock<Vec<Service>> = OnceLock::new();
    SERVICES.get_or_init(|| {
        let file = std::fs::read("/etc/services").unwrap_or_default();
        String::from_utf8_lossy(&file).lines().filter_map(service).collect()
    })
}

/// `name port/protocol aliases… # comment`.
fn service(line: &str) -> Option<Service> {
    let line = line.split('#').next()?;
    let mut words = line.split_ascii_whitespace();
    let name = words.next()?;
    let (port, protocol) = words.next()?.split_once('/')?;
    let names = std::iter::once(name).chain(words).map(str::to_owned).collect();
    Some(Service { names, port: port.parse().ok()?, protocol: protocol.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_gives_a_name_a_port_and_aliases() {
        let http = service("http\t\t80/tcp\t\twww\t\t# WorldWideWeb HTTP").unwrap();
        assert_eq!((http.names, http.port, http.protocol), (vec!["http".into(), "www".into()], 80, "tcp".into()));
    }

    #[test]
    fn comments_and_broken_lines_are_skipped() {
        assert!(service("# nothing here").is_none());
        assert!(service("http 80").is_none());
        assert!(service("http 65536/tcp").is_none());
        assert!(service("").is_none());
    }
}
