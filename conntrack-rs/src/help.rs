//! `-h`.

use std::fmt::Write;

use crate::protocol::{Protocol, known_name};

/// The whole help, with that of a protocol if one was named.
pub(crate) fn text(protocol: Option<Protocol>) -> String {
    let mut out = String::from(HELP);
    if let Some(protocol) = protocol {
        let name = known_name(protocol.number).map_or_else(|| protocol.number.to_string(), str::to_owned);
        let _ = writeln!(out, "Options of `{name}':");
        for (name, _) in protocol.options {
            let _ = writeln!(out, "  --{name}");
        }
        if protocol.options.is_empty() {
            out.push_str("  none\n");
        }
    }
    out
}

const HELP: &str = "\
Usage: conntrack command [table] [options]
Shows, follows and edits tracked connections. Version 1.4.9

Commands:
  -L, --dump            list the table
  -G, --get             show one entry
  -D, --delete          delete the entries that match
  -I, --create          make an entry
  -A, --add             make an entry unless it is there
  -U, --update          change the entries that match
  -E, --event           follow what happens
  -F, --flush           empty the table
  -C, --counter         show how many entries there are
  -S, --stats           show statistics of each CPU
  -R, --load-file file  run the lines of a file (-: of stdin), each -I, -A, -U, -D or -F; must be the first word
  -V, --version         show the version
  -h, --help            show this; with -p also the protocol's options

Tables: conntrack (the default), expect, dying, unconfirmed

Which entries, or what to set:
  -s, --src, --orig-src ip[/len]    source of the original direction
  -d, --dst, --orig-dst ip[/len]    destination of the original direction
  -r, --reply-src ip                source of the reply direction
  -q, --reply-dst ip                destination of the reply direction
  --mask-src ip, --mask-dst ip      masks of -s and -d
  --tuple-src ip, --tuple-dst ip    addresses of an expectation
  -p, --protonum proto              transport protocol, by name or number
  -f, --family ipv4|ipv6            address family
  -t, --timeout seconds             time left
  -u, --status status[,...]         status; ! before one: not so
  -n, --src-nat [ip[:port]]         source is translated
  -g, --dst-nat [ip[:port]]         destination is translated
  -j, --any-nat [ip[:port]]         either is translated
  -m, --mark mark[/mask]            mark
  -c, --secmark secmark             security mark
  -i, --id id                       number of the entry
  -w, --zone zone                   zone of both directions
  --orig-zone zone, --reply-zone zone
                                    zone of one direction
  -l, --label label[,...]           labels
  --label-add label[,...], --label-del [label[,...]]
                                    labels to set or to clear
  -M, --labelmap file               the file that names labels, before them

Output:
  -o, --output type[,...]           xml or json, extended, timestamp, id, ktimestamp, labels, userspace; save alone
  -e, --event-mask event[,...]      ALL, NEW, UPDATES, DESTROY
  -b, --buffer-size bytes           room for events that wait
  -z, --zero                        set the counters to zero while listing

The table is the datapath's, or with XT_BACKEND=kernel the kernel's.

";
