//! The command line as GNU `getopt_long` reads it: bundles, abbreviations, optional arguments, words in order.
//!
//! The mode is that of an option string beginning with `-:`: operands come out where they stand, a missing argument is
//! told apart from an unknown option, and nothing is printed.

/// Whether an option takes an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// None.
    Nothing,
    /// In the same word or the next.
    Required,
    /// In the same word only.
    Optional,
}

/// The options there are. It may grow between two calls of [`Scanner::next`].
pub trait Grammar {
    /// What tells long options apart: two names with the same one are the same option.
    type Id: Copy + PartialEq;
    /// The short option of that letter.
    fn short(&self, letter: u8) -> Option<Takes>;
    /// The first long option of exactly that name.
    fn long(&self, name: &str) -> Option<(Takes, Self::Id)>;
    /// Every long option, in the order of the table: for abbreviations.
    fn for_each_long(&self, visit: &mut dyn FnMut(&str, Takes, Self::Id));
}

/// What a word or a part of it turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a, I> {
    /// A short option.
    Short(u8, Option<&'a str>),
    /// A long option.
    Long(I, Option<&'a str>),
    /// A word that is no option.
    Operand(&'a str),
    /// No such option, or an abbreviation of several, or an argument where none is taken.
    Unknown,
    /// The argument is missing.
    Missing,
}

/// A place in a command line; the first word is the program's name and is skipped.
#[derive(Clone, Debug)]
pub struct Scanner<'s, 'a> {
    words: &'s [&'a str],
    /// `optind`: the word that comes next.
    next: usize,
    /// `nextchar`: what is left of a bundle.
    bundle: &'a str,
}

impl<'s, 'a> Scanner<'s, 'a> {
    /// The start of a command line.
    pub fn new(words: &'s [&'a str]) -> Self {
        Self { words, next: 1, bundle: "" }
    }

    /// The next item; `None` at the end or after `--`.
    pub fn next<G: Grammar>(&mut self, grammar: &G) -> Option<Item<'a, G::Id>> {
        if !self.bundle.is_empty() {
            return Some(self.short(grammar));
        }
        let word = *self.words.get(self.next)?;
        if word == "--" {
            self.next += 1;
            return None;
        }
        if let Some(long) = word.strip_prefix("--") {
            self.next += 1;
            return Some(self.long(grammar, long));
        }
        match word.strip_prefix('-') {
            Some(bundle) if !bundle.is_empty() => {
                self.bundle = bundle;
                Some(self.short(grammar))
            }
            _ => {
                self.next += 1;
                Some(Item::Operand(word))
            }
        }
    }

    /// The next word if it is neither an option nor `!`: an argument that upstream takes by itself (`xs_has_arg()`).
    pub fn take_operand(&mut self) -> Option<&'a str> {
        let word = *self.words.get(self.next)?;
        if word.starts_with(['-', '!']) {
            return None;
        }
        self.next += 1;
        Some(word)
    }

    /// The word before the next one: `argv[optind - 1]`.
    pub fn previous(&self) -> &'a str {
        self.next.checked_sub(1).and_then(|index| self.words.get(index)).copied().unwrap_or_default()
    }

    /// Steps back one word, to read it again with more options known.
    pub fn step_back(&mut self) {
        self.next = self.next.saturating_sub(1);
    }

    /// Which word comes next: `optind`.
    pub fn position(&self) -> usize {
        self.next
    }

    /// Whether words are left.
    pub fn is_at_end(&self) -> bool {
        self.next >= self.words.len()
    }

    fn short<G: Grammar>(&mut self, grammar: &G) -> Item<'a, G::Id> {
        let mut letters = self.bundle.chars();
        let letter = letters.next().unwrap_or_default();
        self.bundle = letters.as_str();
        if self.bundle.is_empty() {
            self.next += 1;
        }
        // The colon and the semicolon stand in option strings, they are no options.
        let known = u8::try_from(letter).ok().filter(|letter| !b":;-".contains(letter));
        let Some((letter, takes)) = known.and_then(|letter| Some((letter, grammar.short(letter)?))) else {
            return Item::Unknown;
        };
        if takes == Takes::Nothing {
            return Item::Short(letter, None);
        }
        if !self.bundle.is_empty() {
            let argument = std::mem::take(&mut self.bundle);
            self.next += 1;
            return Item::Short(letter, Some(argument));
        }
        if takes == Takes::Optional {
            return Item::Short(letter, None);
        }
        match self.words.get(self.next) {
            Some(argument) => {
                self.next += 1;
                Item::Short(letter, Some(argument))
            }
            None => Item::Missing,
        }
    }

    fn long<G: Grammar>(&mut self, grammar: &G, text: &'a str) -> Item<'a, G::Id> {
        let (name, argument) = match text.split_once('=') {
            Some((name, argument)) => (name, Some(argument)),
            None => (text, None),
        };
        let found = grammar.long(name).or_else(|| abbreviated(grammar, name));
        let Some((takes, id)) = found else { return Item::Unknown };
        match (takes, argument) {
            (Takes::Nothing, Some(_)) => Item::Unknown,
            (Takes::Nothing, None) | (Takes::Optional, None) => Item::Long(id, None),
            (_, Some(argument)) => Item::Long(id, Some(argument)),
            (Takes::Required, None) => match self.words.get(self.next) {
                Some(argument) => {
                    self.next += 1;
                    Item::Long(id, Some(argument))
                }
                None => Item::Missing,
            },
        }
    }
}

/// The only option, or the same under several names, that begins so.
fn abbreviated<G: Grammar>(grammar: &G, beginning: &str) -> Option<(Takes, G::Id)> {
    let mut found = None;
    let mut ambiguous = false;
    grammar.for_each_long(&mut |option, takes, id| {
        if option.starts_with(beginning) {
            ambiguous |= *found.get_or_insert((takes, id)) != (takes, id);
        }
    });
    found.filter(|_| !ambiguous)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Some4;

    const LONG: [(&str, Takes, u8); 6] = [
        ("delete", Takes::Required, 1),
        ("delete-chain", Takes::Optional, 2),
        ("source", Takes::Required, 3),
        ("src", Takes::Required, 3),
        ("append", Takes::Required, 4),
        ("numeric", Takes::Nothing, 5),
    ];

    impl Grammar for Some4 {
        type Id = u8;
        fn short(&self, letter: u8) -> Option<Takes> {
            match letter {
                b'n' | b'v' => Some(Takes::Nothing),
                b'A' | b't' => Some(Takes::Required),
                b'L' => Some(Takes::Optional),
                _ => None,
            }
        }
        fn long(&self, name: &str) -> Option<(Takes, u8)> {
            LONG.iter().find(|(option, ..)| *option == name).map(|&(_, takes, id)| (takes, id))
        }
        fn for_each_long(&self, visit: &mut dyn FnMut(&str, Takes, u8)) {
            LONG.iter().for_each(|&(option, takes, id)| visit(option, takes, id));
        }
    }

    fn all(line: &str) -> Vec<String> {
        let words: Vec<&str> = line.split(' ').collect();
        let mut scanner = Scanner::new(&words);
        let mut items = Vec::new();
        while let Some(item) = scanner.next(&Some4) {
            items.push(match item {
                Item::Unknown | Item::Missing => format!("{item:?} {}", scanner.previous()),
                _ => format!("{item:?}"),
            });
        }
        items
    }

    #[test]
    fn short_options_may_be_bundled_and_the_last_may_take_the_rest() {
        assert_eq!(all("x -nvL"), ["Short(110, None)", "Short(118, None)", "Short(76, None)"]);
        assert_eq!(all("x -nLINPUT"), ["Short(110, None)", "Short(76, Some(\"INPUT\"))"]);
        assert_eq!(all("x -A c -tnat"), ["Short(65, Some(\"c\"))", "Short(116, Some(\"nat\"))"]);
    }

    #[test]
    fn an_abbreviation_must_mean_one_option() {
        assert_eq!(all("x --dele y"), ["Unknown --dele", "Operand(\"y\")"]);
        assert_eq!(all("x --delete y"), ["Long(1, Some(\"y\"))"]);
        assert_eq!(all("x --delete-c"), ["Long(2, None)"]);
        assert_eq!(all("x --s 1"), ["Long(3, Some(\"1\"))"]);
        assert_eq!(all("x --app=y --num"), ["Long(4, Some(\"y\"))", "Long(5, None)"]);
        assert_eq!(all("x --numeric=1"), ["Unknown --numeric=1"]);
    }

    #[test]
    fn operands_come_where_they_stand_and_two_dashes_end_it() {
        assert_eq!(all("x a - ! -n -- b"), ["Operand(\"a\")", "Operand(\"-\")", "Operand(\"!\")", "Short(110, None)"]);
    }

    #[test]
    fn what_is_missing_or_unknown_is_named_by_the_word_before_the_next() {
        assert_eq!(all("x -A"), ["Missing -A"]);
        assert_eq!(all("x --append"), ["Missing --append"]);
        assert_eq!(all("prog -aL"), ["Unknown prog", "Short(76, None)"]);
        assert_eq!(all("prog -a"), ["Unknown -a"]);
    }
}
