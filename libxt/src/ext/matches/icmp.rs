//! `-m icmp`, and what it shares with `-m icmp6`: compares type and code of the ICMP header.

use std::fmt::{self, Write};
use std::marker::PhantomData;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Families, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings, option};
use crate::family::Af;
use crate::value::icmp::{self, Icmp, Names};

/// `-m icmp`.
pub type Icmp4 = OfType<V4>;

/// ICMP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct V4;

/// The packet's type and code are among these, or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfType<P> {
    /// The type and its codes; in ICMP type 255 is any type at all.
    pub icmp: Icmp,
    /// `!`.
    pub inverted: bool,
    protocol: PhantomData<P>,
}

/// What the two protocols call things.
pub trait Protocol: Clone + PartialEq + fmt::Debug + Send + Sync + 'static {
    /// The extension's name.
    const NAME: &'static str;
    /// The family it belongs to.
    const FAMILIES: Families;
    /// The one option.
    const OPTION: &'static str;
    /// The word in listings.
    const LISTED: &'static str;
    /// The names of types.
    const NAMES: Names;
    /// What type 255 is called, if it stands for all.
    const ANY: Option<&'static str>;
}

impl Protocol for V4 {
    const NAME: &'static str = "icmp";
    const FAMILIES: Families = Families::V4;
    const OPTION: &'static str = "icmp-type";
    const LISTED: &'static str = "icmp";
    const NAMES: Names = icmp::V4;
    const ANY: Option<&'static str> = Some("any");
}

impl<P> Default for OfType<P> {
    fn default() -> Self {
        Self { icmp: Icmp::of(u8::MAX), inverted: false, protocol: PhantomData }
    }
}

impl<P: Protocol> Extension for OfType<P> {
    const NAME: &'static str = P::NAME;
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>()).only(P::FAMILIES)];
    const OPTIONS: &'static [Opt<Self>] =
        &[Opt::new(P::OPTION, " type[/code]", "a name of a type or code, or numbers from 0 to 255", set_type)
            .invertible()
            .mandatory()];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed(P::NAME))?;
        let [code_min, code_max] = info.code;
        let icmp = Icmp { kind: info.kind, code_min, code_max };
        Ok(Self { icmp, inverted: info.invert & 1 != 0, protocol: PhantomData })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let Icmp { kind, code_min, code_max } = self.icmp;
        let bytes = Info { kind, code: [code_min, code_max], invert: self.inverted.into() };
        bytes.write_to_prefix(info).map_err(|_| Malformed(P::NAME))
    }

    fn list_names(w: &mut dyn Write, _af: Af) -> fmt::Result {
        let names = P::NAMES.names.iter().map(|name| (name.name, name.means));
        option::list_names(w, names, |means| !means.any_code())
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        write!(w, "{} --{} ", if self.inverted { " !" } else { "" }, P::OPTION)?;
        let Icmp { kind, code_min, .. } = self.icmp;
        match P::ANY {
            Some(any) if kind == u8::MAX => w.write_str(any),
            _ if self.icmp.any_code() => write!(w, "{kind}"),
            _ => write!(w, "{kind}/{code_min}"),
        }
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, numeric: bool) -> fmt::Result {
        write!(w, " {}", P::LISTED)?;
        P::NAMES.listed(w, self.icmp, self.inverted, numeric)
    }
}

fn set_type<P: Protocol>(to: &mut OfType<P>, given: &Given<'_>) -> Result<(), Problem> {
    let icmp = P::NAMES.parse(given.value).map_err(Problem::new)?;
    *to = OfType { icmp, inverted: given.inverted, protocol: PhantomData };
    Ok(())
}

/// struct ipt_icmp and struct ip6t_icmp.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    kind: u8,
    code: [u8; 2],
    invert: u8,
}
