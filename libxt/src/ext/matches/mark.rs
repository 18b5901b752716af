//! `-m mark`, and what it shares with `-m connmark`: compares the packet's mark.

use std::fmt::{self, Write};
use std::marker::PhantomData;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::mark::Masked;

/// `-m mark`.
pub type Mark = Marked<Packet>;

/// The packet has the mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packet;

/// `(mark & mask) == value`, or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marked<O> {
    /// What the masked mark must be.
    pub mark: u32,
    /// Which bits count.
    pub mask: u32,
    /// `! --mark`.
    pub inverted: bool,
    owner: PhantomData<O>,
}

/// Whose mark it is.
pub trait Owner: Clone + Default + PartialEq + fmt::Debug + Send + Sync + 'static {
    /// The extension's name.
    const NAME: &'static str;
    /// What help says of the option.
    const HELP: &'static str;
    /// The words in listings, as they are and with `!`.
    const LISTED: [&'static str; 2];
}

impl Owner for Packet {
    const NAME: &'static str = "mark";
    const HELP: &'static str = "the packet's mark, optionally masked";
    const LISTED: [&'static str; 2] = ["mark match", "mark match !"];
}

impl<O: Owner> Extension for Marked<O> {
    const NAME: &'static str = O::NAME;
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(1, size_of::<Info1>())];
    const OPTIONS: &'static [Opt<Self>] =
        &[Opt::new("mark", " value[/mask]", O::HELP, set_mark).invertible().mandatory()];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info1::read_from_prefix(info).map_err(|_| Malformed(O::NAME))?;
        Ok(Self { mark: info.mark, mask: info.mask, inverted: info.invert != 0, owner: PhantomData })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let bytes = Info1 { mark: self.mark, mask: self.mask, invert: self.inverted.into(), pad: [0; 3] };
        bytes.write_to_prefix(info).map_err(|_| Malformed(O::NAME))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        let not = if self.inverted { " !" } else { "" };
        write!(w, "{not} --mark {}", Masked { value: self.mark, mask: self.mask })
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        let [plain, inverted] = O::LISTED;
        let listed = if self.inverted { inverted } else { plain };
        write!(w, " {listed} {}", Masked { value: self.mark, mask: self.mask })
    }
}

fn set_mark<O: Owner>(to: &mut Marked<O>, given: &Given<'_>) -> Result<(), Problem> {
    let Masked { value, mask } = given.mark()?;
    *to = Marked { mark: value, mask, inverted: given.inverted, owner: PhantomData };
    Ok(())
}

/// struct xt_mark_mtinfo1 and struct xt_connmark_mtinfo1.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info1 {
    mark: u32,
    mask: u32,
    invert: u8,
    pad: [u8; 3],
}
