//! From words to a [`Command`](super::Command), in the order in which upstream reads and checks (`do_command4`, `do_command6`).

use libxt::abi::{Counters, EXTENSION_NAME_LEN};
use libxt::ext::Given;
use libxt::family::Af;
use libxt::getopt::{Item, Scanner};
use libxt::lock::Wait;
use libxt::octets;
use libxt::value::header::{self, Header};
use libxt::value::interface::Interface;
use libxt::value::{number, protocol};

use super::library::{Keeper, Library, match_name};
use super::loaded::{Id, Known};
use super::options::{self, Action, ONCE};
use super::words::{check_chain_name, check_target_name, leading_integer, leading_number, not_loaded, rule_number};
use super::{Parsed, Session, help};
use crate::failure::Failure;
use crate::program::{Program, VERSION};
use crate::say;

mod finish;

/// Reads a command line; `words` begin with the program's name.
///
/// For a restore (see [`Program::is_restore`]) it is a line of a restore input: there the caller puts `-t TABLE` in front, a second `-t` is
/// refused, `-w` too, and a line marked for the other family is [`Parsed::Nothing`].
pub(crate) fn parse<'a>(
    program: Program,
    words: &[&'a str],
    session: &mut Session,
    keeper: &mut Keeper<'_>,
) -> Result<Parsed<'a>, Failure> {
    let mut reader = Reader::new(program, words, &mut session.library);
    loop {
        let Some(item) = reader.scanner.next(&reader.grammar) else { return reader.finish() };
        let done = match item {
            Item::Operand("!") => {
                if reader.inverted {
                    return Err(usage("multiple consecutive ! not allowed"));
                }
                reader.inverted = true;
                reader.bangs.push(reader.scanner.position().saturating_sub(1));
                continue;
            }
            Item::Operand(word) => return Err(Failure::Bare(format!("Bad argument `{word}'"))),
            Item::Short(letter, argument) | Item::Long(Id::Base(letter), argument) => {
                reader.base(letter, argument.unwrap_or_default(), argument.is_some(), keeper)?
            }
            Item::Long(Id::Extension { loaded, option }, argument) => {
                reader.extension(loaded, option, argument.unwrap_or_default())?;
                None
            }
            Item::Unknown | Item::Missing => {
                if reader.load_protocol_match(keeper) {
                    reader.scanner.step_back();
                    continue;
                }
                // Upstream blanks a `!' once it is read.
                let position = reader.scanner.position().checked_sub(1);
                let is_bang = position.is_some_and(|position| reader.bangs.contains(&position));
                let word = if is_bang { "" } else { reader.scanner.previous() };
                return Err(Failure::Usage(match item {
                    Item::Missing => format!("option \"{word}\" requires an argument"),
                    _ => format!("unknown option \"{word}\""),
                }));
            }
        };
        if let Some(parsed) = done {
            return Ok(parsed);
        }
        reader.inverted = false;
    }
}

/// What has been read so far.
struct Reader<'s, 'a> {
    program: Program,
    library: &'s mut Library,
    scanner: Scanner<'s, 'a>,
    grammar: Known,
    inverted: bool,
    /// Where each `!` stands among the words.
    bangs: Vec<usize>,
    /// The once-only options that were given: bit *i* for [`ONCE`]`[i]`.
    given: u16,
    action: Option<Action>,
    /// `-Z` beside `-L` or `-S`.
    also: Option<Action>,
    chain: Option<&'a str>,
    number: usize,
    new_name: Option<&'a str>,
    policy: Option<&'a str>,
    table: Option<&'a str>,
    wait: Option<Wait>,
    modprobe: Option<&'a str>,
    interval: bool,
    verbose: u32,
    header: Header,
    counters: Counters,
    sources: Option<&'a str>,
    destinations: Option<&'a str>,
    protocol_match_used: bool,
    /// The word of `-p`.
    protocol: Option<&'a str>,
    jump: Option<&'a str>,
}

impl<'s, 'a> Reader<'s, 'a> {
    fn new(program: Program, words: &'s [&'a str], library: &'s mut Library) -> Self {
        Self {
            program,
            library,
            scanner: Scanner::new(words),
            grammar: Known::default(),
            inverted: false,
            bangs: Vec::new(),
            given: 0,
            action: None,
            also: None,
            chain: None,
            number: 0,
            new_name: None,
            policy: None,
            table: None,
            wait: None,
            modprobe: None,
            interval: false,
            verbose: 0,
            header: Header::any(program.af),
            counters: Counters::default(),
            sources: None,
            destinations: None,
            protocol_match_used: false,
            protocol: None,
            jump: None,
        }
    }

    /// A base option. `argument` is empty if there is none.
    fn base(
        &mut self,
        letter: u8,
        argument: &'a str,
        attached: bool,
        keeper: &mut Keeper<'_>,
    ) -> Result<Option<Parsed<'a>>, Failure> {
        let optional = attached.then_some(argument);
        match letter {
            b'A' => self.command(Action::Append, argument)?,
            b'C' => self.command(Action::Check, argument)?,
            b'D' => {
                self.command(Action::Delete, argument)?;
                if let Some(word) = self.scanner.take_operand() {
                    self.number = rule_number(word)?;
                    self.action = Some(Action::DeleteNumber);
                }
            }
            b'R' => {
                self.command(Action::Replace, argument)?;
                let word = self.scanner.take_operand().ok_or_else(|| usage("-R requires a rule number"))?;
                self.number = rule_number(word)?;
            }
            b'I' => {
                self.command(Action::Insert, argument)?;
                self.number = self.scanner.take_operand().map_or(Ok(1), rule_number)?;
            }
            b'L' => self.listing(Action::List, optional)?,
            b'S' => self.listing(Action::ListRules, optional)?,
            b'F' => self.on_chains(Action::Flush, optional)?,
            b'Z' => {
                self.on_chains(Action::Zero, optional)?;
                if let Some(word) = self.scanner.take_operand() {
                    self.number = rule_number(word)?;
                    // As upstream, where the number makes it forget a -L before it.
                    self.action = Some(Action::ZeroNumber);
                    self.also = None;
                }
            }
            b'N' => {
                let af = self.program.af;
                check_chain_name(argument, |name| self.library.find_target(af, name, keeper).is_some())?;
                self.command(Action::NewChain, argument)?;
            }
            b'X' => self.on_chains(Action::DeleteChain, optional)?,
            b'E' => {
                self.command(Action::RenameChain, argument)?;
                let word = self.scanner.take_operand();
                self.new_name = Some(word.ok_or_else(|| usage("-E requires old-chain-name and new-chain-name"))?);
            }
            b'P' => {
                self.command(Action::SetPolicy, argument)?;
                let word = self.scanner.take_operand();
                self.policy = Some(word.ok_or_else(|| usage("-P requires a chain and a policy"))?);
            }
            b'h' => return Ok(Some(self.help(keeper))),
            b'V' => {
                let (name, variant) = (self.program.name(), self.program.variant());
                let text = match self.inverted {
                    true => format!("Not {VERSION} ({variant}) ;-)\n"),
                    false => format!("{name} v{VERSION} ({variant})\n"),
                };
                return Ok(Some(Parsed::Show(text)));
            }
            b'4' | b'6' => {
                let ours = if self.program.af == Af::V4 { b'4' } else { b'6' };
                if letter != ours {
                    return if self.program.is_restore() { Ok(Some(Parsed::Nothing)) } else { Err(Failure::Hint) };
                }
            }
            b'w' | b'W' => self.waiting(letter, optional)?,
            b'b' => return Err(usage("Unknown arg \"(null)\"")),
            _ => self.rule_option(letter, argument, keeper)?,
        }
        Ok(None)
    }

    /// An option of the rule or of the listing.
    fn rule_option(&mut self, letter: u8, argument: &'a str, keeper: &mut Keeper<'_>) -> Result<(), Failure> {
        match letter {
            b'p' => self.protocol(argument)?,
            b's' => {
                self.once(b's', header::INV_SOURCE)?;
                self.sources = Some(argument);
            }
            b'd' => {
                self.once(b'd', header::INV_DESTINATION)?;
                self.destinations = Some(argument);
            }
            b'j' => {
                self.once(b'j', 0)?;
                self.jump(argument, keeper)?;
            }
            b'g' => {
                self.once(b'j', 0)?;
                check_target_name(argument)?;
                self.header.flags |= match self.program.af {
                    Af::V4 => header::F_GOTO_V4,
                    Af::V6 => header::F_GOTO_V6,
                };
                self.jump = Some(argument);
            }
            b'i' | b'o' => self.interface(letter, argument)?,
            b'f' if self.program.af == Af::V6 => {
                return Err(usage("`-f' is not supported in IPv6, use -m frag instead"));
            }
            b'f' => {
                self.once(b'f', header::INV_FRAGMENT)?;
                self.header.flags |= header::F_FRAGMENT_V4;
            }
            b'v' => {
                if self.verbose == 0 {
                    self.once(b'v', 0)?;
                }
                self.verbose = self.verbose.saturating_add(1);
            }
            b'n' | b'x' | b'0' => self.once(letter, 0)?,
            b'm' => {
                if self.inverted {
                    return Err(usage("unexpected ! flag before --match"));
                }
                if octets::len(argument) >= EXTENSION_NAME_LEN {
                    let max = EXTENSION_NAME_LEN - 1;
                    return Err(Failure::Usage(format!("Invalid match name \"{argument}\" ({max} chars max)")));
                }
                let found = self.library.find_match(self.program.af, argument, keeper);
                self.grammar.add_match(found.ok_or_else(|| not_loaded("match", match_name(argument)))?);
            }
            b't' => {
                if self.inverted {
                    return Err(usage("unexpected ! flag before --table"));
                }
                if self.program.is_restore() && self.table.is_some() {
                    let name = self.program.name();
                    return Err(Failure::Usage(format!("The -t option cannot be used in {name}.\n")));
                }
                self.table = Some(argument);
            }
            b'c' => self.counters(argument)?,
            b'M' => self.modprobe = Some(argument),
            _ => (),
        }
        Ok(())
    }

    fn extension(&mut self, loaded: usize, option: usize, argument: &'a str) -> Result<(), Failure> {
        let around = self.header.surroundings();
        let inverted = self.inverted;
        let Some(object) = self.grammar.instance_mut(loaded) else { return Ok(()) };
        let second = if object.option(option).second { self.scanner.take_operand() } else { None };
        let given = Given::new(argument, inverted, around).with_second(second);
        Ok(object.set(option, &given)?)
    }

    /// Loads the match of `-p` when an unknown option follows (`load_proto`); false if there is none or it was used.
    fn load_protocol_match(&mut self, keeper: &mut Keeper<'_>) -> bool {
        let Some(word) = self.protocol.filter(|_| !self.protocol_match_used) else { return false };
        let name = match number::parse(word, 0, u8::MAX.into()) {
            None => Some(word.to_ascii_lowercase()),
            // After -n upstream looks up nothing but its own list.
            Some(number) if self.has(b'n') => protocol::built_in_name(number as u8).map(str::to_owned),
            Some(number) => protocol::name(number as u16).map(str::to_owned),
        };
        let found = name.and_then(|name| self.library.find_match(self.program.af, &name, keeper));
        let Some(found) = found else { return false };
        self.protocol_match_used = true;
        self.grammar.add_protocol_match(found);
        true
    }

    fn command(&mut self, action: Action, chain: &'a str) -> Result<(), Failure> {
        self.add(action)?;
        self.chain = Some(chain);
        Ok(())
    }

    fn on_chains(&mut self, action: Action, attached: Option<&'a str>) -> Result<(), Failure> {
        self.add(action)?;
        if let Some(chain) = attached.or_else(|| self.scanner.take_operand()) {
            self.chain = Some(chain);
        }
        Ok(())
    }

    fn listing(&mut self, action: Action, attached: Option<&'a str>) -> Result<(), Failure> {
        self.on_chains(action, attached)?;
        if let Some(word) = self.scanner.take_operand() {
            self.number = rule_number(word)?;
        }
        Ok(())
    }

    /// As `add_command()`: one command, but for `-Z` beside `-L` or `-S`.
    fn add(&mut self, action: Action) -> Result<(), Failure> {
        if self.inverted {
            return Err(usage("unexpected '!' flag"));
        }
        let is_zero = |action| matches!(action, Action::Zero | Action::ZeroNumber);
        let is_list = |action| matches!(action, Action::List | Action::ListRules);
        match self.action {
            None => self.action = Some(action),
            Some(old) if is_list(old) && is_zero(action) && self.also.is_none() => self.also = Some(action),
            Some(old) if is_zero(old) && is_list(action) => {
                self.also = Some(old);
                self.action = Some(action);
            }
            Some(old) => {
                let text = format!("Cannot use -{} with -{}", action.letter(), old.letter());
                return Err(Failure::Usage(text));
            }
        }
        Ok(())
    }

    /// As `set_option()`: an option given once, and its inversion flag.
    fn once(&mut self, letter: u8, inversion: u8) -> Result<(), Failure> {
        let shown = char::from(letter);
        if self.has(letter) {
            return Err(Failure::Usage(format!("multiple -{shown} flags not allowed")));
        }
        self.given |= bit(letter);
        if self.inverted {
            if !options::is_invertible(letter) {
                return Err(Failure::Usage(format!("cannot have ! before -{shown}")));
            }
            self.header.inversions |= inversion;
        }
        Ok(())
    }

    fn has(&self, letter: u8) -> bool {
        self.given & bit(letter) != 0
    }

    fn protocol(&mut self, argument: &'a str) -> Result<(), Failure> {
        self.once(b'p', header::INV_PROTOCOL)?;
        let number = protocol::parse(argument)
            .ok_or_else(|| Failure::Usage(protocol::unknown(&argument.to_ascii_lowercase())))?;
        self.header.protocol = number;
        self.protocol = Some(argument);
        let inverted = self.header.inversions & header::INV_PROTOCOL != 0;
        if number == 0 && inverted {
            return Err(usage("rule would never match protocol"));
        }
        if self.program.af == Af::V6 {
            self.header.flags |= header::F_PROTOCOL_V6;
            if EXTENSION_HEADERS.contains(&number) && !inverted {
                let lower = argument.to_ascii_lowercase();
                say!("Warning: never matched protocol: {lower}. use extension match instead.");
            }
        }
        Ok(())
    }

    fn interface(&mut self, letter: u8, argument: &'a str) -> Result<(), Failure> {
        if argument.is_empty() {
            return Err(usage("Empty interface is likely to be undesired"));
        }
        self.once(letter, if letter == b'i' { header::INV_INPUT } else { header::INV_OUTPUT })?;
        let interface = Interface::parse(argument)
            .ok_or_else(|| Failure::Usage(format!("interface name `{argument}' must be shorter than IFNAMSIZ (15)")))?;
        if !argument.ends_with('+') && argument.contains(['/', ' ']) {
            say!("Warning: weird character in interface `{argument}' ('/' and ' ' are not allowed by the kernel).");
        }
        match letter {
            b'i' => self.header.input = interface,
            _ => self.header.output = interface,
        }
        Ok(())
    }

    fn jump(&mut self, argument: &'a str, keeper: &mut Keeper<'_>) -> Result<(), Failure> {
        check_target_name(argument)?;
        self.jump = Some(argument);
        if let Some(target) = self.library.find_target(self.program.af, argument, keeper) {
            self.grammar.set_target(target);
        }
        Ok(())
    }

    fn counters(&mut self, argument: &'a str) -> Result<(), Failure> {
        self.once(b'c', 0)?;
        let (packets, bytes) = match argument.char_indices().skip(1).find(|&(_, c)| c == ',') {
            Some((comma, _)) => (&argument[..comma], Some(&argument[comma + 1..])),
            None => (argument, self.scanner.take_operand()),
        };
        let bytes = bytes.ok_or_else(|| usage("-c requires packet and byte counter"))?;
        self.counters = Counters {
            packets: leading_number(packets).ok_or_else(|| usage("-c packet counter not numeric"))?,
            bytes: leading_number(bytes).ok_or_else(|| usage("-c byte counter not numeric"))?,
        };
        Ok(())
    }

    fn waiting(&mut self, letter: u8, attached: Option<&'a str>) -> Result<(), Failure> {
        if self.program.is_restore() {
            // Upstream names this one whichever of them it is.
            let letter = char::from(letter);
            return Err(Failure::Usage(format!("You cannot use `-{letter}' from iptables-restore")));
        }
        let argument = attached.or_else(|| self.scanner.take_operand());
        if letter == b'w' {
            self.wait = Some(match argument {
                None => Wait::Forever,
                Some(word) => {
                    let seconds = leading_integer(word).ok_or_else(|| usage("wait seconds not numeric"))?;
                    Wait::Seconds(seconds)
                }
            });
            return Ok(());
        }
        let word = argument.ok_or_else(|| usage("wait interval value required"))?;
        let interval = leading_number(word).ok_or_else(|| usage("wait interval not numeric"))?;
        if interval > 999_999 {
            return Err(Failure::Usage(format!("too long usec wait {interval} > 999999 usec")));
        }
        say!("Ignoring deprecated --wait-interval option.");
        self.interval = true;
        Ok(())
    }

    /// The words after `-h` change nothing; the extensions before it add their options.
    fn help(&mut self, keeper: &mut Keeper<'_>) -> Parsed<'a> {
        // As upstream, where a number finds nothing here.
        if self.grammar.matches.is_empty()
            && let Some(name) = self.protocol.map(str::to_ascii_lowercase)
            && let Some(found) = self.library.find_match(self.program.af, &name, keeper)
        {
            self.grammar.add_match(found);
        }
        let target = self.grammar.target.as_ref().map(|(name, object)| (*name, &**object));
        let matches = self.grammar.matches.iter().map(|one| (one.name, &*one.object));
        Parsed::Show(help::text(self.program, target, matches))
    }
}

/// The bit of a once-only option; none for other letters.
fn bit(letter: u8) -> u16 {
    BITS.get(usize::from(letter)).copied().unwrap_or_default()
}

/// For each letter its bit.
const BITS: [u16; 128] = {
    let mut bits = [0; 128];
    let mut index = 0;
    while index < ONCE.len() {
        bits[ONCE[index] as usize] = 1 << index;
        index += 1;
    }
    bits
};

pub(super) fn usage(text: &str) -> Failure {
    Failure::Usage(text.to_owned())
}

/// Protocol numbers that IPv6 knows only as extension headers (`is_exthdr()`).
const EXTENSION_HEADERS: [u16; 4] = [43, 44, 51, 60];
