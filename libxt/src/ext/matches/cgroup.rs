//! `-m cgroup`: compares the control group of the socket that a packet belongs to.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::condition::Condition;
use crate::value::text::{Quoted, Text};

/// One of the two; the kernel refuses both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cgroup {
    /// The group of the unified hierarchy, or one above it.
    pub path: Option<Condition<Text<512>>>,
    /// The class of `net_cls`.
    pub class: Option<Condition<u32>>,
}

impl Extension for Cgroup {
    const NAME: &'static str = "cgroup";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[
        Revision::new(2, size_of::<Info2>()).user_size(520),
        Revision::new(1, size_of::<Info1>()).user_size(4104),
        Revision::new(0, size_of::<Info0>()),
    ];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("path", " path", "the group's path in the unified hierarchy", set_path).invertible(),
        Opt::new("cgroup", " class", "the class of net_cls", set_class).invertible(),
    ];

    fn fits(&self, number: u8) -> bool {
        number >= 1 || self.path.is_none() && self.class.is_some()
    }

    fn decode(revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let malformed = Malformed("cgroup");
        let (head, path, class) = match revision {
            0 => {
                let (info, _) = Info0::read_from_prefix(info).map_err(|_| malformed)?;
                return Ok(Self { path: None, class: Some(Condition::new(info.class, info.invert != 0)) });
            }
            1 => {
                let (info, _) = Info1::read_from_prefix(info).map_err(|_| malformed)?;
                let path = info.path.first_chunk::<512>().ok_or(malformed)?;
                if !path.contains(&0) {
                    return Err(Malformed("cgroup.path"));
                }
                (info.head, *path, info.class)
            }
            _ => {
                let (info, _) = Info2::read_from_prefix(info).map_err(|_| malformed)?;
                let [a, b, c, d, ..] = info.path;
                (info.head, info.path, u32::from_ne_bytes([a, b, c, d]))
            }
        };
        Ok(Self {
            path: (head.has_path != 0).then(|| Condition::new(Text(path), head.invert_path != 0)),
            class: (head.has_class != 0).then(|| Condition::new(class, head.invert_class != 0)),
        })
    }

    fn encode(&self, revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let malformed = Malformed("cgroup");
        let class = self.class.unwrap_or_default();
        let head = Head {
            has_path: self.path.is_some().into(),
            has_class: self.class.is_some().into(),
            invert_path: self.path.is_some_and(|path| path.inverted).into(),
            invert_class: class.inverted.into(),
        };
        let path = self.path.map_or([0; 512], |path| path.value.0);
        let written = match revision {
            0 => Info0 { class: class.value, invert: class.inverted.into() }.write_to_prefix(info).is_ok(),
            1 => {
                let mut bytes = Info1 { head, path: [0; 4096], class: class.value, kernel: [0; 8] };
                *bytes.path.first_chunk_mut().ok_or(malformed)? = path;
                bytes.write_to_prefix(info).is_ok()
            }
            _ => {
                let mut bytes = Info2 { head, path, pad: [0; 4], kernel: [0; 8] };
                if self.class.is_some() {
                    // Path and class are one union.
                    *bytes.path.first_chunk_mut().ok_or(malformed)? = class.value.to_ne_bytes();
                }
                bytes.write_to_prefix(info).is_ok()
            }
        };
        if written { Ok(()) } else { Err(malformed) }
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        if let Some(path) = self.path {
            write!(w, "{} --path {}", path.not(), Quoted(&path.value.to_str()))?;
        }
        match self.class {
            Some(class) => write!(w, "{} --cgroup {}", class.not(), class.value),
            None => Ok(()),
        }
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        if let Some(path) = self.path {
            write!(w, " cgroup{} {}", path.not(), path.value)?;
        }
        match self.class {
            Some(class) => write!(w, " cgroup{} {}", class.not(), class.value),
            None => Ok(()),
        }
    }
}

fn set_path(to: &mut Cgroup, given: &Given<'_>) -> Result<(), Problem> {
    to.path = Some(Condition::new(given.text(0)?, given.inverted));
    Ok(())
}

fn set_class(to: &mut Cgroup, given: &Given<'_>) -> Result<(), Problem> {
    to.class = Some(Condition::new(given.long(0, u32::MAX)?, given.inverted));
    Ok(())
}

/// What revisions 1 and 2 begin with.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Head {
    has_path: u8,
    has_class: u8,
    invert_path: u8,
    invert_class: u8,
}

/// struct xt_cgroup_info_v0.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info0 {
    class: u32,
    invert: u32,
}

/// struct xt_cgroup_info_v1.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info1 {
    head: Head,
    path: [u8; 4096],
    class: u32,
    kernel: [u8; 8],
}

/// struct xt_cgroup_info_v2.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info2 {
    head: Head,
    path: [u8; 512],
    pad: [u8; 4],
    kernel: [u8; 8],
}
