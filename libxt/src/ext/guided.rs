//! Arguments of the standard types (`XTTYPE_*`), with the texts upstream's guided parser refuses them with.

use super::{Given, Problem};
use crate::value::address;
use crate::value::mark::Masked;
use crate::value::network::{self, Network};
use crate::value::port::{self, Ports};
use crate::value::text::Text;
use crate::value::{number, protocol, syslog};

impl Given<'_> {
    /// A number from `min` to `max` (`XTTYPE_UINT8` to `XTTYPE_UINT64`).
    pub fn number(&self, min: u64, max: u64) -> Result<u64, Problem> {
        number::parse(self.value, min, max).ok_or_else(|| self.out_of_range(min, max))
    }

    /// A number that fits a byte.
    pub fn byte(&self, min: u8, max: u8) -> Result<u8, Problem> {
        self.number(min.into(), max.into()).map(|value| value as u8)
    }

    /// A number that fits two bytes.
    pub fn word(&self, min: u16, max: u16) -> Result<u16, Problem> {
        self.number(min.into(), max.into()).map(|value| value as u16)
    }

    /// A number that fits four bytes.
    pub fn long(&self, min: u32, max: u32) -> Result<u32, Problem> {
        self.number(min.into(), max.into()).map(|value| value as u32)
    }

    /// `number` or `[min]:[max]`, each at most `max` (`XTTYPE_UINT8RC` to `XTTYPE_UINT64RC`); the order is not checked.
    pub fn range(&self, max: u64) -> Result<(u64, u64), Problem> {
        let Self { extension, option, .. } = self;
        let mut rest = self.value;
        let mut bounds = [None; 2];
        for (bound, default) in bounds.iter_mut().zip([0, max]) {
            if rest.is_empty() || rest.starts_with(':') {
                *bound = Some(default);
            } else {
                let parsed = number::parse_prefix(rest).filter(|(value, _)| *value <= max);
                let Some((value, after)) = parsed else {
                    return Err(Problem::new(format!(
                        "{extension}: bad value for option \"--{option}\" near \"{rest}\", or out of range (0-{max}).\n"
                    )));
                };
                *bound = Some(value);
                rest = after;
                if !rest.is_empty() && !rest.starts_with(':') {
                    return Err(Problem::new(format!(
                        "{extension}: Argument to \"--{option}\" has unexpected characters near \"{rest}\".\n"
                    )));
                }
            }
            match rest.strip_prefix(':') {
                Some(after) => rest = after,
                None => {
                    let min = bounds[0].unwrap_or(0);
                    return Ok((min, bounds[1].unwrap_or(min)));
                }
            }
        }
        Err(self.too_many())
    }

    /// A string of at least `min` characters, cut to its field (`XTTYPE_STRING`).
    pub fn text<const N: usize>(&self, min: usize) -> Result<Text<N>, Problem> {
        if self.value.len() < min {
            return Err(Problem::new(format!("Argument must have a minimum length of {min} characters\n")));
        }
        Ok(Text::cut(self.value))
    }

    /// `value[/mask]` (`XTTYPE_MARKMASK32`).
    pub fn mark(&self) -> Result<Masked, Problem> {
        let Self { extension, option, .. } = self;
        let bad =
            || Problem::new(format!("{extension}: bad integer value for option \"--{option}\", or out of range.\n"));
        let u32_prefix = |text| {
            let (value, rest) = number::parse_prefix(text)?;
            Some((u32::try_from(value).ok()?, rest))
        };
        let (value, rest) = u32_prefix(self.value).ok_or_else(bad)?;
        let (mask, rest) = match rest.strip_prefix('/') {
            Some(mask) => u32_prefix(mask).ok_or_else(bad)?,
            None => (u32::MAX, rest),
        };
        if !rest.is_empty() {
            return Err(Problem::new(format!(
                "{extension}: trailing garbage after value for option \"--{option}\".\n"
            )));
        }
        Ok(Masked { value, mask })
    }

    /// A syslog level (`XTTYPE_SYSLOGLEVEL`).
    pub fn log_level(&self) -> Result<u8, Problem> {
        syslog::parse(self.value).ok_or_else(|| Problem::new(format!("log level \"{}\" unknown\n", self.value)))
    }

    /// A protocol by number or exact name (`XTTYPE_PROTOCOL`); of one beyond a byte (`mptcp`) the low byte is left.
    pub fn protocol(&self) -> Result<u8, Problem> {
        let number = protocol::parse_exact(self.value).ok_or_else(|| Problem::new(protocol::unknown(self.value)))?;
        Ok(number as u8)
    }

    /// One port by number or name (`XTTYPE_PORT`).
    pub fn port(&self) -> Result<u16, Problem> {
        any_port(self.value)
    }

    /// `port` or `[min]:[max]` (`XTTYPE_PORTRC`); the order is not checked.
    pub fn ports(&self) -> Result<Ports, Problem> {
        let mut parts = self.value.split(':');
        let first = parts.next().unwrap_or("");
        let second = parts.next();
        let min = if first.is_empty() { 0 } else { any_port(first)? };
        let max = match second {
            None => min,
            Some("") => u16::MAX,
            Some(max) => any_port(max)?,
        };
        if parts.next().is_some() {
            return Err(self.too_many());
        }
        Ok(Ports { min, max })
    }

    /// `host[/mask]` of the rule's family (`XTTYPE_HOSTMASK`).
    pub fn network(&self) -> Result<Network, Problem> {
        Network::parse(self.value, self.around.af).map_err(|refused| match refused {
            network::Refused::Mask => self.bad_mask(),
            other => host_problem(other, self.value),
        })
    }

    /// A mask as a prefix length or dotted (`XTTYPE_PLENMASK`), as a `union nf_inet_addr`.
    pub fn mask(&self) -> Result<[u8; 16], Problem> {
        network::parse_mask(self.value, self.around.af).ok_or_else(|| self.bad_mask())
    }

    /// The length of such a mask, `None` if it has holes.
    pub fn mask_len(&self) -> Result<Option<u8>, Problem> {
        network::parse_mask_len(self.value, self.around.af)
            .map(|len| len.map(|len| len as u8))
            .ok_or_else(|| self.bad_mask())
    }

    /// One address of the rule's family (`XTTYPE_HOST`), as a `union nf_inet_addr`.
    pub fn host(&self) -> Result<[u8; 16], Problem> {
        network::resolve(self.value, self.around.af)
            .map(address::to_bytes)
            .map_err(|refused| host_problem(refused, self.value))
    }

    /// `X: Bad value for "--y" option: "z"` (`xtables_param_act` with `XTF_BAD_VALUE`).
    pub fn bad_param(&self, value: &str) -> Problem {
        Problem::new(format!("{}: Bad value for \"--{}\" option: \"{value}\"", self.extension, self.option))
    }

    fn bad_mask(&self) -> Problem {
        let Self { extension, option, around, .. } = self;
        let bits = around.af.address_len() * 8;
        Problem::new(format!(
            "{extension}: bad value for option \"--{option}\", neither a valid network mask nor valid CIDR (0-{bits}).\n"
        ))
    }

    fn too_many(&self) -> Problem {
        let Self { extension, option, .. } = self;
        Problem::new(format!("{extension}: Too many components for option \"--{option}\" (max: 2)\n"))
    }
}

fn any_port(text: &str) -> Result<u16, Problem> {
    port::parse_any(text).ok_or_else(|| Problem::new(format!("Port \"{text}\" does not resolve to anything.\n")))
}

fn host_problem(refused: network::Refused, host: &str) -> Problem {
    match refused {
        network::Refused::Host(reason) => Problem::new(format!("getaddrinfo: {reason}\n")),
        _ => Problem::new(format!("{host} resolves to more than one address\n")),
    }
}
