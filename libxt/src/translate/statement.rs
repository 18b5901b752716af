//! An nft statement being put together: the rule, its comment, and the sets that it needs.

use std::fmt::{self, Write};

/// The numbers of the sets that statements make, which must differ within one output.
#[derive(Clone, Copy, Debug, Default)]
pub struct Numbers(u32);

/// A rule's conditions and actions, in order. A set that was numbered stays so even if the rule comes to nothing.
#[derive(Debug)]
pub struct Statement<'n> {
    text: String,
    comment: Option<String>,
    sets: Vec<String>,
    numbers: &'n mut Numbers,
}

impl<'n> Statement<'n> {
    /// Nothing yet.
    pub(super) fn new(numbers: &'n mut Numbers) -> Self {
        Self { text: String::new(), comment: None, sets: Vec::new(), numbers }
    }

    /// Adds words, with a space between them and those before, unless there is one; words may bring their own.
    pub(super) fn add(&mut self, words: fmt::Arguments<'_>) {
        let end = self.text.len();
        self.add_raw(words);
        let needed = !self.text[..end].is_empty() && !self.text[..end].ends_with(' ');
        if needed && !self.text[end..].starts_with(' ') {
            self.text.insert(end, ' ');
        }
    }

    /// Ends what was said so far with a space, as some of upstream's words end: it shows before a comment.
    pub(super) fn space(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with(' ') {
            self.text.push(' ');
        }
    }

    /// Adds a text as it is.
    pub(super) fn add_raw(&mut self, text: fmt::Arguments<'_>) {
        // A string takes everything.
        let _ = self.text.write_fmt(text);
    }

    /// Puts a comment behind the rule, in the place of an earlier one.
    pub(super) fn set_comment(&mut self, text: String) {
        self.comment = Some(text);
    }

    /// Makes a set of that type and returns its name, which begins with `prefix`.
    pub(super) fn new_set(&mut self, prefix: &str, kind: &str) -> String {
        let name = format!("{prefix}{}", self.numbers.0);
        self.numbers.0 = self.numbers.0.wrapping_add(1);
        self.sets.push(format!("{name} {{ {kind} }}"));
        name
    }

    /// What stands behind `add rule FAMILY TABLE CHAIN`.
    pub fn text(&self) -> String {
        match &self.comment {
            Some(comment) => format!("{} comment \"{comment}\"", self.text),
            None => self.text.trim_end().to_owned(),
        }
    }

    /// What stands behind `add set FAMILY TABLE`, for each set that must be there first.
    pub fn sets(&self) -> &[String] {
        &self.sets
    }
}
