//! Reading aligned PER (ITU-T X.691) along tables of types: a message is walked once, and what is wanted of it is noted.
//!
//! A table says of each type just what it takes to get past it. Few fields bear marks; marks add up on the way down, so
//! that of an address it is known where in the message it stands. Additions that nobody wants are passed over by their
//! length. Tables do not refer to themselves, so walks are no deeper than they are.

use libxt::family::Af;

/// A type of ASN.1.
#[derive(Debug)]
pub(super) enum Type {
    /// NULL.
    Null,
    /// BOOLEAN.
    Boolean,
    /// INTEGER.
    Integer(Width),
    /// OBJECT IDENTIFIER.
    Identifier,
    /// OCTET STRING, or characters of eight bits.
    Octets(Size),
    /// Characters of which there are at most sixteen.
    Digits(Size),
    /// BMPString.
    Wide(Size),
    /// SEQUENCE.
    Sequence(Sequence),
    /// CHOICE; all alternatives are listed as fields are.
    Choice(Sequence),
    /// SEQUENCE OF or SET OF. Of marked ones so many are kept; the others are walked past.
    Many(Size, usize, &'static Field),
    /// OCTET STRING that holds a value of another type.
    Holding(&'static Field),
    /// The octets of an address that is to be noted, with a port of two octets behind it.
    Address(Af),
    /// INTEGER (1..4294967295) that is to be noted.
    Seconds,
    /// NULL that is to be noted.
    Noted,
    /// Something that the original does not read past: where it is there, it is the last of its sequence that is read.
    Unread,
    /// The original reads no field from here on, be they there or not, and goes on behind the sequence.
    Rest,
}

/// How many bits an INTEGER takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Width {
    /// So many, where they come.
    Bits(u32),
    /// A whole octet.
    Octet,
    /// Two.
    Word,
    /// Up to four, behind their number.
    Long,
}

/// How the length of something is told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Size {
    /// Always the same.
    Fixed(usize),
    /// In so many bits; 0 means this much.
    Bits(u32, usize),
    /// In a whole octet; 0 means this much.
    Octet(usize),
    /// In one or two octets.
    Open,
}

/// The fields of a SEQUENCE, or the alternatives of a CHOICE.
#[derive(Debug)]
pub(super) struct Sequence {
    /// There may be others behind the root.
    extensible: bool,
    root: &'static [Field],
    /// How many additions the original's tables know.
    known: u32,
    /// Wanted ones by number.
    added: &'static [(u32, Field)],
}

/// One field.
#[derive(Debug)]
pub(super) struct Field {
    optional: bool,
    marks: u32,
    of: &'static Type,
}

/// A NULL that is always there.
pub(super) const NULL: Field = must(&Type::Null);
/// A BOOLEAN.
pub(super) const FLAG: Field = must(&Type::Boolean);
/// An INTEGER of one octet.
pub(super) const OCTET: Field = must(&Type::Integer(Width::Octet));
/// An INTEGER of two.
pub(super) const WORD: Field = must(&Type::Integer(Width::Word));
/// Nothing is read from here on.
pub(super) const REST: Field = must(&Type::Rest);
/// The same, if it is there.
pub(super) const OPTIONAL_REST: Field = may(&Type::Rest);

/// Something that was wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// All marks on the way to it.
    pub(super) marks: u32,
    /// Which of many it is, or belongs to.
    pub(super) item: usize,
    pub(super) what: What,
}

/// What it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// An address of the family, where its octets begin.
    Address(Af, usize),
    Seconds(u32),
    Nothing,
}

/// The message makes no sense, or is cut.
struct Malformed;

type Walked<T = ()> = Result<T, Malformed>;

/// What is wanted of a message; `None` if it cannot be read so far.
pub(super) fn find(message: &[u8], of: &Type) -> Option<Vec<Found>> {
    let mut walk = Walk { message, octet: 0, bit: 0, found: Vec::new(), marks: 0, item: 0, wanted: true };
    walk.value(of).ok()?;
    Some(walk.found)
}

pub(super) const fn sequence(root: &'static [Field]) -> Type {
    Type::Sequence(Sequence { extensible: false, root, known: 0, added: &[] })
}

/// With additions, of which so many are known and these are wanted.
pub(super) const fn open_sequence(root: &'static [Field], known: u32, added: &'static [(u32, Field)]) -> Type {
    Type::Sequence(Sequence { extensible: true, root, known, added })
}

pub(super) const fn choice(root: &'static [Field]) -> Type {
    Type::Choice(Sequence { extensible: false, root, known: 0, added: &[] })
}

/// With additions, of which these are wanted.
pub(super) const fn open_choice(root: &'static [Field], added: &'static [(u32, Field)]) -> Type {
    Type::Choice(Sequence { extensible: true, root, known: 0, added })
}

/// A field that is there.
pub(super) const fn must(of: &'static Type) -> Field {
    Field { optional: false, marks: 0, of }
}

/// A field that may be missing.
pub(super) const fn may(of: &'static Type) -> Field {
    Field { optional: true, marks: 0, of }
}

impl Field {
    /// It, with marks.
    pub(super) const fn marked(self, marks: u32) -> Self {
        Self { marks, ..self }
    }
}

/// One walk through a message.
struct Walk<'m> {
    message: &'m [u8],
    octet: usize,
    /// Bits of that octet that were read, less than eight.
    bit: u32,
    found: Vec<Found>,
    marks: u32,
    item: usize,
    /// Not one of too many.
    wanted: bool,
}

impl Walk<'_> {
    fn value(&mut self, of: &Type) -> Walked {
        match of {
            Type::Null | Type::Unread | Type::Rest => Ok(()),
            Type::Boolean => self.bits(1).map(drop),
            Type::Integer(Width::Bits(bits)) => self.bits(*bits).map(drop),
            Type::Integer(Width::Octet) => self.octets(1).map(drop),
            Type::Integer(Width::Word) => self.octets(2).map(drop),
            Type::Integer(Width::Long) => self.long().map(drop),
            Type::Identifier => {
                let length = self.octets(1)?;
                self.octets(length as usize).map(drop)
            }
            Type::Octets(size) => self.string(*size, 8),
            Type::Digits(size) => self.string(*size, 4),
            Type::Wide(size) => self.string(*size, 16),
            Type::Sequence(sequence) => self.sequence(sequence),
            Type::Choice(choice) => self.choice(choice),
            Type::Many(size, most, field) => self.many(*size, *most, field),
            Type::Holding(field) => self.enclosed(Some(field)),
            Type::Address(af) => {
                self.align();
                let at = self.octet;
                self.octets(if *af == Af::V4 { 4 } else { 16 })?;
                self.note(What::Address(*af, at));
                Ok(())
            }
            Type::Seconds => {
                let octets = self.bits(2)? as usize + 1;
                let seconds = self.octets(octets)?;
                self.note(What::Seconds(seconds.wrapping_add(1)));
                // The original goes past them twice, and finds no end of the message if nothing stands behind.
                self.octets(octets).map(drop)
            }
            Type::Noted => {
                self.note(What::Nothing);
                Ok(())
            }
        }
    }

    fn field(&mut self, field: &Field) -> Walked {
        let marks = self.marks;
        self.marks |= field.marks;
        let walked = self.value(field.of);
        self.marks = marks;
        walked
    }

    fn sequence(&mut self, sequence: &Sequence) -> Walked {
        let extended = sequence.extensible && self.bits(1)? != 0;
        let optional = sequence.root.iter().filter(|field| field.optional).count() as u32;
        let mut there = self.bits(optional)?.checked_shl(32 - optional).unwrap_or(0);
        for field in sequence.root {
            if let Type::Rest = field.of {
                return Ok(());
            }
            if !field.optional || there >> 31 != 0 {
                if let Type::Unread = field.of {
                    return Ok(());
                }
                self.field(field)?;
            }
            if field.optional {
                there <<= 1;
            }
        }
        if !extended {
            return Ok(());
        }
        let many = self.bits(7)? + 1;
        if many > u32::BITS {
            return Err(Malformed);
        }
        let there = self.additions(many)?;
        self.align();
        for number in 0..many {
            let wanted = sequence.added.iter().find(|(wanted, _)| *wanted == number).map(|(_, field)| field);
            if let Some(Field { of: Type::Rest, .. }) = wanted {
                return Ok(());
            }
            // Of what came later the original wants a length even where nothing is.
            if number >= sequence.known || there >> (many - 1 - number) & 1 != 0 {
                self.enclosed(wanted)?;
            }
        }
        Ok(())
    }

    /// Which additions are there. Where the original gathers its bits from exactly four octets, it takes those in front of
    /// them along and loses the last.
    fn additions(&mut self, many: u32) -> Walked<u32> {
        let whole = self.message.get(self.octet..).and_then(|rest| rest.first_chunk()).copied();
        let bits = self.bit + many;
        let there = self.bits(many)?;
        Ok(whole.filter(|_| bits == u32::BITS).map_or(there, |whole| u32::from_be_bytes(whole) >> (u32::BITS - many)))
    }

    fn choice(&mut self, choice: &Sequence) -> Walked {
        if choice.extensible && self.bits(1)? != 0 {
            let number = self.bits(7)?;
            let wanted = choice.added.iter().find(|(wanted, _)| *wanted == number);
            return match wanted {
                Some((_, Field { of: Type::Rest, .. })) => Ok(()),
                wanted => self.enclosed(wanted.map(|(_, field)| field)),
            };
        }
        let number = self.bits(usize::BITS - choice.root.len().saturating_sub(1).leading_zeros())?;
        let field = choice.root.get(number as usize).ok_or(Malformed)?;
        self.field(field)
    }

    fn many(&mut self, size: Size, most: usize, field: &Field) -> Walked {
        let count = self.length(size)?;
        let (item, wanted) = (self.item, self.wanted);
        for number in 0..count {
            self.item = number;
            self.wanted = wanted && number < most;
            self.field(field)?;
        }
        (self.item, self.wanted) = (item, wanted);
        Ok(())
    }

    /// What has a length in front of it; whatever was read of it, the walk goes on behind it.
    fn enclosed(&mut self, wanted: Option<&Field>) -> Walked {
        let length = self.length(Size::Open)?;
        let end = self.octet.checked_add(length).filter(|&end| end <= self.message.len()).ok_or(Malformed)?;
        if let Some(field) = wanted.filter(|_| self.wanted) {
            self.field(field)?;
        }
        (self.octet, self.bit) = (end, 0);
        Ok(())
    }

    fn string(&mut self, size: Size, bits: u32) -> Walked {
        let length = self.length(size)?;
        if !matches!(size, Size::Fixed(0..=2)) {
            self.align();
        }
        let bits = length as u64 * u64::from(bits) + u64::from(self.bit);
        self.octet = self.octet.saturating_add((bits / 8) as usize);
        self.bit = (bits % 8) as u32;
        if self.octet + usize::from(self.bit != 0) > self.message.len() { Err(Malformed) } else { Ok(()) }
    }

    fn length(&mut self, size: Size) -> Walked<usize> {
        Ok(match size {
            Size::Fixed(length) => length,
            Size::Bits(bits, least) => self.bits(bits)? as usize + least,
            Size::Octet(least) => self.octets(1)? as usize + least,
            Size::Open => {
                self.align();
                // The original looks for two octets even where one will do.
                let &[first, second] =
                    self.message.get(self.octet..).and_then(|rest| rest.first_chunk()).ok_or(Malformed)?;
                if first & 0x80 == 0 {
                    self.octet += 1;
                    usize::from(first)
                } else {
                    self.octet += 2;
                    usize::from(first & 0x3f) << 8 | usize::from(second)
                }
            }
        })
    }

    fn long(&mut self) -> Walked<u32> {
        let octets = self.bits(2)? as usize + 1;
        self.octets(octets)
    }

    /// Up to 32 bits where they come.
    fn bits(&mut self, bits: u32) -> Walked<u32> {
        let mut value = 0;
        for _ in 0..bits {
            let octet = self.message.get(self.octet).ok_or(Malformed)?;
            value = value << 1 | u32::from(octet >> (7 - self.bit) & 1);
            self.bit += 1;
            if self.bit == 8 {
                (self.octet, self.bit) = (self.octet + 1, 0);
            }
        }
        Ok(value)
    }

    /// Whole octets, and the number that the last four of them make.
    fn octets(&mut self, octets: usize) -> Walked<u32> {
        self.align();
        let end = self.octet.checked_add(octets).ok_or(Malformed)?;
        let read = self.message.get(self.octet..end).ok_or(Malformed)?;
        let value = read.iter().fold(0, |value, octet| value << 8 | u32::from(*octet));
        self.octet = end;
        Ok(value)
    }

    fn align(&mut self) {
        if self.bit != 0 {
            (self.octet, self.bit) = (self.octet + 1, 0);
        }
    }

    fn note(&mut self, what: What) {
        if self.wanted && self.marks != 0 {
            self.found.push(Found { marks: self.marks, item: self.item, what });
        }
    }
}
