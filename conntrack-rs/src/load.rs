//! `-R`: command lines from a file, all of them read before the first is run.

use std::fs::File;
use std::io::{self, BufRead, BufReader};

use crate::command::{Action, Command, Table};
use crate::error::Error;
use crate::{parse, reader, run};

/// Runs the lines of the file, or of stdin if it is `-`. The first failure ends it.
pub(crate) fn load(name: &[u8]) -> Result<u8, Error> {
    let commands = if name == b"-" {
        read(io::stdin().lock())?
    } else {
        use std::os::unix::ffi::OsStrExt;
        let file = File::open(std::ffi::OsStr::from_bytes(name))
            .map_err(|_| Error::Parameter(format!("Failed to open file {} for reading", parse::text(name))))?;
        read(BufReader::new(file))?
    };
    for command in &commands {
        run::run_quietly(command)?;
    }
    Ok(0)
}

fn read(mut lines: impl BufRead) -> Result<Vec<Command>, Error> {
    let mut commands = Vec::new();
    let mut line = Vec::new();
    // What cannot be read, such as a folder, ends as an empty file does.
    while lines.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        // Longer lines are read in pieces, as fgets() does into the original's buffer.
        for piece in line.chunks(LONGEST_LINE) {
            let words = split(piece)?;
            let comment = piece.trim_ascii_start().first().is_none_or(|&first| first == b'#');
            if !comment {
                commands.push(line_command(&words)?);
            }
        }
        line.clear();
    }
    Ok(commands)
}

/// One line's command, if it is one of those that make, change or delete connections.
fn line_command(words: &[Vec<u8>]) -> Result<Command, Error> {
    let mut command = reader::parse(words)?;
    command.warn();
    command.warnings.clear();
    let letter = match command.action {
        Action::Create | Action::Add | Action::Update | Action::Delete => return Ok(command),
        Action::Flush if command.table == Table::Conntrack => return Ok(command),
        Action::Flush => "-F",
        Action::List => "-L",
        Action::Get => "-G",
        Action::Event => "-E",
        Action::Counter => "-C",
        Action::Stats => "-S",
        Action::Version => "-V",
        Action::Help if command.named => "-h",
        Action::Help => "unknown",
    };
    let table = if command.table == Table::Expect { " expect" } else { "" };
    Err(Error::Parameter(format!("Cannot use command `{letter}{table}' with --load-file")))
}

/// Words between blanks; double quotes hold blanks, and end the word where they close.
fn split(line: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    let mut words = Vec::new();
    let mut word = Vec::new();
    let (mut quoted, mut escaped) = (false, false);
    let mut end = |word: &mut Vec<u8>| {
        words.push(std::mem::take(word));
        if words.len() > MOST_WORDS { Err(Error::Parameter("too many arguments".into())) } else { Ok(()) }
    };
    for &byte in line {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => {
                escaped = true;
                continue;
            }
            b'"' if quoted => {
                quoted = false;
                end(&mut word)?;
                continue;
            }
            b'"' => {
                quoted = true;
                continue;
            }
            b' ' | b'\t' | b'\n' if !quoted => {
                if !word.is_empty() {
                    end(&mut word)?;
                }
                continue;
            }
            _ => {}
        }
        word.push(byte);
        if word.len() >= LONGEST_WORD {
            return Err(Error::Parameter("Parameter too long!".into()));
        }
    }
    if !word.is_empty() {
        end(&mut word)?;
    }
    Ok(words)
}

/// Bytes of a line that the original reads at once.
const LONGEST_LINE: usize = 10_239;
/// A word of so many bytes is too long.
const LONGEST_WORD: usize = 1024;
/// So many words a line may have.
const MOST_WORDS: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        split(line.as_bytes()).unwrap().into_iter().map(|word| String::from_utf8(word).unwrap()).collect()
    }

    #[test]
    fn quotes_hold_blanks_and_end_words() {
        assert_eq!(words("\t-A -p  udp\n"), ["-A", "-p", "udp"]);
        assert_eq!(words("-F \"a b\"c \"\"\n"), ["-F", "a b", "c", ""]);
        assert_eq!(words("x \"a\\\"b"), ["x", "a\"b"]);
        assert!(split(&[b'x'; 1024]).is_err() && split(&[b'x'; 1023]).is_ok());
        assert!(split("x ".repeat(254).as_bytes()).is_err() && split("x ".repeat(253).as_bytes()).is_ok());
    }

    #[test]
    fn only_lines_that_edit_connections_are_taken() {
        let said = |text: &str| read(text.as_bytes()).map(|commands| commands.len()).map_err(|e| e.to_string());
        assert_eq!(said("# -L\n\n   # x\nconntrack -D\n-F\n"), Ok(2));
        assert!(said("-F\n-L -p tcp\n").unwrap_err().contains("Cannot use command `-L' with"));
        assert!(said("-F expect").unwrap_err().contains("`-F expect'"));
        assert!(said("foo").unwrap_err().contains("`unknown'"));
    }
}
