//! Rates with their units written out.

/// `5/min` as `5/minute`, `512kb/s` as `512 kbytes/second`, `1mb` as `1 mbytes`.
pub(super) fn in_full(rate: &str) -> String {
    let (amount, per) = match rate.split_once('/') {
        Some((amount, per)) => (amount, Some(per)),
        None => (rate, None),
    };
    let digits = amount.find(|c: char| !c.is_ascii_digit()).unwrap_or(amount.len());
    let (count, unit) = amount.split_at(digits);
    let unit = match unit {
        "b" => " bytes",
        "kb" => " kbytes",
        "mb" => " mbytes",
        _ => "",
    };
    match per {
        Some("s" | "sec") => format!("{count}{unit}/second"),
        Some("min") => format!("{count}{unit}/minute"),
        Some(per) => format!("{count}{unit}/{per}"),
        None => format!("{count}{unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_written_out() {
        assert_eq!(in_full("5/min"), "5/minute");
        assert_eq!(in_full("1/day"), "1/day");
        assert_eq!(in_full("512kb/s"), "512 kbytes/second");
        assert_eq!(in_full("1mb"), "1 mbytes");
        assert_eq!(in_full("0b/s"), "0 bytes/second");
    }
}
