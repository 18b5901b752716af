//! `-j LED`: lets a light shine when a packet comes.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::number;
use crate::value::text::Text;

/// Which light, and for how long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Led {
    /// The trigger's full name, `netfilter-` before what was typed.
    pub trigger: Text<27>,
    /// It goes out for a moment when a packet comes while it shines.
    pub always_blink: bool,
    /// Milliseconds that it shines; `u32::MAX` is for ever.
    pub delay: u32,
}

impl Extension for Led {
    const NAME: &'static str = "LED";
    const KIND: Kind = Kind::Target;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>()).user_size(32)];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("led-trigger-id", " name", "the trigger netfilter-NAME, at most 16 characters", set_trigger)
            .mandatory(),
        Opt::new("led-delay", " ms", "how long it shines, in milliseconds, or inf", set_delay),
        Opt::flag("led-always-blink", "blink for packets that come while it shines", set_blink),
    ];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("LED"))?;
        Ok(Self { trigger: Text(info.trigger), always_blink: info.blink != 0, delay: info.delay })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let bytes =
            Info { trigger: self.trigger.0, blink: self.always_blink.into(), delay: self.delay, kernel: [0; 8] };
        bytes.write_to_prefix(info).map_err(|_| Malformed("LED"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        w.write_str(" --led-trigger-id ")?;
        self.quoted(w)?;
        if self.delay != 0 {
            // The tools print it signed, and cannot read -1 again.
            write!(w, " --led-delay {}", self.delay.cast_signed())?;
        }
        if self.always_blink { w.write_str(" --led-always-blink") } else { Ok(()) }
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        w.write_str(" led-trigger-id:")?;
        self.quoted(w)?;
        match self.delay {
            u32::MAX => w.write_str(" led-delay:inf")?,
            delay => write!(w, " led-delay:{}ms", delay.cast_signed())?,
        }
        if self.always_blink { w.write_str(" led-always-blink") } else { Ok(()) }
    }
}

impl Led {
    /// The name as typed, in quotes whether it needs them or not.
    fn quoted(&self, w: &mut dyn Write) -> fmt::Result {
        let name = String::from_utf8_lossy(self.trigger.as_bytes().get(PREFIX.len()..).unwrap_or_default());
        w.write_str("\"")?;
        for character in name.chars() {
            if matches!(character, '"' | '\\' | '\'') {
                w.write_str("\\")?;
            }
            w.write_char(character)?;
        }
        w.write_str("\"")
    }
}

fn set_trigger(to: &mut Led, given: &Given<'_>) -> Result<(), Problem> {
    if given.value.len() > NAME_MAX {
        return Err(Problem::new(format!("Argument must have a maximum length of {NAME_MAX} characters\n")));
    }
    to.trigger = Text::cut(&format!("{PREFIX}{}", given.value));
    Ok(())
}

fn set_delay(to: &mut Led, given: &Given<'_>) -> Result<(), Problem> {
    let endless = given.value.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("inf"));
    let number = if endless { Some(u32::MAX.into()) } else { number::parse(given.value, 0, u32::MAX.into()) };
    let delay = number.and_then(|number| u32::try_from(number).ok());
    to.delay = delay.ok_or_else(|| Problem::new(format!("Delay value must be within range 0..{}", u32::MAX)))?;
    Ok(())
}

fn set_blink(to: &mut Led, _given: &Given<'_>) -> Result<(), Problem> {
    to.always_blink = true;
    Ok(())
}

/// What the kernel's trigger names begin with.
const PREFIX: &str = "netfilter-";
/// The field less the prefix and the zero.
const NAME_MAX: usize = 27 - PREFIX.len() - 1;

/// struct xt_led_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    trigger: [u8; 27],
    blink: u8,
    delay: u32,
    kernel: [u8; 8],
}
