//! The options of `-save` and `-restore` as GNU `getopt_long` reads them, its own messages included.

/// What an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    Nothing,
    Required,
    /// In the same word only; the short option then takes nothing.
    Optional,
}

/// A program's options: letter, long name, argument.
pub(crate) type Table = &'static [(char, &'static str, Takes)];

/// What was found next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// The option of that letter.
    Option(char, Option<String>),
    /// A word that is no option.
    Operand(String),
    /// getopt's own message, without the program's name.
    Bad(String),
}

/// A walk over a command line; operands may stand anywhere.
pub(crate) struct Options<'a> {
    table: Table,
    words: &'a [String],
    next: usize,
    bundle: String,
    operands_only: bool,
}

impl<'a> Options<'a> {
    /// `words` begin with the program's name.
    pub(crate) fn new(table: Table, words: &'a [String]) -> Self {
        Self { table, words, next: 1, bundle: String::new(), operands_only: false }
    }

    /// The next word, if it can be an argument that the program takes by itself (`xs_has_arg()`).
    pub(crate) fn take_operand(&mut self) -> Option<&'a str> {
        let word = self.words.get(self.next).filter(|word| !word.starts_with(['-', '!']))?;
        self.next += 1;
        Some(word)
    }

    fn long(&mut self, text: &str) -> Item {
        let (name, argument) = match text.split_once('=') {
            Some((name, argument)) => (name, Some(argument.to_owned())),
            None => (text, None),
        };
        let exact = self.table.iter().find(|(_, long, _)| *long == name);
        let candidates: Vec<_> = self.table.iter().filter(|(_, long, _)| long.starts_with(name)).collect();
        let &(letter, long, takes) = match (exact, &candidates[..]) {
            (Some(found), _) => found,
            (None, [found]) => *found,
            (None, []) => return Item::Bad(format!("unrecognized option '--{name}'")),
            (None, several) => {
                let names: String = several.iter().map(|(_, long, _)| format!(" '--{long}'")).collect();
                return Item::Bad(format!("option '--{name}' is ambiguous; possibilities:{names}"));
            }
        };
        match (takes, argument) {
            (Takes::Nothing, Some(_)) => Item::Bad(format!("option '--{long}' doesn't allow an argument")),
            (Takes::Required, None) => match self.words.get(self.next) {
                Some(argument) => {
                    self.next += 1;
                    Item::Option(letter, Some(argument.clone()))
                }
                None => Item::Bad(format!("option '--{long}' requires an argument")),
            },
            (_, argument) => Item::Option(letter, argument),
        }
    }

    fn short(&mut self) -> Item {
        let letter = self.bundle.remove(0);
        let Some(&(_, _, takes)) = self.table.iter().find(|(known, _, _)| *known == letter) else {
            return Item::Bad(format!("invalid option -- '{letter}'"));
        };
        if takes != Takes::Required {
            return Item::Option(letter, None);
        }
        if !self.bundle.is_empty() {
            return Item::Option(letter, Some(std::mem::take(&mut self.bundle)));
        }
        match self.words.get(self.next) {
            Some(argument) => {
                self.next += 1;
                Item::Option(letter, Some(argument.clone()))
            }
            None => Item::Bad(format!("option requires an argument -- '{letter}'")),
        }
    }
}

impl Iterator for Options<'_> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        if !self.bundle.is_empty() {
            return Some(self.short());
        }
        let word = self.words.get(self.next)?;
        self.next += 1;
        if self.operands_only || !word.starts_with('-') || word == "-" {
            return Some(Item::Operand(word.clone()));
        }
        if word == "--" {
            self.operands_only = true;
            return self.next();
        }
        if let Some(long) = word.strip_prefix("--") {
            return Some(self.long(long));
        }
        self.bundle = word.chars().skip(1).collect();
        Some(self.short())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: Table = &[
        ('v', "verbose", Takes::Nothing),
        ('V', "version", Takes::Nothing),
        ('T', "table", Takes::Required),
        ('w', "wait", Takes::Optional),
    ];

    fn items(line: &str) -> Vec<Item> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        Options::new(TABLE, &words).collect()
    }

    #[test]
    fn options_and_operands_come_in_any_order() {
        use Item::{Operand, Option};
        let table = Some("nat".to_owned());
        assert_eq!(items("p x -vT nat"), [Operand("x".into()), Option('v', None), Option('T', table.clone())]);
        assert_eq!(items("p --tab=nat -- -v"), [Option('T', table), Operand("-v".into())]);
        assert_eq!(items("p --wait=3"), [Option('w', Some("3".into()))]);
    }

    #[test]
    fn what_is_wrong_is_said_in_the_words_of_getopt() {
        let bad = |line: &str| match items(line).pop() {
            Some(Item::Bad(text)) => text,
            other => panic!("{other:?}"),
        };
        assert_eq!(bad("p -x"), "invalid option -- 'x'");
        assert_eq!(bad("p -T"), "option requires an argument -- 'T'");
        assert_eq!(bad("p --nonsense"), "unrecognized option '--nonsense'");
        assert_eq!(bad("p --ver"), "option '--ver' is ambiguous; possibilities: '--verbose' '--version'");
        assert_eq!(bad("p --verb=1"), "option '--verbose' doesn't allow an argument");
        assert_eq!(bad("p --table"), "option '--table' requires an argument");
    }
}
