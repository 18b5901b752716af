//! GNU getopt_long: bundles, abbreviations, permuted words, arguments in the same word or the next.

/// Whether an option takes an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Argument {
    /// None.
    No,
    /// In the same word or in the next.
    Required,
    /// In the same word only.
    Optional,
}

/// A long option and what it stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Long<T> {
    /// Without the dashes.
    pub(crate) name: &'static str,
    /// Whether it takes an argument.
    pub(crate) argument: Argument,
    /// What it stands for.
    pub(crate) is: T,
}

/// One step through the words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step<'a, T> {
    /// A short option of this letter.
    Short(u8, Option<&'a [u8]>),
    /// A long option.
    Long(T, Option<&'a [u8]>),
    /// Unknown or ambiguous; the word it stands in.
    Unknown(&'a [u8]),
    /// The argument is missing; the word it stands in.
    Missing(&'a [u8]),
}

/// The words and how far they were read. Words that are no options are passed over.
#[derive(Debug)]
pub(crate) struct Getopt<'a> {
    words: &'a [Vec<u8>],
    next: usize,
    /// What is left of a bundle of short options, and its word.
    bundle: &'a [u8],
    word: &'a [u8],
}

impl<'a> Getopt<'a> {
    /// Starts at the first word (the program's name is not among them).
    pub(crate) fn new(words: &'a [Vec<u8>]) -> Self {
        Self { words, next: 0, bundle: &[], word: &[] }
    }

    /// The next option. `short` says whether a letter takes an argument, or that it is none of ours.
    pub(crate) fn step<T: Copy + PartialEq>(
        &mut self,
        short: impl Fn(u8) -> Option<Argument>,
        long: &[Long<T>],
    ) -> Option<Step<'a, T>> {
        while self.bundle.is_empty() {
            let word = self.words.get(self.next)?;
            self.next += 1;
            match word.as_slice() {
                b"--" => {
                    self.next = self.words.len();
                    return None;
                }
                [b'-', b'-', rest @ ..] => return Some(self.long(word, rest, long)),
                [b'-', rest @ ..] => (self.bundle, self.word) = (rest, word),
                _ => {}
            }
        }
        let (&letter, rest) = self.bundle.split_first()?;
        self.bundle = rest;
        Some(match short(letter) {
            None => Step::Unknown(self.word),
            Some(Argument::No) => Step::Short(letter, None),
            Some(Argument::Optional) => {
                self.bundle = &[];
                Step::Short(letter, Some(rest).filter(|rest| !rest.is_empty()))
            }
            Some(Argument::Required) if !rest.is_empty() => {
                self.bundle = &[];
                Step::Short(letter, Some(rest))
            }
            Some(Argument::Required) => match self.words.get(self.next) {
                Some(value) => {
                    self.next += 1;
                    Step::Short(letter, Some(value))
                }
                None => Step::Missing(self.word),
            },
        })
    }

    /// The next word if it is no option: the argument of an option that may do without. It is left in its place, where
    /// it counts as a stray word.
    pub(crate) fn loose_word(&self) -> Option<&'a [u8]> {
        if !self.bundle.is_empty() {
            return None;
        }
        self.words.get(self.next).map(Vec::as_slice).filter(|word| !matches!(word.first(), Some(b'-' | b'!')))
    }

    fn long<T: Copy + PartialEq>(&mut self, word: &'a [u8], rest: &'a [u8], long: &[Long<T>]) -> Step<'a, T> {
        let mut parts = rest.splitn(2, |&byte| byte == b'=');
        let name = parts.next().unwrap_or_default();
        let value = parts.next();
        let mut fitting = long.iter().filter(|option| option.name.as_bytes().starts_with(name));
        let exact = long.iter().find(|option| option.name.as_bytes() == name);
        let found = exact.or_else(|| {
            let first = fitting.next()?;
            // Two names of one option are not ambiguous.
            fitting.all(|other| other.is == first.is && other.argument == first.argument).then_some(first)
        });
        match found {
            None => Step::Unknown(word),
            Some(option) => match (option.argument, value) {
                (Argument::No, Some(_)) => Step::Unknown(word),
                (Argument::Required, None) => match self.words.get(self.next) {
                    Some(value) => {
                        self.next += 1;
                        Step::Long(option.is, Some(value))
                    }
                    None => Step::Missing(word),
                },
                (_, value) => Step::Long(option.is, value),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &[Long<u8>] = &[
        Long { name: "dump", argument: Argument::Optional, is: b'L' },
        Long { name: "delete", argument: Argument::Optional, is: b'D' },
        Long { name: "src", argument: Argument::Required, is: b's' },
        Long { name: "orig-src", argument: Argument::Required, is: b's' },
    ];

    fn steps(words: &[&str]) -> String {
        let words: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        let mut getopt = Getopt::new(&words);
        let short = |letter| match letter {
            b'L' => Some(Argument::Optional),
            b's' => Some(Argument::Required),
            b'z' => Some(Argument::No),
            _ => None,
        };
        let mut out = String::new();
        while let Some(step) = getopt.step(short, LONG) {
            let text = |bytes: Option<&[u8]>| bytes.map_or("-".into(), |b| String::from_utf8_lossy(b).into_owned());
            out += &match step {
                Step::Short(letter, value) | Step::Long(letter, value) => {
                    format!("{}:{} ", char::from(letter), text(value))
                }
                Step::Unknown(word) => format!("?{} ", text(Some(word))),
                Step::Missing(word) => format!("!{} ", text(Some(word))),
            };
        }
        out
    }

    #[test]
    fn options_are_found_among_words_and_in_bundles() {
        assert_eq!(steps(&["foo", "-zL", "bar", "-s1", "-s", "2", "--", "-z"]), "z:- L:- s:1 s:2 ");
    }

    #[test]
    fn long_names_may_be_cut_while_they_are_clear() {
        assert_eq!(steps(&["--du", "--d", "--orig-s=1", "--src", "2"]), "L:- ?--d s:1 s:2 ");
    }

    #[test]
    fn what_is_missing_or_unknown_is_named() {
        assert_eq!(steps(&["-q", "--foo", "-s"]), "?-q ?--foo !-s ");
    }
}
