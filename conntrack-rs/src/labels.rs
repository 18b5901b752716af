//! The names of label bits, from connlabel.conf or the file that `--labelmap` names.

use std::io::ErrorKind;
use std::path::Path;

/// Names and bits, in the file's order.
#[derive(Debug)]
pub(crate) struct Labels {
    names: Vec<(u8, String)>,
}

/// Where the names stand, the newer place first.
const PLACES: [&str; 2] = ["/etc/xtables/connlabel.conf", "/etc/connlabel.conf"];

impl Labels {
    /// Reads a file, or those there are without a name; if none can be read there is a warning and there are no names.
    pub(crate) fn load(file: Option<&Path>, warnings: &mut Vec<String>) -> Option<Self> {
        let places: &[&Path] = match &file {
            Some(file) => &[file],
            None => &PLACES.map(Path::new),
        };
        for place in places {
            match std::fs::read(place) {
                Ok(text) => return Some(Self::read(&String::from_utf8_lossy(&text))),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => {
                    let reason = error.to_string();
                    // As perror() says it, without the number.
                    let reason = reason.split(" (os error").next().unwrap_or_default();
                    warnings.push(format!("nfct_labelmap_new: {reason}"));
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
    #[test]
    fn the_file_is_named_once_and_before_the_labels() {
        let file = std::env::temp_dir().join(format!("labelmap-{}", std::process::id()));
        std::fs::write(&file, "7 seven\n").unwrap();
        let path = file.display().to_string();
        let parse = |line: &str| {
            let line = line.replace("FILE", &path);
            crate::reader::parse(&line.split(' ').map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>())
        };
        let said = |line: &str| parse(line).err().map(|error| error.to_string()).unwrap_or_default();
        for line in ["conntrack -U --labelmap FILE --label-add seven", "conntrack -L -M FILE -l seven"] {
            assert!(said(line).is_empty(), "{line}: {}", said(line));
        }
        assert_eq!(parse("conntrack -L -M FILE -l seven").unwrap().template.labelled, Some(1 << 7));
        assert!(said("conntrack -L -M FILE -l eight").contains("unknown label 'eight'"));
        assert!(said("conntrack -L -l seven -M FILE").contains("unknown label"));
        assert!(said("conntrack -L -o labels -M FILE").contains("must come before"));
        assert!(said("conntrack -L -M FILE -M FILE").contains("once"));
        assert!(said("conntrack -F -M FILE").contains("`--labelmap'"));
        std::fs::remove_file(&file).unwrap();
    }
}
