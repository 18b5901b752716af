//! `-m u32`: takes numbers of 32 bits from the packet, follows them, and compares them.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::number;

/// Tests that must all hold, or not all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct U32 {
    /// At most ten.
    pub tests: Vec<Test>,
    /// `! --u32`.
    pub inverted: bool,
}

/// One test: where to take a number from, and what it may be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Test {
    /// Begins with an offset from the IP header; at most ten steps.
    pub location: Vec<Step>,
    /// The ranges the number may lie in, both ends included; at most ten.
    pub values: Vec<(u32, u32)>,
}

/// An operation and its right side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is done with what was reached so far; of no meaning in the first step.
    pub operation: Operation,
    /// With what.
    pub number: u32,
}

/// An operation of a location (`enum xt_u32_ops`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `&`.
    And,
    /// `<<`.
    ShiftLeft,
    /// `>>`.
    ShiftRight,
    /// `@`: moves on by the number, then takes one from there.
    At,
}

const OPERATIONS: [(Operation, &str); 4] =
    [(Operation::And, "&"), (Operation::ShiftLeft, "<<"), (Operation::ShiftRight, ">>"), (Operation::At, "@")];

impl Extension for U32 {
    const NAME: &'static str = "u32";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>())];
    const OPTIONS: &'static [Opt<Self>] =
        &[Opt::new("u32", " tests", "location=value[:value],...&&..., numbers and &, <<, >>, @", set_tests)
            .invertible()
            .mandatory()];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("u32"))?;
        let used = info
            .tests
            .get(..usize::from(info.count))
            .filter(|tests| tests.len() <= MAX)
            .ok_or(Malformed("u32.ntests"))?;
        let tests = used.iter().map(TestInfo::test).collect::<Result<_, _>>()?;
        Ok(Self { tests, inverted: info.invert != 0 })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let mut bytes = Info::new_zeroed();
        bytes.count = u8::try_from(self.tests.len()).map_err(|_| Malformed("u32.ntests"))?;
        bytes.invert = self.inverted.into();
        if self.tests.len() > MAX {
            return Err(Malformed("u32.ntests"));
        }
        for (to, test) in bytes.tests.iter_mut().zip(&self.tests) {
            to.set(test)?;
        }
        bytes.write_to_prefix(info).map_err(|_| Malformed("u32"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        w.write_str(if self.inverted { " ! --u32 \"" } else { " --u32 \"" })?;
        self.write_tests(w)
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        w.write_str(if self.inverted { " u32 ! \"" } else { " u32 \"" })?;
        self.write_tests(w)
    }
}

impl U32 {
    /// The tests and the closing quote.
    fn write_tests(&self, w: &mut dyn Write) -> fmt::Result {
        for (index, test) in self.tests.iter().enumerate() {
            w.write_str(if index == 0 { "" } else { "&&" })?;
            for (index, step) in test.location.iter().enumerate() {
                let operation = OPERATIONS.iter().find(|(operation, _)| *operation == step.operation);
                w.write_str(operation.filter(|_| index != 0).map_or("", |(_, sign)| sign))?;
                write!(w, "{:#x}", step.number)?;
            }
            for (index, (min, max)) in test.values.iter().enumerate() {
                write!(w, "{}{min:#x}", if index == 0 { "=" } else { "," })?;
                if min != max {
                    write!(w, ":{max:#x}")?;
                }
            }
        }
        w.write_str("\"")
    }
}

fn set_tests(to: &mut U32, given: &Given<'_>) -> Result<(), Problem> {
    *to = U32 { tests: Reader { text: given.value, at: 0 }.tests()?, inverted: given.inverted };
    Ok(())
}

/// Reads tests from left to right and knows where it is, for messages.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn tests(&mut self) -> Result<Vec<Test>, Problem> {
        let mut tests = Vec::new();
        loop {
            let location = self.location()?;
            let (values, more) = self.values()?;
            if tests.len() >= MAX {
                return Err(self.problem("too many \"&&\"s"));
            }
            tests.push(Test { location, values });
            if !more {
                return Ok(tests);
            }
            self.at += 1;
        }
    }

    /// Up to and with the `=`.
    fn location(&mut self) -> Result<Vec<Step>, Problem> {
        let mut steps = Vec::new();
        let mut operation = Operation::And;
        loop {
            match self.skip_spaces() {
                None if steps.is_empty() => return Err(Problem::new(ENDED)),
                Some(b'=') if steps.is_empty() => return Err(self.problem("location spec missing")),
                _ => {}
            }
            let number = self.number()?;
            if steps.len() >= MAX {
                return Err(self.problem("too many operators"));
            }
            steps.push(Step { operation, number });
            operation = match self.skip_spaces() {
                None => return Err(Problem::new(ENDED)),
                Some(b'=') => {
                    self.at += 1;
                    return Ok(steps);
                }
                Some(b'&') => Operation::And,
                Some(b'@') => Operation::At,
                Some(b'<') => {
                    self.double(b'<')?;
                    Operation::ShiftLeft
                }
                Some(b'>') => {
                    self.double(b'>')?;
                    Operation::ShiftRight
                }
                Some(_) => return Err(self.problem("operator expected")),
            };
            self.at += 1;
        }
    }

    /// Up to the end, or to the second `&` of `&&`, which is said by `true`.
    fn values(&mut self) -> Result<(Vec<(u32, u32)>, bool), Problem> {
        let mut values = Vec::new();
        loop {
            if self.skip_spaces().is_none() && values.is_empty() {
                return Err(Problem::new("u32: test ended with no value specified"));
            }
            let min = self.number()?;
            let max = match self.skip_spaces() {
                Some(b':') => {
                    self.at += 1;
                    self.skip_spaces();
                    self.number()?
                }
                _ => min,
            };
            if values.len() >= MAX {
                return Err(self.problem("too many \",\"s"));
            }
            values.push((min, max));
            match self.skip_spaces() {
                None => return Ok((values, false)),
                Some(b',') => self.at += 1,
                Some(b'&') => {
                    self.double(b'&')?;
                    return Ok((values, true));
                }
                Some(_) => return Err(self.problem("expected \",\" or \"&&\"")),
            }
        }
    }

    /// Goes to the second of two equal signs.
    fn double(&mut self, sign: u8) -> Result<(), Problem> {
        self.at += 1;
        if self.peek() == Some(sign) {
            return Ok(());
        }
        Err(self.problem(&format!("a second '{}' was expected", char::from(sign))))
    }

    fn number(&mut self) -> Result<u32, Problem> {
        let rest = self.text.get(self.at..).unwrap_or("");
        let parsed = number::parse_prefix(rest).and_then(|(value, after)| Some((u32::try_from(value).ok()?, after)));
        let (value, after) = parsed.ok_or_else(|| self.problem("not a number or out of range"))?;
        self.at = self.text.len() - after.len();
        Ok(value)
    }

    fn skip_spaces(&mut self) -> Option<u8> {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
        self.peek()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn problem(&self, what: &str) -> Problem {
        Problem::new(format!("u32: at char {}: {what}", self.at))
    }
}

const ENDED: &str = "u32: abrupt end of input after location specifier";

/// How many steps, values and tests the tools write; the struct has room for one more of each.
const MAX: usize = 10;

/// struct xt_u32.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    tests: [TestInfo; MAX + 1],
    count: u8,
    invert: u8,
    pad: [u8; 2],
}

/// struct xt_u32_test.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct TestInfo {
    location: [StepInfo; MAX + 1],
    values: [[u32; 2]; MAX + 1],
    steps: u8,
    ranges: u8,
    pad: [u8; 2],
}

/// struct xt_u32_location_element.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct StepInfo {
    number: u32,
    operation: u8,
    pad: [u8; 3],
}

impl TestInfo {
    fn test(&self) -> Result<Test, Malformed> {
        let steps = self.location.get(..usize::from(self.steps)).filter(|steps| (1..=MAX).contains(&steps.len()));
        let values = self.values.get(..usize::from(self.ranges)).filter(|values| values.len() <= MAX);
        let (Some(steps), Some(values)) = (steps, values) else {
            return Err(Malformed("u32.tests"));
        };
        let step = |step: &StepInfo| {
            let (operation, _) = OPERATIONS.get(usize::from(step.operation)).ok_or(Malformed("u32.nextop"))?;
            Ok(Step { operation: *operation, number: step.number })
        };
        Ok(Test {
            location: steps.iter().map(step).collect::<Result<_, _>>()?,
            values: values.iter().map(|[min, max]| (*min, *max)).collect(),
        })
    }

    fn set(&mut self, test: &Test) -> Result<(), Malformed> {
        if test.location.len() > MAX || test.values.len() > MAX {
            return Err(Malformed("u32.tests"));
        }
        for (to, step) in self.location.iter_mut().zip(&test.location) {
            (to.number, to.operation) = (step.number, step.operation as u8);
        }
        for (to, (min, max)) in self.values.iter_mut().zip(&test.values) {
            *to = [*min, *max];
        }
        (self.steps, self.ranges) = (test.location.len() as u8, test.values.len() as u8);
        Ok(())
    }
}

const _: () = assert!(size_of::<Info>() == 1984);
