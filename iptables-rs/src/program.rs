//! Which of the programs this process is, and the names it calls itself.

use libxt::family::Af;

/// A program of the multi-call binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    /// Whose tables.
    pub(crate) af: Af,
    /// What it does.
    pub(crate) role: Role,
}

/// What a program does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// `iptables`.
    Command,
    /// `iptables-save`.
    Save,
    /// `iptables-restore`.
    Restore,
    /// `iptables-apply`.
    Apply,
    /// `iptables-xml`.
    Xml,
    /// `iptables-translate`.
    Translate,
    /// `iptables-restore-translate`.
    RestoreTranslate,
}

impl Program {
    /// The name in messages, whatever `argv[0]` was.
    pub(crate) fn name(self) -> &'static str {
        match (self.af, self.role) {
            (Af::V4, Role::Command) => "iptables",
            (Af::V4, Role::Save) => "iptables-save",
            (Af::V4, Role::Restore) => "iptables-restore",
            (Af::V4, Role::Apply) => "iptables-apply",
            (Af::V6, Role::Apply) => "ip6tables-apply",
            (_, Role::Xml) => "iptables-xml",
            (Af::V6, Role::Command) => "ip6tables",
            (Af::V6, Role::Save) => "ip6tables-save",
            (Af::V6, Role::Restore) => "ip6tables-restore",
            (Af::V4, Role::Translate) => "iptables-translate",
            (Af::V6, Role::Translate) => "ip6tables-translate",
            // As upstream, which turns the two words round in messages.
            (Af::V4, Role::RestoreTranslate) => "iptables-translate-restore",
            (Af::V6, Role::RestoreTranslate) => "ip6tables-translate-restore",
        }
    }

    /// What stands in brackets behind the version: the translators are not of the legacy tools.
    pub(crate) fn variant(self) -> &'static str {
        if matches!(self.role, Role::Translate | Role::RestoreTranslate) { "nf_tables" } else { "legacy" }
    }

    /// Whether its command lines are the lines of a file.
    pub(crate) fn is_restore(self) -> bool {
        matches!(self.role, Role::Restore | Role::RestoreTranslate)
    }

    /// The names by which programs can be asked for.
    pub(crate) const NAMES: &[&str] = &[
        "iptables",
        "main4",
        "iptables-save",
        "save4",
        "iptables-restore",
        "restore4",
        "iptables-legacy",
        "iptables-legacy-save",
        "iptables-legacy-restore",
        "iptables-apply",
        "iptables-xml",
        "xml",
        "iptables-translate",
        "iptables-restore-translate",
        "ip6tables",
        "main6",
        "ip6tables-save",
        "save6",
        "ip6tables-restore",
        "restore6",
        "ip6tables-legacy",
        "ip6tables-legacy-save",
        "ip6tables-legacy-restore",
        "ip6tables-apply",
        "ip6tables-translate",
        "ip6tables-restore-translate",
    ];

    /// The program that a name asks for, as `xtables-legacy-multi` knows them.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let (af, role) = match name {
            "iptables" | "main4" | "iptables-legacy" => (Af::V4, Role::Command),
            "iptables-save" | "save4" | "iptables-legacy-save" => (Af::V4, Role::Save),
            "iptables-restore" | "restore4" | "iptables-legacy-restore" => (Af::V4, Role::Restore),
            "iptables-apply" => (Af::V4, Role::Apply),
            "ip6tables-apply" => (Af::V6, Role::Apply),
            "iptables-xml" | "xml" => (Af::V4, Role::Xml),
            "ip6tables" | "main6" | "ip6tables-legacy" => (Af::V6, Role::Command),
            "ip6tables-save" | "save6" | "ip6tables-legacy-save" => (Af::V6, Role::Save),
            "ip6tables-restore" | "restore6" | "ip6tables-legacy-restore" => (Af::V6, Role::Restore),
            "iptables-translate" => (Af::V4, Role::Translate),
            "iptables-restore-translate" => (Af::V4, Role::RestoreTranslate),
            "ip6tables-translate" => (Af::V6, Role::Translate),
            "ip6tables-restore-translate" => (Af::V6, Role::RestoreTranslate),
            _ => return None,
        };
        Some(Self { af, role })
    }
}

/// The release whose behaviour is ours: what `-V`, the save header and the messages show.
pub(crate) const VERSION: &str = "1.8.11";
