//! A [`Command`] in the words of nft.

use libxt::family::Af;
use libxt::rule::Target;
use libxt::table::verdict_number;
use libxt::translate::{self, Numbers};

use super::Command;
use super::options::Action;

/// A line of nft's language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Statement {
    /// One that a shell passes on as it is.
    Plain(String),
    /// One that stands in quotes on a shell's command line.
    Quoted(String),
    /// The words of a command that cannot be said.
    Comment(String),
}

impl Command<'_> {
    /// Says the command; `None` if there is nothing in nft that does the same. `words` are those that it was read from, the
    /// program's name first.
    pub(crate) fn translate(mut self, words: &[&str], numbers: &mut Numbers) -> Option<Vec<Statement>> {
        let (family, table) = (family(self.rule.header.af), &self.table);
        let chain = self.chain.as_deref();
        let plain = match (self.action, chain) {
            (Action::Append, _) => return Some(self.translate_rules("add", words, numbers)),
            (Action::Insert, _) => return Some(self.translate_rules("insert", words, numbers)),
            (Action::NewChain, Some(chain)) => format!("add chain {family} {table} {chain}"),
            (Action::DeleteChain, Some(chain)) => format!("delete chain {family} {table} {chain}"),
            // All of them: nft deletes one at a time.
            (Action::DeleteChain, None) => return Some(vec![self.comment(words)]),
            (Action::Flush, Some(chain)) => format!("flush chain {family} {table} {chain}"),
            (Action::Flush, None) => format!("flush table {family} {table}"),
            (Action::List, _) => format!("list table {family} {table}"),
            _ => return None,
        };
        Some(vec![Statement::Plain(plain)])
    }

    /// One rule for each pair of addresses, and before it the sets that it needs.
    fn translate_rules(&mut self, verb: &str, words: &[&str], numbers: &mut Numbers) -> Vec<Statement> {
        self.rule.target = match std::mem::replace(&mut self.rule.target, Target::None) {
            Target::Extension(object) => Target::Extension(object),
            _ if self.jump.word.is_empty() => Target::None,
            _ => match verdict_number(&self.jump.word) {
                Some(verdict) if !self.jump.is_goto => Target::Verdict(verdict),
                // Whether there is such a chain only a table could tell.
                _ => Target::Chain(self.jump.word.to_string()),
            },
        };
        let (family, table) = (family(self.rule.header.af), &self.table);
        let chain = self.chain.as_deref().unwrap_or_default();
        let mut statements = Vec::new();
        for &source in &*self.sources {
            for &destination in &*self.destinations {
                self.rule.header.source = source;
                self.rule.header.destination = destination;
                let Ok(rule) = translate::rule(&self.rule, numbers) else { return vec![self.comment(words)] };
                let sets = rule.sets().iter().map(|set| Statement::Quoted(format!("add set {family} {table} {set}")));
                statements.extend(sets);
                statements.push(Statement::Quoted(format!("{verb} rule {family} {table} {chain} {}", rule.text())));
            }
        }
        statements
    }

    /// The command as it was typed. As upstream, whose parser takes the `!` away from its words.
    fn comment(&self, words: &[&str]) -> Statement {
        let mut text = String::new();
        for (index, word) in words.iter().enumerate().skip(1) {
            if !self.bangs.contains(&index) {
                text += word;
            }
            text.push(' ');
        }
        Statement::Comment(text)
    }
}

/// What nft calls the family of a table.
pub(crate) fn family(af: Af) -> &'static str {
    match af {
        Af::V4 => "ip",
        Af::V6 => "ip6",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Keeper, Parsed, Session, parse};
    use crate::program::{Program, Role};

    fn translate(af: Af, line: &str) -> Option<Vec<Statement>> {
        let words: Vec<&str> = std::iter::once("x").chain(line.split(' ')).collect();
        match parse(Program { af, role: Role::Translate }, &words, &mut Session::default(), &mut Keeper::Nobody) {
            Ok(Parsed::Run(command)) => command.translate(&words, &mut Numbers::default()),
            other => panic!("{line}: {other:?}"),
        }
    }

    fn rule(af: Af, line: &str) -> String {
        match translate(af, line).as_deref() {
            Some([Statement::Quoted(text)]) => text.clone(),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn a_rule_begins_with_interfaces_and_ends_with_its_comment() {
        let line =
            "-A INPUT -s 10.1.2.3/255.0.255.0 ! -i eth+ -p tcp -m comment --comment c -m mark --mark 1/2 -j ACCEPT";
        let said = "add rule ip filter INPUT iifname != \"eth*\" ip protocol tcp ip saddr & 255.0.255.0 == 10.0.2.0 \
                    mark and 0x2 == 0x1 counter accept comment \"c\"";
        assert_eq!(rule(Af::V4, line), said);
    }

    #[test]
    fn a_protocol_goes_without_saying_beside_its_match() {
        assert_eq!(
            rule(Af::V6, "-I x 7 -p udp --dport 53 -g y"),
            "insert rule ip6 filter x udp dport 53 counter goto y"
        );
        assert_eq!(rule(Af::V6, "-A x -p 250"), "add rule ip6 filter x meta l4proto 250 counter");
    }

    #[test]
    fn each_pair_of_addresses_has_a_rule_and_each_counter_of_connections_a_set() {
        let statements = translate(Af::V4, "-A x -s 1.1.1.1,2.2.2.2 -m connlimit --connlimit-above 2").unwrap();
        let texts: Vec<&str> = statements
            .iter()
            .map(|statement| match statement {
                Statement::Quoted(text) => text.as_str(),
                other => panic!("{other:?}"),
            })
            .collect();
        let [set, one, other_set, other] = texts[..] else { panic!("{texts:?}") };
        assert_eq!(set, "add set ip filter connlimit0 { type ipv4_addr; flags dynamic; }");
        assert!(one.contains("ip saddr 1.1.1.1 add @connlimit0 { ip saddr ct count over 2 }"), "{one}");
        assert!(other_set.contains("connlimit1") && other.contains("2.2.2.2 add @connlimit1"), "{other}");
    }

    #[test]
    fn what_cannot_be_said_is_quoted_without_its_bangs() {
        let quoted = |line: &str| translate(Af::V4, line);
        let comment = |text: &str| Some(vec![Statement::Comment(text.to_owned())]);
        assert_eq!(quoted("-A x ! -s 1.1.1.1 -m recent --set"), comment("-A x  -s 1.1.1.1 -m recent --set "));
        assert_eq!(quoted("-A x -m recent --set --name !"), comment("-A x -m recent --set --name ! "));
        assert_eq!(quoted("-X"), comment("-X "));
        assert_eq!(quoted("-D x 1"), None);
    }
}
