//! Short questions whose answers tell addresses or come from another one: SNMP, and NetBIOS names.

use lab::suite::Test;

use super::{
    Place::{Client, Router, Server},
    Site, fail, play,
};

pub(crate) const TESTS: &[Test] = &[
    ("snmp_through_destination_nat_tells_the_address_it_was_asked_at", || {
        let rules = [
            "iptables -t raw -A PREROUTING -p udp --dport 161 -j CT --helper snmp",
            "iptables -t nat -A PREROUTING -i wan0 -p udp --dport 161 -j DNAT --to-destination 10.1.0.2",
        ];
        play(&rules, |s| {
            let settings = s.write("snmpd.conf", "agentaddress udp:10.1.0.2:161\nrocommunity public\n")?;
            s.serve(Client, &["snmpd", "-f", "-Lo", "-C", "-c", &settings, "-m", "", "-p", "snmpd.pid"])?;
            s.listens(Client, &[("udp", 161)])?;
            let words = ["-m", "", "-On", "-r", "0", "-t", "20", "-v1", "-c", "public", "10.2.0.1"];
            // The table of its own addresses.
            let table = s.must(Server, &[&["snmpwalk"], &words[..], &["1.3.6.1.2.1.4.20.1"]].concat())?;
            let own = table.lines().filter(|line| line.contains("IpAddress: 10."));
            if own.count() != 1 {
                return fail(table);
            }
            s.tell(table);
            let name = s.must(Server, &[&["snmpget"], &words[..], &["1.3.6.1.2.1.1.5.0"]].concat())?;
            s.tell(name);
            Ok(())
        })
    }),
    ("nmblookup_on_the_router_is_answered_from_its_network", || {
        let rules = [
            "iptables -t raw -A OUTPUT -p udp --dport 137 -j CT --helper netbios-ns",
            "iptables -P INPUT DROP",
            "iptables -A INPUT -i lo -j ACCEPT",
            "iptables -A INPUT -m helper --helper netbios-ns -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        ];
        play(&rules, |s| {
            let folder = s.name("samba");
            std::fs::create_dir(&folder)?;
            std::fs::create_dir_all("/run/samba")?;
            let own =
                ["lock directory", "state directory", "cache directory", "pid directory", "private dir", "ncalrpc dir"];
            let mut settings = String::from(
                "[global]\nnetbios name=LABHOST\nworkgroup=LAB\ninterfaces=10.1.0.2/24\nlocal master=no\n\
                 preferred master=no\nload printers=no\n",
            );
            for key in own {
                settings += &format!("{key}={folder}\n");
            }
            settings += &format!("log file={folder}.log\n");
            let settings = s.write("smb.conf", settings)?;
            s.chain.client.ip("addr change 10.1.0.2/24 brd + dev eth0\n")?;
            s.serve(Client, &["nmbd", "-F", "--no-process-group", "-s", &settings])?;
            s.listens(Client, &[("udp", 137)])?;
            let nmblookup = lab::router::program("nmblookup")?.to_string_lossy().into_owned();
            let said = ask(s, &[&nmblookup, "-s", &settings, "-B", "10.1.0.255", "__SAMBA__"])?;
            if !said.contains("10.1.0.2 __SAMBA__") {
                return fail(said);
            }
            Ok(())
        })
    }),
];

/// Asks until there is an answer: the server begins to listen before it knows its names.
fn ask(s: &mut Site, words: &[&str]) -> std::io::Result<String> {
    let mut said = String::new();
    for _ in 0..5 {
        let done = s.run(Router, words)?;
        said = done.stdout + &done.stderr;
        if done.status.success() {
            break;
        }
    }
    Ok(said)
}
