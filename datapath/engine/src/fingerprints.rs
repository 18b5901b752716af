//! Fingerprints of systems for `-m osf`: the look of the first packet of their TCP connections, and the text of `pf.os`.

use std::fmt;

use crate::wire::tcp::option::{END, MSS, NOP, SACK_PERMITTED, TIMESTAMP, WINDOW_SCALE};

/// What is known of systems, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprints {
    /// Those whose packets may be fragmented, and those whose packets may not.
    by_fragmenting: [Vec<Fingerprint>; 2],
}

/// The look of one system's packets. struct nf_osf_user_finger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// How the window is compared.
    pub window: Window,
    /// The TTL that the system starts with.
    pub ttl: u8,
    /// The packet's length in bytes.
    pub length: u16,
    /// The TCP options in their order, by number.
    pub options: Vec<u8>,
    /// The system's name, which rules ask for.
    pub genre: Name,
    /// Its version, for the log.
    pub version: Name,
    /// What else is said of it there.
    pub subtype: Name,
}

/// `enum nf_osf_window_size_options`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// Any window.
    Any,
    /// This one.
    Is(u32),
    /// So many times the segment size that the packet announces.
    Segments(u32),
    /// So many times the packet size that follows from it.
    Packets(u32),
    /// A multiple of it.
    MultipleOf(u32),
}

/// A text of at most 31 bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Name(Vec<u8>);

/// What of a packet is compared.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// `IP_DF`.
    pub whole: bool,
    /// The length that the IP header says.
    pub length: u16,
    /// The TTL.
    pub ttl: u8,
    /// The window.
    pub window: u16,
    /// The TCP options' bytes.
    pub options: &'a [u8],
}

/// `NF_OSF_TTL_*`: how the TTL is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ttl {
    /// It is the fingerprint's.
    Same,
    /// It is at most the fingerprint's.
    AtMost,
    /// Not at all.
    Any,
}

impl Fingerprints {
    /// Reads the text of a `pf.os`, as nfnl_osf does: lines that are not a fingerprint's are passed over, and one that is
    /// there twice counts once.
    pub fn read(text: &[u8]) -> Self {
        let mut all = Self::default();
        for line in text.split(|byte| *byte == b'\n').filter(|line| line.len() < LINE && !line.starts_with(b"#")) {
            if let Some((whole, fingerprint)) = parse(line)
                && let Some(list) = all.by_fragmenting.get_mut(usize::from(whole))
                && !list.contains(&fingerprint)
            {
                list.push(fingerprint);
            }
        }
        all
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_fragmenting.iter().map(Vec::len).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Those that a packet looks like.
    pub fn find<'f>(&'f self, look: Look<'f>, ttl: Ttl) -> impl Iterator<Item = &'f Fingerprint> {
        let list = self.by_fragmenting.get(usize::from(look.whole)).map_or(&[][..], Vec::as_slice);
        list.iter().filter(move |fingerprint| fingerprint.fits(&look, ttl))
    }
}

impl Fingerprint {
    /// As nf_osf_match_one().
    fn fits(&self, look: &Look<'_>, ttl: Ttl) -> bool {
        let lives = match ttl {
            Ttl::Same => look.ttl == self.ttl,
            Ttl::AtMost => look.ttl <= self.ttl,
            Ttl::Any => true,
        };
        let length: usize = self.options.iter().map(|kind| option_len(*kind)).sum();
        if look.length != self.length || !lives || length > OPTIONS || look.options.len() != length {
            return false;
        }
        let mut at = 0;
        let mut segment = 0;
        for &kind in &self.options {
            if look.options.get(at) != Some(&kind) {
                return false;
            }
            if let (MSS, Some(&[_, _, a, b])) = (kind, look.options.get(at..at + 4)) {
                segment = u32::from(u16::from_be_bytes([a, b]));
            }
            // Of an option's length what the fingerprint says counts, not what the packet says.
            at += option_len(kind);
        }
        let window = u32::from(look.window);
        // Modems make segments smaller, so the usual sizes do as well.
        let times = |count: u32, more: u32| {
            [segment, SMART_MSS, SMALLER_MSS].iter().any(|size| count.wrapping_mul(size + more) == window)
        };
        match self.window {
            Window::Any => true,
            Window::Is(wanted) => window == wanted,
            Window::Segments(count) => times(count, 0),
            Window::Packets(count) => times(count, HEADERS),
            Window::MultipleOf(part) => window.checked_rem(part) == Some(0),
        }
    }
}

impl Name {
    fn new(bytes: &[u8]) -> Self {
        Self(bytes.get(..NAME).unwrap_or(bytes).to_vec())
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(&self.0) {
            Ok(text) => f.write_str(text),
            Err(_) => write!(f, "{}", self.0.escape_ascii()),
        }
    }
}

/// A line's fingerprint, and whether its packets may not be fragmented: eight colons, `window:ttl:df:length:options:name:
/// version:subtype:words`.
fn parse(line: &[u8]) -> Option<(bool, Fingerprint)> {
    let mut fields = line.split(|byte| *byte == b':');
    let mut field = || fields.next();
    let (window, ttl, df, length) = (field()?, field()?, field()?, field()?);
    let (options, genre, version, subtype, _words) = (field()?, field()?, field()?, field()?, field()?);
    if field().is_some() {
        return None;
    }
    let genre = genre.trim_ascii_start();
    let genre = genre.strip_prefix(b"@").or_else(|| genre.strip_prefix(b"*")).unwrap_or(genre);
    let fingerprint = Fingerprint {
        window: window_of(window),
        ttl: number(ttl) as u8,
        length: number(length) as u16,
        options: options_of(options),
        genre: Name::new(genre),
        version: Name::new(version),
        subtype: Name::new(subtype),
    };
    Some((number(df) as u8 != 0, fingerprint))
}

fn window_of(text: &[u8]) -> Window {
    match text {
        [b'S', b'%', rest @ ..] | [b'S', rest @ ..] => Window::Segments(number(rest)),
        [b'T', b'%', rest @ ..] | [b'T', rest @ ..] => Window::Packets(number(rest)),
        [b'%', rest @ ..] => Window::MultipleOf(number(rest)),
        [b'0'..=b'9', ..] => match number(text) {
            0 => Window::Any,
            value => Window::Is(value),
        },
        _ => Window::Any,
    }
}

/// The numbers of the options; what is behind an option's letter does not count, and neither does a letter of no option.
fn options_of(text: &[u8]) -> Vec<u8> {
    let letters = text.split(|byte| *byte == b',').filter_map(|word| word.trim_ascii_start().first());
    let kinds = letters.filter_map(|letter| match letter {
        b'E' => Some(END),
        b'N' => Some(NOP),
        b'M' => Some(MSS),
        b'W' => Some(WINDOW_SCALE),
        b'S' => Some(SACK_PERMITTED),
        b'T' => Some(TIMESTAMP),
        _ => None,
    });
    kinds.take(OPTIONS).collect()
}

/// The leading digits, as strtoul(3) has them, cut to what the field holds.
fn number(text: &[u8]) -> u32 {
    let digits = text.trim_ascii_start().iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0u64, |value, digit| value.saturating_mul(10).saturating_add(u64::from(digit - b'0'))) as u32
}

/// Bytes of an option in a fingerprint.
fn option_len(kind: u8) -> usize {
    match kind {
        MSS => 4,
        WINDOW_SCALE => 3,
        SACK_PERMITTED => 2,
        TIMESTAMP => 10,
        _ => 1,
    }
}

/// `MAXGENRELEN` without the NUL.
const NAME: usize = 31;
/// `MAX_IPOPTLEN`.
const OPTIONS: usize = 40;
/// Bytes of a line that nfnl_osf reads in one piece.
const LINE: usize = 1024;
/// `SMART_MSS_1`, `SMART_MSS_2`.
const SMART_MSS: u32 = 1460;
const SMALLER_MSS: u32 = 1448;
/// Bytes of an IP and a TCP header.
const HEADERS: u32 = 40;

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> (bool, Fingerprint) {
        parse(line.as_bytes()).unwrap()
    }

    /// What nfnl_osf 1.8.9 sends to the kernel for the same lines, as `strace` shows it.
    #[test]
    fn lines_are_read_as_the_original_reads_them() {
        for (line, window, ttl, df, length, options, names) in [
            (
                "S44:64:1:60:M*,S,T,N,W7:A1:1:s:d",
                Window::Segments(44),
                64,
                true,
                60,
                &[2, 4, 8, 1, 3][..],
                ["A1", "1", "s"],
            ),
            (
                "S%22:255:0:0:M1460,N,W%2:@A2:a b:c:d",
                Window::Segments(22),
                255,
                false,
                0,
                &[2, 1, 3],
                ["A2", "a b", "c"],
            ),
            ("*:64:1:60:S:*A3:1::d", Window::Any, 64, true, 60, &[4], ["A3", "1", ""]),
            ("T4:64:1:60:W7,M*:A4:::", Window::Packets(4), 64, true, 60, &[3, 2], ["A4", "", ""]),
            ("%8192:64:1:60:.:A5:::", Window::MultipleOf(8192), 64, true, 60, &[], ["A5", "", ""]),
            (" 5:64:1:60:N:A8::: ", Window::Any, 64, true, 60, &[1], ["A8", "", ""]),
            ("S5:300:2:70000:N, S,WS3,W:-A9:::x", Window::Segments(5), 44, true, 4464, &[1, 4, 3, 3], ["-A9", "", ""]),
            ("Sx:064:1:0x10:S:A11:::x", Window::Segments(0), 64, true, 0, &[4], ["A11", "", ""]),
            (":64:1:6:S:A12:::x", Window::Any, 64, true, 6, &[4], ["A12", "", ""]),
        ] {
            let (whole, got) = one(line);
            assert_eq!((got.window, got.ttl, whole, got.length), (window, ttl, df, length), "{line}");
            assert_eq!(got.options, options, "{line}");
            let got = [got.genre, got.version, got.subtype].map(|name| name.to_string());
            assert_eq!(got, names, "{line}");
        }
    }

    #[test]
    fn a_line_has_eight_colons_and_a_name_31_bytes() {
        assert_eq!(parse(b"12:64:1:60:E,?12,N,Q:A6:::d:e"), None);
        assert_eq!(parse(b"S*:64:1:60:T0,T:A7::"), None);
        let (_, long) = one("1:64:1:60:N,N:A10:verylongversionnamethatgoesonandonandonand::x");
        assert_eq!(long.version.to_string(), "verylongversionnamethatgoesonan");
        let all =
            Fingerprints::read(b"# a remark: 1:2:3:4:5:6:7\n1:64:1:40:.:A:::x\n1:64:1:40:.:A:::again\n\nno line\n");
        assert_eq!(all.len(), 1);
    }

    fn look(options: &[u8], window: u16) -> Look<'_> {
        Look { whole: true, length: 48, ttl: 60, window, options }
    }

    #[test]
    fn windows_are_compared_with_the_announced_segment_and_the_usual_ones() {
        let options = [2, 4, 2, 0, 1, 1, 4, 2];
        let fits = |window: &str, value: u16| {
            let (_, fingerprint) = one(&format!("{window}:64:1:48:M*,N,N,S:A:::x"));
            fingerprint.fits(&look(&options, value), Ttl::AtMost)
        };
        assert!(fits("S4", 2048) && fits("S4", 5840) && fits("S4", 5792) && !fits("S4", 2049));
        assert!(fits("T2", 1104) && fits("T2", 3000) && fits("T2", 2976) && !fits("T2", 3001));
        assert!(fits("%8192", 16384) && fits("%8192", 0) && !fits("%8192", 1) && !fits("%0", 0));
        assert!(fits("17", 17) && !fits("17", 18) && fits("0", 18) && fits("*", 18));
    }

    #[test]
    fn options_count_by_order_and_length_and_the_ttl_as_asked() {
        let (_, fingerprint) = one("*:64:1:48:M*,N,N,S:A:::x");
        let fits = |options: &[u8]| fingerprint.fits(&look(options, 1), Ttl::Any);
        assert!(fits(&[2, 4, 2, 0, 1, 1, 4, 2]) && fits(&[2, 99, 2, 0, 1, 1, 4, 77]));
        assert!(!fits(&[1, 1, 4, 2, 2, 4, 2, 0]) && !fits(&[2, 4, 2, 0, 1, 1, 4]) && !fits(&[]));
        let lives = |ttl, at: u8| {
            let packet = Look { ttl: at, ..look(&[2, 4, 2, 0, 1, 1, 4, 2], 1) };
            fingerprint.fits(&packet, ttl)
        };
        assert!(lives(Ttl::Same, 64) && !lives(Ttl::Same, 63));
        assert!(lives(Ttl::AtMost, 63) && !lives(Ttl::AtMost, 65) && lives(Ttl::Any, 65));
    }

    #[test]
    fn packets_that_may_be_fragmented_have_fingerprints_of_their_own() {
        let all = Fingerprints::read(b"*:64:0:40:.:A:::x\n*:64:1:40:.:B:::x\n*:64:1:40:.:C:::x\n");
        let names = |whole| {
            let look = Look { whole, length: 40, ttl: 64, window: 1, options: &[] };
            all.find(look, Ttl::Same).map(|found| found.genre.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names(false), ["A"]);
        assert_eq!(names(true), ["B", "C"]);
    }
}
