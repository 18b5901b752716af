//! vsftpd with curl and with an FTP client: active and passive, both families, translation on either side.

use std::{fs, io};

use lab::{link::Offload, suite::Test};

use super::{
    Place::{self, Client, Server},
    Site, play, play_with,
};

pub(crate) const TESTS: &[Test] = &[
    ("curl_and_vsftpd_in_every_mode_through_source_nat", || {
        play(SOURCE, |s| every_mode(s, Client, Server, "10.2.0.2"))
    }),
    ("curl_and_vsftpd_in_every_mode_through_source_nat_of_ipv6", || {
        play(SOURCE6, |s| every_mode(s, Client, Server, "[fd02::2]"))
    }),
    ("curl_and_vsftpd_in_every_mode_through_destination_nat", || {
        play(DESTINATION, |s| every_mode(s, Server, Client, "10.2.0.1"))
    }),
    ("curl_and_vsftpd_in_every_mode_through_destination_nat_of_ipv6", || {
        play(DESTINATION6, |s| every_mode(s, Server, Client, "[fd02::1]"))
    }),
    ("curl_and_vsftpd_in_every_mode_through_both", || {
        let both = "iptables -t nat -A POSTROUTING -o lan0 -j MASQUERADE";
        play(&[DESTINATION, &[both]].concat(), |s| every_mode(s, Server, Client, "10.2.0.1"))
    }),
    ("an_ftp_session_of_many_transfers_through_source_nat", || {
        play(SOURCE, |s| session(s, Client, Server, "10.2.0.2"))
    }),
    ("an_ftp_session_of_many_transfers_through_destination_nat", || {
        play(DESTINATION, |s| session(s, Server, Client, "10.2.0.1"))
    }),
    ("a_hundred_mebibytes_of_ftp_arrive_intact_there_and_back", || play(SOURCE, |s| large(s, &["-P", "-"]))),
    ("a_hundred_mebibytes_of_ftp_arrive_intact_packet_by_packet", || {
        play_with(Offload::Off, SOURCE, |s| large(s, &[]))
    }),
];

const SOURCE: &[&str] = &[
    "iptables -t raw -A PREROUTING -p tcp --dport 21 -j CT --helper ftp",
    "iptables -t nat -A POSTROUTING -o wan0 -j MASQUERADE",
    "iptables -P FORWARD DROP",
    "iptables -A FORWARD -m helper --helper ftp -m conntrack --ctstate RELATED",
    "iptables -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
    "iptables -A FORWARD -i lan0 -p tcp --dport 21 -m conntrack --ctstate NEW -j ACCEPT",
];
const SOURCE6: &[&str] = &[
    "ip6tables -t raw -A PREROUTING -p tcp --dport 21 -j CT --helper ftp",
    "ip6tables -t nat -A POSTROUTING -o wan0 -j SNAT --to-source fd02::1",
    "ip6tables -P FORWARD DROP",
    "ip6tables -A FORWARD -m helper --helper ftp -m conntrack --ctstate RELATED",
    "ip6tables -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
    "ip6tables -A FORWARD -i lan0 -p tcp --dport 21 -m conntrack --ctstate NEW -j ACCEPT",
];
const DESTINATION: &[&str] = &[
    "iptables -t raw -A PREROUTING -p tcp --dport 21 -j CT --helper ftp",
    "iptables -t nat -A PREROUTING -i wan0 -p tcp --dport 21 -j DNAT --to-destination 10.1.0.2",
    "iptables -P FORWARD DROP",
    "iptables -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
    "iptables -A FORWARD -i wan0 -p tcp --dport 21 -m conntrack --ctstate NEW -j ACCEPT",
];
const DESTINATION6: &[&str] = &[
    "ip6tables -t raw -A PREROUTING -p tcp --dport 21 -j CT --helper ftp",
    "ip6tables -t nat -A PREROUTING -i wan0 -p tcp --dport 21 -j DNAT --to-destination fd01::2",
    "ip6tables -P FORWARD DROP",
    "ip6tables -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
    "ip6tables -A FORWARD -i wan0 -p tcp --dport 21 -m conntrack --ctstate NEW -j ACCEPT",
];

/// Fetches, stores and lists in each mode: passive and active, extended and not.
fn every_mode(s: &mut Site, from: Place, to: Place, server: &str) -> io::Result<()> {
    vsftpd(s, to)?;
    s.noise("there/some", 300_000)?;
    let mut modes: Vec<&[&str]> = vec![&[], &["-P", "-"]];
    if !server.starts_with('[') {
        modes.extend([&["--disable-epsv", "--no-ftp-skip-pasv-ip"][..], &["-P", "-", "--disable-eprt"]]);
    }
    for mode in modes {
        curl(s, from, mode, &["-o", "got", &format!("ftp://{server}/some")])?;
        s.same("there/some", "got")?;
        curl(s, from, mode, &["-T", "got", &format!("ftp://{server}/incoming/put")])?;
        s.same("there/some", "there/incoming/put")?;
        fs::remove_file(s.path("there/incoming/put"))?;
        let list = curl(s, from, mode, &["-l", &format!("ftp://{server}/")])?;
        s.tell(list);
    }
    Ok(())
}

/// Many transfers of one connection, whose lines the router makes longer and shorter.
fn session(s: &mut Site, from: Place, to: Place, server: &str) -> io::Result<()> {
    vsftpd(s, to)?;
    s.noise("there/some", 100_000)?;
    let mut lines = format!("open {server}\nuser anonymous me@here\nbinary\n");
    for (number, mode) in
        ["passive on\nepsv4 off", "epsv4 on", "passive off", "epsv4 off", "passive on"].into_iter().enumerate()
    {
        lines += &format!("{mode}\nget some got{number}\nput got{number} incoming/put{number}\nls\n");
    }
    let said = s.must_with(from, &["tnftp", "-n", "-v"], &(lines + "quit\n"))?;
    for number in 0..5 {
        s.same("there/some", &format!("got{number}")).map_err(|e| io::Error::other(format!("{e}\n{said}")))?;
        s.same("there/some", &format!("there/incoming/put{number}"))?;
    }
    Ok(())
}

fn large(s: &mut Site, mode: &[&str]) -> io::Result<()> {
    vsftpd(s, Server)?;
    s.noise("there/large", 100 << 20)?;
    curl(s, Client, mode, &["-o", "got", "ftp://10.2.0.2/large"])?;
    s.same("there/large", "got")?;
    curl(s, Client, mode, &["-T", "got", "ftp://10.2.0.2/incoming/put"])?;
    s.same("there/large", "there/incoming/put")
}

/// Runs curl, which must succeed.
fn curl(s: &Site, place: Place, mode: &[&str], words: &[&str]) -> io::Result<String> {
    let words: Vec<String> = words
        .iter()
        .map(|word| match *word {
            "got" => s.name("got"),
            word => word.to_owned(),
        })
        .collect();
    let mut all = ["curl", "-q", "-sS", "-g", "--connect-timeout", "20", "-m", "50"].map(str::to_owned).to_vec();
    all.extend(mode.iter().map(|word| (*word).to_owned()));
    all.extend(words);
    s.must(place, &all)
}

/// An anonymous server of the folder `there`, with a place for what comes.
fn vsftpd(s: &mut Site, place: Place) -> io::Result<()> {
    fs::create_dir_all(s.path("there/incoming"))?;
    fs::create_dir_all(s.path("empty"))?;
    let folder = s.name("");
    let settings = format!(
        "listen=NO\nlisten_ipv6=YES\nbackground=NO\nanonymous_enable=YES\nlocal_enable=NO\nno_anon_password=YES\n\
         anon_root={folder}there\nsecure_chroot_dir={folder}empty\nrun_as_launching_user=YES\nallow_writeable_chroot=YES\n\
         write_enable=YES\nanon_upload_enable=YES\nanon_umask=022\nseccomp_sandbox=NO\nisolate_network=NO\n\
         connect_from_port_20=NO\nxferlog_enable=NO\npasv_min_port=40000\npasv_max_port=50000\n"
    );
    let file = s.write("vsftpd.conf", settings)?;
    s.serve(place, &["vsftpd", &file])?;
    s.listens(place, &[("tcp", 21)])
}
