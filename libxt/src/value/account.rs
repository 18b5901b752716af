//! Users and groups by name, from `/etc/passwd` and `/etc/group`.

/// The two kinds of account, which share their files' layout as far as it is needed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Account {
    /// `/etc/passwd`.
    User,
    /// `/etc/group`.
    Group,
}

impl Account {
    /// The number of a name, as `getpwnam` or `getgrnam`.
    pub fn id(self, name: &str) -> Option<u32> {
        self.find(|own, _| own == name).map(|(_, id)| id)
    }

    /// The name of a number, as `getpwuid` or `getgrgid`.
    pub fn name(self, id: u32) -> Option<String> {
        self.find(|_, own| own == id).map(|(name, _)| name)
    }

    fn find(self, wanted: impl Fn(&str, u32) -> bool) -> Option<(String, u32)> {
        let path = match self {
            Self::User => "/etc/passwd",
            Self::Group => "/etc/group",
        };
        let file = std::fs::read(path).ok()?;
        String::from_utf8_lossy(&file)
            .lines()
            .filter_map(line)
            .find(|(name, id)| wanted(name, *id))
            .map(|(name, id)| (name.to_owned(), id))
    }
}

/// `name:password:number:…`.
fn line(line: &str) -> Option<(&str, u32)> {
    let mut fields = line.split(':');
    let name = fields.next()?;
    let id = fields.nth(1)?.parse().ok()?;
    Some((name, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_field_is_the_number() {
        assert_eq!(line("daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin"), Some(("daemon", 1)));
        assert_eq!(line("daemon:x"), None);
        assert_eq!(line("daemon:x:y"), None);
    }
}
