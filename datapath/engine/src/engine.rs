//! The engine: the tables and connections of one network namespace, and the way of a packet through them.

use libxt::backend::{Counters, Get};
use libxt::family::Af;

use crate::conntrack::error::ERROR_HEADER;
use crate::conntrack::keep::{Record, Restored};
use crate::conntrack::policy::PolicyId;
use crate::conntrack::{Settings, Template, Tracked, Tracker};
use crate::effects::Effects;
use crate::ext::Scene;
use crate::ext::asked::Question;
use crate::ext::handover::{self, Handover};
use crate::ext::rates::Rates;
use crate::ext::scene::Random;
use crate::ext::stores::{Listing, Stores};
use crate::fingerprints::Fingerprints;
use crate::fragment::{Added, Fragments};
use crate::host::{Host, Now};
use crate::notes::{Answer, Note, Notes, Standing};
use crate::packet::{Buffer, Checksum, Hook, Packet, Verdict};
use crate::passes::Passes;
use crate::ruleset::{Prepared, Refused, Tables};
use crate::wire::{Headers, ipv4, ipv6, u16_at};

mod family;

use family::Family;

/// Everything that decides, for one network namespace.
#[derive(Debug)]
pub struct Engine {
    tracker: Tracker,
    /// Some rule needed connections to be counted.
    accounting: bool,
    families: [Family; 2],
    notes: Notes,
    stores: Stores,
    fragments: Fragments,
    random: Random,
    rates: Rates,
    /// Lent to every walk.
    stack: Vec<u32>,
    /// Lent to every reassembled packet, and to every quote that must be tracked.
    whole: Vec<u8>,
}

impl Engine {
    /// An engine without any table or connection. `hash_key` must be random: it keeps senders from choosing collisions.
    pub fn new(settings: Settings, hash_key: [u8; 16]) -> Self {
        let family = |af| Family {
            tables: Tables::new(af),
            tracked: false,
            joined: false,
            proxies: false,
            translated: false,
            passes: Passes::NONE,
        };
        let seed = u64::from_ne_bytes(*hash_key.first_chunk().unwrap_or(&[1; 8]));
        let mut rates = Rates::default();
        rates.configure(settings.icmp_ratelimit, settings.icmp_messages);
        Self {
            tracker: Tracker::new(settings, hash_key),
            accounting: false,
            families: [family(Af::V4), family(Af::V6)],
            notes: Notes::new(hash_key),
            stores: Stores::new(hash_key),
            fragments: Fragments::new(hash_key),
            random: Random::new(seed),
            rates,
            stack: Vec::new(),
            whole: Vec::new(),
        }
    }

    /// Follows changed settings; entries that exist keep their timeouts, as in the kernel.
    ///
    /// Once a rule needed connections to be counted they are, whatever the settings say, as the kernel switches its own
    /// setting on then.
    pub fn configure(&mut self, mut settings: Settings) {
        settings.acct |= self.accounting;
        self.tracker.set_settings(settings);
    }

    /// Judges a packet at the hook where it was taken, with all the hooks that [`Self::passes`] puts there.
    ///
    /// The answer for a fragment may be [`Verdict::Hold`]; its own verdict is then a later `Release` effect.
    pub fn packet(&mut self, packet: &mut Packet<'_>, now: Now, host: &dyn Host, out: &mut Effects) -> Verdict {
        let family = &self.families[index(packet.af)];
        if !family.passes.taken(packet.hook) {
            return Verdict::Accept;
        }
        let Some(mut headers) = Headers::parse(packet.af, packet.data.bytes()) else {
            // The kernel lets none of these in; what a local raw socket sends is not ours to judge.
            return if packet.in_device.is_some() { Verdict::Drop } else { Verdict::Accept };
        };
        if headers.fragment.is_none() || !family.joined {
            if packet.af == Af::V6 && family.joined && headers.transport != ipv6::HEADER {
                if self.fragments.expect(packet, &headers) {
                    return self.fragment(packet, &headers, now, host, out);
                }
                join_atomic(packet, &mut headers);
            }
            return self.judge(packet, headers, now, host, out);
        }
        self.fragment(packet, &headers, now, host, out)
    }

    /// Puts a fragment to its datagram, and judges that if it is whole then.
    fn fragment(
        &mut self,
        packet: &mut Packet<'_>,
        headers: &Headers,
        now: Now,
        host: &dyn Host,
        out: &mut Effects,
    ) -> Verdict {
        let mut whole = std::mem::take(&mut self.whole);
        let timeouts = self.tracker.settings().fragment;
        let verdict = match self.fragments.add(packet, headers, timeouts, now, &mut whole, out) {
            Added::Held => Verdict::Hold,
            Added::Refused => Verdict::Drop,
            Added::Apart => self.judge(packet, *headers, now, host, out),
            Added::Complete(datagram) => {
                let len = whole.len();
                whole.resize(len + ROOM, 0);
                let mut reassembled = Packet { data: Buffer::new(&mut whole, len), ..packet.same() };
                let verdict = match Headers::parse(packet.af, reassembled.data.bytes()) {
                    Some(headers) => self.judge(&mut reassembled, headers, now, host, out),
                    None => Verdict::Drop,
                };
                packet.tasks = reassembled.tasks;
                self.fragments.release(datagram, packet, &mut reassembled, verdict, now, out)
            }
        };
        self.whole = whole;
        verdict
    }

    /// Lets connections, fragments and notes die whose time is over. Call it a few times a second; the answer says whether
    /// more is due at once.
    pub fn expire(&mut self, now: Now, out: &mut Effects) -> bool {
        self.notes.expire(now);
        self.fragments.expire(now, out);
        let more = self.stores.expire(&self.tracker, now);
        self.tracker.expire(now, out) || more
    }

    /// A `getsockopt` of [`libxt::backend::Backend::get`]: `value` holds the uAPI struct going in, the answer coming out.
    pub fn get(&mut self, af: Af, what: Get, value: &mut Vec<u8>) -> Result<(), Refused> {
        self.families[index(af)].tables.get(what, value)
    }

    /// `IPT_SO_SET_REPLACE` in one call: [`Prepared::new`], then [`Self::install`].
    pub fn replace(&mut self, af: Af, blob: &[u8], old: &mut Vec<Counters>) -> Result<(), Refused> {
        self.install(Prepared::new(af, blob)?, old)
    }

    /// Puts a prepared table in the place of the loaded one and leaves that one's counters in `old`. This is the only part
    /// of a replace that needs the engine: it is short, whatever the table's size.
    pub fn install(&mut self, mut prepared: Prepared, old: &mut Vec<Counters>) -> Result<(), Refused> {
        let at = index(prepared.af());
        prepared.find_timeouts(&self.tracker)?;
        self.stack.reserve(prepared.depth());
        // What the old table names is there until the new one stands.
        self.stores.begin();
        let opened = prepared.open(&mut self.stores);
        let installed = opened.and_then(|()| self.families[at].tables.install(prepared, old));
        if installed.is_err() {
            self.stores.begin();
        }
        for family in &mut self.families {
            family.tables.open(&mut self.stores);
        }
        self.stores.end();
        installed?;
        let family = &mut self.families[at];
        family.tracked = family.tables.iter().any(|table| table.tracks());
        family.joined = family.tables.iter().any(|table| table.joins());
        family.proxies = family.tables.iter().any(|table| table.proxies());
        if !self.accounting && family.tables.iter().any(|table| table.accounts()) {
            self.accounting = true;
            self.configure(self.tracker.settings().clone());
        }
        let labels = self.families.iter().any(|family| family.tables.iter().any(|table| table.labels()));
        self.tracker.set_labelling(labels);
        let family = &mut self.families[at];
        family.translated |= family.tables.iter().any(|table| table.translates());
        family.passes = family.plan();
        Ok(())
    }

    /// `IPT_SO_SET_ADD_COUNTERS`: `blob` is `struct xt_counters_info` with its counters.
    pub fn add_counters(&mut self, af: Af, blob: &[u8]) -> Result<(), Refused> {
        self.families[index(af)].tables.add_counters(blob)
    }

    /// What packets of a family may be handed over to the kernel's own targets for, by the numbers in a packet's
    /// [`Tasks`](crate::packet::Tasks). Ask again after every [`Self::install`].
    pub fn handovers(&self, af: Af) -> Vec<(u8, &Handover)> {
        let numbered = self.stores.handovers.iter().filter(|(_, handover)| handover.af == af);
        numbered.filter_map(|(index, handover)| Some((handover::number(index)?, handover))).collect()
    }

    /// What rules of a family ask the kernel's own matches, by the numbers of the bits in a packet's
    /// [`answers`](Packet::answers). Ask again after every [`Self::install`].
    pub fn questions(&self, af: Af) -> impl Iterator<Item = (u8, &Question)> {
        self.stores.questions[index(af)]
            .iter()
            .filter_map(|(number, question)| Some((number.try_into().ok()?, question)))
    }

    /// The kernel does now what these numbers of [`Self::handovers`] stand for; until then packets are not handed over.
    pub fn set_handing(&mut self, numbers: impl IntoIterator<Item = u8>) {
        let handing = &mut self.stores.handing;
        handing.resize(usize::from(u8::MAX), false);
        for number in numbers {
            if let Some(ready) = usize::from(number).checked_sub(1).and_then(|index| handing.get_mut(index)) {
                *ready = true;
            }
        }
    }

    /// Has `-m osf` compare with these from now on.
    pub fn set_fingerprints(&mut self, fingerprints: Fingerprints) {
        self.stores.fingerprints = fingerprints;
    }

    /// What rules keep and the kernel would list under `/proc/net`.
    pub fn listings(&self) -> Vec<Listing> {
        self.stores.listings()
    }

    /// Appends some lines of a listing, from a number on; the answer is the number of the next, if there may be more.
    pub fn write_listing(&self, listing: &Listing, from: usize, now: Now, to: &mut String) -> Option<usize> {
        self.stores.write_listing(listing, from, now, to)
    }

    /// The text of `/proc/net/stat/synproxy`.
    pub fn write_openings(&self, to: &mut String) {
        self.stores.openings.write(to);
    }

    /// The tables in use, newest first, as `/proc/net/ip_tables_names` has them.
    pub fn table_names(&self, af: Af) -> Vec<&'static str> {
        self.families[index(af)].tables.names()
    }

    /// Where packets of a family must be taken from the kernel. Ask again after every [`Self::install`].
    pub fn passes(&self, af: Af) -> Passes {
        self.families[index(af)].passes
    }

    /// Whether connections of a family are tracked.
    pub fn tracks(&self, af: Af) -> bool {
        self.families[index(af)].tracked
    }

    /// Puts kept connections back into the empty table; their tables are best installed before.
    pub fn restore(&mut self, records: impl IntoIterator<Item = (u32, Record)>, now: Now) -> Restored {
        let (restored, translated) = self.tracker.restore(records, now);
        for (family, translated) in self.families.iter_mut().zip(translated) {
            family.translated |= translated;
            family.passes = family.plan();
        }
        restored
    }

    /// How many rules name a timeout policy.
    pub fn policy_uses(&self, id: PolicyId) -> u32 {
        let tables = self.families.iter().flat_map(|family| family.tables.iter());
        let named = tables.flat_map(|table| table.lays()).filter(|lay| lay.timeouts() == Some(id));
        named.count().try_into().unwrap_or(u32::MAX)
    }

    /// The connections.
    pub fn tracker(&self) -> &Tracker {
        &self.tracker
    }

    /// The connections, to change.
    pub fn tracker_mut(&mut self) -> &mut Tracker {
        &mut self.tracker
    }

    /// All hooks that are judged where the packet was taken, one after the other.
    fn judge(
        &mut self,
        packet: &mut Packet<'_>,
        headers: Headers,
        now: Now,
        host: &dyn Host,
        out: &mut Effects,
    ) -> Verdict {
        let (taken, told_device, out_device) = (packet.hook, packet.in_device, packet.out_device);
        // What crosses a bridge came by the bridge it leaves by, which behind FORWARD the kernel no longer says. As
        // br_nf_forward() and br_nf_post_routing().
        let crossed = taken == Hook::Postrouting && told_device.is_none() && packet.out_port.is_some();
        let in_device = if crossed { out_device } else { told_device };
        let Self { tracker, families, notes, stores, random, rates, stack, whole, .. } = self;
        let family = &mut families[index(packet.af)];
        let judged = family.passes.at(taken);
        let looped = in_device.is_some_and(|device| device.loopback);
        let first_sends = out.sends.len();
        let note = notes.find(packet, &headers, now);
        let begins = way(taken, in_device.is_some())
            .iter()
            .any(|hook| judged.contain(*hook) && matches!(hook, Hook::Prerouting | Hook::Output));
        // Of the packets that begin their way here only these were noted before: what came back over loopback, and answers.
        let answer = note.and_then(|note| note.answer);
        if answer.is_some() {
            packet.owner = None;
        }
        let starts = begins && in_device.is_none();
        let tracked = match note {
            _ if !family.tracked => Tracked::Unseen,
            // As nf_dup_ipv4() leaves it.
            _ if packet.copied => Tracked::Untracked,
            Some(note) if starts && answer.is_some() => note.tracked,
            Some(note) if note.tracked != Tracked::Unseen && (!begins || looped) => note.tracked,
            _ if starts && packet.owner.is_none() && carries_connection(&headers, packet.data.bytes()) => {
                match notes.find_quoted(packet.data.bytes(), &headers, now) {
                    Some(note) if note.tracked != Tracked::Unseen => tracker.attach(note.tracked),
                    _ if !family.passes.taken(Hook::Prerouting) && died_unseen(&headers, packet.data.bytes()) => {
                        let quoted = catch_up(tracker, whole, packet, &headers, now, out);
                        tracker.attach(quoted)
                    }
                    _ => tracker.recall_quoted(&headers, packet.data.bytes()),
                }
            }
            // Over loopback it keeps its connection, which raw sees already.
            _ if begins && looped => match tracker.recall(packet, &headers, now) {
                found @ Tracked::Of { .. } => found,
                _ => Tracked::Unseen,
            },
            _ if begins => Tracked::Unseen,
            _ => tracker.recall(packet, &headers, now),
        };
        let attached = begins && tracked != Tracked::Unseen;
        let traced = note.is_some_and(|note| note.traced) && (!begins || looped);
        let mut scene = Scene {
            packet,
            headers,
            key: None,
            hook: taken,
            table: "",
            tracked,
            // As nf_conntrack_in() takes it from the SYN that SYNPROXY sends to a server.
            template: (answer == Some(Answer::Opening)).then(|| Template { proxied: true, ..Template::default() }),
            answer,
            strayed: false,
            traced,
            hotdrop: false,
            now,
            host,
            tracker,
            out,
            rates,
            stores,
            random,
        };
        let mut verdict = Verdict::Accept;
        for &hook in way(taken, in_device.is_some()) {
            if !judged.contain(hook) {
                continue;
            }
            scene.key = None;
            scene.hook = hook;
            scene.packet.hook = hook;
            scene.packet.in_device = match hook {
                Hook::Output => None,
                Hook::Postrouting => told_device,
                _ => in_device,
            };
            scene.packet.out_device = out_device.filter(|_| !matches!(hook, Hook::Prerouting | Hook::Input));
            verdict = family.hook(hook, &mut scene, stack);
            if verdict != Verdict::Accept {
                break;
            }
        }
        let (tracked, traced, strayed, headers) = (scene.tracked, scene.traced, scene.strayed, scene.headers);
        packet.hook = taken;
        packet.in_device = told_device;
        packet.out_device = out_device;
        let answers = out.sends.get(first_sends..).unwrap_or_default();
        for answer in answers {
            let bytes = out.bytes.get(answer.bytes.clone()).unwrap_or_default();
            if let Some(headers) = Headers::parse(answer.af, bytes) {
                let (tracked, answer) = match answer.standing {
                    Standing::Refusal => (tracker.attach(tracked), Answer::of(headers.protocol)),
                    Standing::Segment(tracked) => (tracked, Answer::Segment),
                    Standing::Moved(tracked) => (tracked, Answer::Moved),
                    Standing::Opening => (Tracked::Unseen, Answer::Opening),
                };
                notes.put(bytes, &headers, Some(Note { tracked, traced: false, answer: Some(answer) }), now);
            }
        }
        let leaves = matches!(taken, Hook::Input) || taken == Hook::Postrouting && !goes_round(out_device);
        let unspoken = !packet.copied && matches!(tracked, Tracked::Untracked | Tracked::Invalid)
            || strayed
            || is_answer(note, tracked)
            || tracker.is_over(tracked);
        let keep = verdict == Verdict::Accept
            && !leaves
            && (family.tracked && (unspoken || attached || begins && tracker.is_ambiguous(tracked))
                || traced
                || answer.is_some());
        // A packet that looked the same and died on its way may have left a note.
        if !packet.copied && (keep || note.is_some() || begins) {
            notes.put(packet.data.bytes(), &headers, keep.then_some(Note { tracked, traced, answer }), now);
        }
        verdict
    }
}

/// A datagram in a single fragment is joined as any other, and leaves whole.
fn join_atomic(packet: &mut Packet<'_>, headers: &mut Headers) {
    let bytes = packet.data.bytes();
    if !matches!(ipv6::find(bytes, ipv6::FRAGMENT), Ok(Some(_))) {
        return;
    }
    if let Some(length) = ipv6::remove_atomic(packet.data.make_mut())
        && packet.data.resize(length)
        && let Some(outline) = Headers::parse(packet.af, packet.data.bytes())
    {
        *headers = outline;
    }
}

/// The hooks a packet has behind it or before it where it is taken, in the order of its way.
const fn way(taken: Hook, arrived: bool) -> &'static [Hook] {
    match (taken, arrived) {
        (Hook::Prerouting, _) => &[Hook::Prerouting],
        (Hook::Input, _) => &[Hook::Prerouting, Hook::Input],
        (Hook::Forward, _) => &[Hook::Prerouting, Hook::Forward],
        (Hook::Output, _) => &[Hook::Output],
        (Hook::Postrouting, true) => &[Hook::Prerouting, Hook::Forward, Hook::Postrouting],
        (Hook::Postrouting, false) => &[Hook::Output, Hook::Postrouting],
    }
}

/// Whether a packet without a socket is an error to which the kernel gives the connection of the packet it is about: all but
/// those about a datagram that no socket took, whose connection was put off before. As icmp_glue_bits() and
/// icmpv6_getfrag() with nf_ct_attach(), and nf_reset_ct() in udp_rcv().
fn carries_connection(headers: &Headers, bytes: &[u8]) -> bool {
    let Some([kind, code]) = headers.segment(bytes).first_chunk() else { return false };
    match (headers.af, headers.protocol) {
        (Af::V4, 1) => matches!(kind, 3 | 4 | 5 | 11 | 12) && (*kind, *code) != (3, 3),
        (Af::V6, 58) => *kind < 128 && (*kind, *code) != (1, 4),
        _ => false,
    }
}

/// Whether the packet that such an error is about died between PREROUTING and FORWARD: of hops, of its size, or for want of a
/// route.
fn died_unseen(headers: &Headers, bytes: &[u8]) -> bool {
    let told = headers.segment(bytes).first_chunk();
    match headers.af {
        Af::V4 => matches!(told, Some([11, 0] | [3, 0 | 1 | 4])),
        Af::V6 => matches!(told, Some([3, 0] | [2, 0] | [1, 0])),
    }
}

/// Where PREROUTING is judged later than the kernel does, a packet that died before was never tracked: the quote stands in.
fn catch_up(
    tracker: &mut Tracker,
    room: &mut Vec<u8>,
    error: &Packet<'_>,
    headers: &Headers,
    now: Now,
    out: &mut Effects,
) -> Tracked {
    let quote = headers.segment(error.data.bytes()).get(ERROR_HEADER..).unwrap_or_default();
    let claimed = match headers.af {
        Af::V4 => u16_at(quote, ipv4::LENGTH).map(usize::from),
        Af::V6 => u16_at(quote, ipv6::LENGTH).map(|length| usize::from(length) + ipv6::HEADER),
    };
    room.clear();
    room.extend_from_slice(quote);
    room.resize(claimed.unwrap_or(0).max(quote.len()), 0);
    let len = room.len();
    // What was cut off nobody can sum up.
    let checksum = if len > quote.len() { Checksum::Verified } else { Checksum::Unverified };
    let died = Packet { hook: Hook::Prerouting, checksum, data: Buffer::new(room, len), ..error.same() };
    match Headers::parse(headers.af, died.data.bytes()) {
        Some(headers) => tracker.track(&died, &headers, None, now, out).unwrap_or(Tracked::Unseen),
        None => Tracked::Unseen,
    }
}

/// Whether a note said to which connection the packet belongs: no tuple says it.
fn is_answer(note: Option<Note>, tracked: Tracked) -> bool {
    matches!(tracked, Tracked::Of { .. }) && note.is_some_and(|note| note.tracked == tracked)
}

/// Whether what leaves by the device arrives again.
fn goes_round(device: Option<&crate::Device>) -> bool {
    device.is_some_and(|device| device.loopback)
}

const fn index(af: Af) -> usize {
    match af {
        Af::V4 => 0,
        Af::V6 => 1,
    }
}

/// Bytes a reassembled packet may grow by: a TCP option, a translated name.
const ROOM: usize = 128;
