//! The names of label bits, from connlabel.conf.

/// Names and bits, in the file's order.
#[derive(Debug)]
pub(crate) struct Labels {
    names: Vec<(u8, String)>,
}

/// Where the names stand, the newer place first.
const PLACES: [&str; 2] = ["/etc/xtables/connlabel.conf", "/etc/connlabel.conf"];

impl Labels {
    /// Reads the file; without one there is a warning and there are no names.
    pub(crate) fn load(warnings: &mut Vec<String>) -> Option<Self> {
        for place in PLACES {
            match std::fs::read_to_string(place) {
                Ok(text) => return Some(Self::read(&text)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    warnings.push(format!("nfct_labelmap_new: {error}"));
                    return None;
                }
            }
        }
        warnings.push("nfct_labelmap_new: No such file or directory".into());
        None
    }

    /// Lines of a bit and a name; `#` begins a comment.
    fn read(text: &str) -> Self {
        let entry = |line: &str| {
            let mut words = line.split('#').next()?.split_whitespace();
            let bit = words.next()?.parse().ok().filter(|&bit: &u8| bit < 128)?;
            Some((bit, words.next()?.to_owned()))
        };
        Self { names: text.lines().filter_map(entry).collect() }
    }

    /// The bit of a name.
    pub(crate) fn bit(&self, name: &[u8]) -> Option<u8> {
        self.names.iter().find(|(_, known)| known.as_bytes() == name).map(|&(bit, _)| bit)
    }

    /// The names of these bits, lowest bit first.
    pub(crate) fn of(&self, bits: u128) -> Vec<&str> {
        let name = |bit: u8| self.names.iter().find(|&&(known, _)| known == bit).map(|(_, name)| name.as_str());
        (0..128).filter(|bit| bits >> bit & 1 != 0).filter_map(name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_have_names_and_names_have_bits() {
        let labels = Labels::read("# eye\n1 one\n40\tforty # four\nx y\n128 no\n");
        assert_eq!(labels.bit(b"forty"), Some(40));
        assert_eq!(labels.bit(b"no"), None);
        assert_eq!(labels.of(1 << 40 | 1 << 1 | 1 << 3), ["one", "forty"]);
    }
}
