//! What the kernel's modules of helpers take as parameters, with their defaults. Times are in seconds.

/// All of them, but for the ports that helpers once were given by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// `nf_conntrack_amanda.master_timeout`: how long a connection lives from an answer on.
    pub amanda_master: u32,
    /// `nf_conntrack_ftp.loose`: data may go to a third host.
    pub ftp_loose: bool,
    /// `nf_conntrack_h323.default_rrq_ttl`: how long a registration lives that asks for no time; 0 leaves that to the answer.
    pub h323_registration: u32,
    /// `nf_conntrack_h323.gkrouted_only`: calls come from the gatekeeper alone.
    pub h323_gatekeeper_only: bool,
    /// `nf_conntrack_h323.callforward_filter`: calls that go on to somebody behind the same router are not followed.
    pub h323_filter_forwarding: bool,
    /// `nf_conntrack_irc.max_dcc_channels`: files on their way to one client, 1 to 255.
    pub irc_channels: u8,
    /// `nf_conntrack_irc.dcc_timeout`: how long one is awaited.
    pub irc_timeout: u32,
    /// `nf_conntrack_netbios_ns.timeout`: how long answers to a network are awaited.
    pub netbios: u32,
    /// `nf_conntrack_snmp.timeout`: the same of SNMP.
    pub snmp: u32,
    /// `nf_conntrack_sip.sip_timeout`: how long a connection lives from a message on.
    pub sip: u32,
    /// `nf_conntrack_sip.sip_direct_signalling`: calls come from the registrar alone.
    pub sip_registrar_only: bool,
    /// `nf_conntrack_sip.sip_direct_media`: media go between the ends of the connection alone.
    pub sip_direct_media: bool,
    /// `nf_conntrack_sip.sip_external_media`: if they need not, those to whom the next step is the other end's are not followed.
    pub sip_external_media: bool,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            amanda_master: 300,
            ftp_loose: false,
            h323_registration: 300,
            h323_gatekeeper_only: true,
            h323_filter_forwarding: true,
            irc_channels: 8,
            irc_timeout: 300,
            netbios: 3,
            snmp: 30,
            sip: 3600,
            sip_registrar_only: true,
            sip_direct_media: true,
            sip_external_media: false,
        }
    }
}
