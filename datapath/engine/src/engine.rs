//! The engine: the tables and connections of one network namespace, and the way of a packet through them.

use libxt::backend::{Counters, Get};
use libxt::family::Af;

use crate::changeover::Changeover;
use crate::conntrack::expect::keep as keep_expected;
use crate::conntrack::keep::{Record, Restored};
use crate::conntrack::policy::PolicyId;
use crate::conntrack::{Relation, Settings, Template, Tracked, Tracker};
use crate::effects::Effects;
use crate::ext::Scene;
use crate::ext::rates::Rates;
use crate::ext::scene::Random;
use crate::ext::stores::{Listing, Stores};
use crate::fingerprints::Fingerprints;
use crate::fragment::{Added, Fragments};
use crate::helper::HelperId;
use crate::host::{Host, Now};
use crate::icmp_error::Means;
use crate::nat;
use crate::notes::{Answer, Note, Notes, Standing};
use crate::packet::{Buffer, Device, Hook, Packet, Verdict};
use crate::passes::{Hooks, Passes};
use crate::ruleset::{Prepared, Refused, Tables};
use crate::wire::{Headers, ipv6};

mod errors;
mod family;
mod helpers;
mod kernel;
mod way;

use errors::{carries_connection, catch_up, died_at_once, died_unseen};
use family::Family;
pub(crate) use way::comes_back;
use way::{came_by, is_lost, way};

/// Everything that decides, for one network namespace.
#[derive(Debug)]
pub struct Engine {
    tracker: Tracker,
    /// Some rule needed connections to be counted, and no setting says so yet.
    accounting: bool,
    /// Packets may be on their way while tables change.
    overlapping: bool,
    hash_key: [u8; 16],
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
            changeover: Changeover::default(),
        };
        let seed = u64::from_ne_bytes(*hash_key.first_chunk().unwrap_or(&[1; 8]));
        let mut rates = Rates::default();
        rates.configure(settings.icmp_ratelimit, settings.icmp_messages);
        Self {
            tracker: Tracker::new(settings, hash_key),
            accounting: false,
            overlapping: false,
            hash_key,
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
    /// Once a rule needed connections to be counted they are, whatever the settings say, until [`Self::follow_accounting`].
    pub fn configure(&mut self, mut settings: Settings) {
        settings.acct |= self.accounting;
        self.tracker.set_settings(settings);
    }

    /// Whether a rule needs connections to be counted and the settings did not say so: as the kernel switches its own setting
    /// on then, so shall the caller.
    pub fn wants_accounting(&self) -> bool {
        self.accounting
    }

    /// The setting says by now that connections are counted; from here on it is followed.
    pub fn follow_accounting(&mut self) {
        self.accounting = false;
    }

    /// Judges a packet at the hook where it was taken, with all the hooks that [`Self::passes`] puts there.
    ///
    /// The answer for a fragment may be [`Verdict::Hold`]; its own verdict is then a later `Release` effect.
    pub fn packet(&mut self, packet: &mut Packet<'_>, now: Now, host: &dyn Host, out: &mut Effects) -> Verdict {
        let family = &self.families[index(packet.af)];
        if !family.changeover.taken(family.passes).taken(packet.hook) {
            return Verdict::Accept;
        }
        let mut parsed = Headers::parse(packet.af, packet.data.bytes());
        let Some(headers) = &mut parsed else {
            // The kernel lets none of these in; what a local raw socket sends is not ours to judge.
            return if packet.in_device.is_some() { Verdict::Drop } else { Verdict::Accept };
        };
        if headers.fragment.is_none() || !family.joined {
            if packet.af == Af::V6 && family.joined && headers.transport != ipv6::HEADER {
                if self.fragments.expect(packet, headers) {
                    return self.fragment(packet, headers, now, host, out);
                }
                join_atomic(packet, headers);
            }
            return self.judge(packet, headers, now, host, out);
        }
        self.fragment(packet, headers, now, host, out)
    }

    /// Puts a fragment to its datagram, and judges that if it is whole then.
    fn fragment(
        &mut self,
        packet: &mut Packet<'_>,
        headers: &mut Headers,
        now: Now,
        host: &dyn Host,
        out: &mut Effects,
    ) -> Verdict {
        let mut whole = std::mem::take(&mut self.whole);
        let timeouts = self.tracker.settings().fragment;
        let verdict = match self.fragments.add(packet, headers, timeouts, now, &mut whole, out) {
            Added::Held => Verdict::Hold,
            Added::Refused => Verdict::Drop,
            Added::Apart => self.judge(packet, headers, now, host, out),
            Added::Complete(datagram) => {
                let len = whole.len();
                whole.resize(len + ROOM, 0);
                let seams = datagram.seams();
                let data = Buffer::new(&mut whole, len).joined_at(&seams);
                let mut reassembled = Packet { data, ..packet.same() };
                let verdict = match Headers::parse(packet.af, reassembled.data.bytes()) {
                    Some(mut headers) => self.judge(&mut reassembled, &mut headers, now, host, out),
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
    pub fn expire(&mut self, now: Now, host: &dyn Host, out: &mut Effects) -> bool {
        self.notes.expire(now);
        let first_sends = out.sends.len();
        let Self { fragments, rates, random, notes, .. } = self;
        fragments.expire(&mut Means { host, now, rates, random, out });
        for error in out.sends.get(first_sends..).unwrap_or_default() {
            let bytes = out.bytes.get(error.bytes.clone()).unwrap_or_default();
            if let Some(headers) = Headers::parse(error.af, bytes) {
                // A fragment that died as such never had a connection.
                let note = Note { tracked: Tracked::Unseen, traced: false, answer: Some(Answer::Error) };
                notes.put(bytes, &headers, Some(note), now);
            }
        }
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
        let (at, accounts) = (index(prepared.af()), prepared.accounts());
        prepared.find_named(&self.tracker)?;
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
        // They had their numbers before.
        let _ = self.tracker.user_helpers.open(&mut self.stores);
        self.stores.end();
        installed?;
        let family = &mut self.families[at];
        family.tracked = family.tables.iter().any(|table| table.tracks());
        family.joined = family.tables.iter().any(|table| table.joins());
        family.proxies = family.tables.iter().any(|table| table.proxies());
        if accounts && !self.tracker.settings().acct {
            self.accounting = true;
            self.configure(self.tracker.settings().clone());
        }
        let labels = self.families.iter().any(|family| family.tables.iter().any(|table| table.labels()));
        self.tracker.set_labelling(labels);
        let family = &mut self.families[at];
        family.translated |= family.tables.iter().any(|table| table.translates());
        family.plan_anew(self.overlapping);
        Ok(())
    }

    /// Has packets taken where a table will need them before it is installed. Whether [`Self::passes`] changed: who takes packets
    /// does so there before [`Self::install`], so that none passes by.
    pub fn expect(&mut self, prepared: &Prepared) -> bool {
        let family = &mut self.families[index(prepared.af())];
        let (now, new) = (family.changeover.taken(family.passes), family.plan_with(prepared.table()));
        let more = self.overlapping && Hook::ALL.into_iter().any(|place| new.taken(place) && !now.taken(place));
        if more {
            family.changeover.begin(family.passes, new);
        }
        more
    }

    /// Packets come from queues and may be on their way while [`Self::install`] changes where they are taken: each is judged at
    /// every hook once nevertheless, if [`Self::end_changeover`] is called when the time has come.
    pub fn set_overlapping(&mut self) {
        self.overlapping = true;
    }

    /// Whether packets may be on their way that were taken elsewhere than [`Self::install`] last said: a number that is another
    /// one after the next such change.
    pub fn changeover(&self) -> Option<u64> {
        let under_way = self.families.iter().any(|family| family.changeover.is_under_way());
        under_way.then(|| self.families.iter().map(|family| family.changeover.number()).sum())
    }

    /// The last packet has come that was on its way when [`Self::passes`] changed. They may be fewer now.
    pub fn end_changeover(&mut self) {
        for family in &mut self.families {
            family.changeover.end();
        }
    }

    /// `IPT_SO_SET_ADD_COUNTERS`: `blob` is `struct xt_counters_info` with its counters.
    pub fn add_counters(&mut self, af: Af, blob: &[u8]) -> Result<(), Refused> {
        self.families[index(af)].tables.add_counters(blob)
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
        let family = &self.families[index(af)];
        family.changeover.taken(family.passes)
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
            family.plan_anew(self.overlapping);
        }
        restored
    }

    /// Puts kept expectations back, after [`Self::restore`]; how many are there again.
    pub fn restore_expectations(&mut self, records: impl IntoIterator<Item = keep_expected::Record>, now: Now) -> u32 {
        self.tracker.restore_expectations(records, now)
    }

    /// How many rules name a timeout policy.
    pub fn policy_uses(&self, id: PolicyId) -> u32 {
        let tables = self.families.iter().flat_map(|family| family.tables.iter());
        let named = tables.flat_map(|table| table.lays()).filter(|lay| lay.timeouts() == Some(id));
        named.count().try_into().unwrap_or(u32::MAX)
    }

    /// How many rules name a helper.
    pub fn helper_uses(&self, id: HelperId) -> u32 {
        let tables = self.families.iter().flat_map(|family| family.tables.iter());
        let named = tables.flat_map(|table| table.lays()).filter(|lay| lay.helper() == Some(id));
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

    /// All hooks that are judged where the packet was taken.
    fn judge(
        &mut self,
        packet: &mut Packet<'_>,
        headers: &mut Headers,
        now: Now,
        host: &dyn Host,
        out: &mut Effects,
    ) -> Verdict {
        let family = &mut self.families[index(packet.af)];
        if !family.changeover.is_under_way() {
            let judged = family.passes.at(packet.hook);
            return self.judge_at(judged, packet, headers, now, host, out);
        }
        let way = way(packet.hook, came_by(packet, headers).is_some());
        let (passes, key) = (family.passes, self.hash_key);
        let Some(due) = family.changeover.due(key, &passes, way, (headers, packet.data.bytes())) else {
            return Verdict::Accept;
        };
        let verdict = match due.hooks {
            Hooks::NONE => Verdict::Accept,
            judged => self.judge_at(judged, packet, headers, now, host, out),
        };
        if verdict == Verdict::Accept && !matches!(packet.hook, Hook::Input | Hook::Postrouting) {
            let family = &mut self.families[index(packet.af)];
            family.changeover.note(key, &passes, way, due, (headers, packet.data.bytes()));
        }
        verdict
    }

    /// Hooks that are judged where the packet was taken, one after the other.
    fn judge_at(
        &mut self,
        judged: Hooks,
        packet: &mut Packet<'_>,
        headers: &mut Headers,
        now: Now,
        host: &dyn Host,
        out: &mut Effects,
    ) -> Verdict {
        let (taken, told_device, out_device) = (packet.hook, packet.in_device, packet.out_device);
        let in_device = came_by(packet, headers);
        let Self { tracker, families, notes, stores, random, rates, stack, whole, .. } = self;
        let family = &mut families[index(packet.af)];
        let looped = comes_back(packet, headers, host);
        let first_sends = out.sends.len();
        let note = notes.find(packet, headers, now);
        let way = way(taken, in_device.is_some());
        let begins = way.first().is_some_and(|first| judged.contain(*first));
        // Of the packets that begin their way here only these were noted before: what came back over loopback, and answers.
        let answer = note.and_then(|note| note.answer);
        if answer.is_some() {
            packet.owner = None;
        }
        let starts = begins && in_device.is_none();
        let mut orphaned = false;
        let mut tracked = match note {
            _ if !family.tracked => Tracked::Unseen,
            // As nf_dup_ipv4() leaves it.
            _ if packet.copied => Tracked::Untracked,
            // As nf_conntrack_attach() leaves what answers an untracked packet, until it has a connection.
            Some(Note { tracked: Tracked::Untracked, answer: Some(Answer::Error | Answer::Reset), .. }) => {
                orphaned = true;
                if begins { Tracked::Unseen } else { Tracked::Invalid }
            }
            Some(note) if starts && answer.is_some() => note.tracked,
            // What was INVALID as it was sent has no connection with it when it comes back, and is tracked anew.
            Some(note) if begins && looped && note.tracked == Tracked::Invalid => Tracked::Unseen,
            Some(note) if note.tracked != Tracked::Unseen && (!begins || looped) && !tracker.is_gone(note.tracked) => {
                note.tracked
            }
            _ if starts && packet.owner.is_none() && carries_connection(headers, packet.data.bytes()) => {
                match notes.find_quoted(packet.data.bytes(), headers, now) {
                    Some(note) if note.tracked != Tracked::Unseen => {
                        orphaned = note.tracked == Tracked::Untracked;
                        tracker.attach(note.tracked)
                    }
                    _ if !family.passes.taken(Hook::Prerouting) && died_unseen(headers, packet.data.bytes()) => {
                        let quoted = catch_up(tracker, whole, packet, headers, now, out);
                        tracker.attach(quoted)
                    }
                    _ if died_at_once(headers, packet.data.bytes()) => Tracked::Unseen,
                    _ => tracker.recall_quoted(headers, packet.data.bytes()),
                }
            }
            // Over loopback it keeps its connection, which raw sees already.
            _ if begins && looped => match tracker.recall(packet, headers, looped) {
                found @ Tracked::Of { .. } => found,
                _ => Tracked::Unseen,
            },
            _ if begins => Tracked::Unseen,
            _ if looped => tracker.recall(packet, headers, looped),
            _ => match tracker.remembered(headers, packet.data.bytes()) {
                Some(tracked) => tracked,
                None => tracker.recall(packet, headers, false),
            },
        };
        let attached = begins && tracked != Tracked::Unseen;
        if taken == Hook::Prerouting && begins && note.is_none() && !attached && !packet.copied && family.only_tracks()
        {
            tracked = match tracker.track(packet, headers, None, now, out) {
                Ok(tracked) => tracked,
                Err(_full) => return Verdict::Drop,
            };
            // No rule has a say, and nothing will have to be kept in mind.
            if matches!(tracked, Tracked::Of { relation: Relation::Established, .. }) && tracker.is_plain(tracked) {
                let verdict = match family.translates() {
                    true => nat::translate(tracker, tracked, packet, headers, now, out),
                    false => Verdict::Accept,
                };
                if verdict == Verdict::Accept && !looped {
                    tracker.remember(tracked, headers, packet.data.bytes());
                }
                return verdict;
            }
        }
        let traced = note.is_some_and(|note| note.traced) && (!begins || looped);
        let mut scene = Scene {
            packet,
            headers: &mut *headers,
            key: None,
            hook: taken,
            table: "",
            tracked,
            // As nf_conntrack_in() takes it from the SYN that SYNPROXY sends to a server.
            template: (answer == Some(Answer::Opening)).then(|| Template { proxied: true, ..Template::default() }),
            answer,
            orphaned,
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
        for &hook in way {
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
            scene.packet.out_device = match hook {
                Hook::Prerouting | Hook::Input => None,
                _ => out_device,
            };
            let sent_to = scene.headers.destination;
            verdict = family.hook(hook, &mut scene, stack);
            if looped && hook == Hook::Prerouting && scene.headers.destination != sent_to && is_lost(&scene) {
                verdict = Verdict::Drop;
            }
            if verdict != Verdict::Accept {
                break;
            }
        }
        let (tracked, traced, strayed) = (scene.tracked, scene.traced, scene.strayed);
        let headers = &*headers;
        packet.hook = taken;
        packet.in_device = told_device;
        packet.out_device = out_device;
        let answers = out.sends.get(first_sends..).unwrap_or_default();
        for answer in answers {
            let bytes = out.bytes.get(answer.bytes.clone()).unwrap_or_default();
            if let Some(headers) = Headers::parse(answer.af, bytes) {
                let (tracked, answer) = match answer.standing {
                    Standing::Refusal if tracked == Tracked::Untracked => (tracked, Answer::of(headers.protocol)),
                    Standing::Refusal => (tracker.attach(tracked), Answer::of(headers.protocol)),
                    Standing::Segment(tracked) => (tracked, Answer::Segment),
                    Standing::Moved(tracked) => (tracked, Answer::Moved),
                    Standing::Opening => (Tracked::Unseen, Answer::Opening),
                };
                notes.put(bytes, &headers, Some(Note { tracked, traced: false, answer: Some(answer) }), now);
            }
        }
        if verdict == Verdict::Drop {
            tracker.die(tracked);
        }
        let leaves = matches!(taken, Hook::Input) || taken == Hook::Postrouting && !goes_round(out_device);
        // An error of the stack's own about it must not find a connection that is just over, or not its own.
        let apart = taken == Hook::Input && matches!(tracked, Tracked::Invalid | Tracked::Untracked);
        let onwards = verdict == Verdict::Accept && (!leaves || apart);
        let ordinary = note.is_none() && !strayed && !attached && !looped && tracker.is_plain(tracked);
        let noted = onwards && family.tracked && !ordinary;
        // Asked in any case: those that look alike remember it.
        let ambiguous = noted && begins && tracker.is_ambiguous(tracked);
        let unspoken = || {
            !packet.copied && matches!(tracked, Tracked::Untracked | Tracked::Invalid)
                || strayed
                || is_answer(note, tracked)
                || tracker.is_over(tracked)
        };
        let keep = noted && (ambiguous || attached || unspoken()) || onwards && (traced || answer.is_some());
        // A packet that looked the same and died on its way may have left a note.
        if !packet.copied && (keep || note.is_some() || begins) {
            let refusal = matches!(answer, Some(Answer::Error | Answer::Reset));
            let tracked = match tracked {
                Tracked::Invalid if orphaned && refusal => Tracked::Untracked,
                tracked => tracked,
            };
            notes.put(packet.data.bytes(), headers, keep.then_some(Note { tracked, traced, answer }), now);
        }
        if onwards && !keep && !looped && !packet.copied && !goes_round(out_device) {
            tracker.remember(tracked, headers, packet.data.bytes());
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

/// Whether a note said to which connection the packet belongs: no tuple says it.
fn is_answer(note: Option<Note>, tracked: Tracked) -> bool {
    matches!(tracked, Tracked::Of { .. }) && note.is_some_and(|note| note.tracked == tracked)
}

/// Whether what leaves by the device arrives again.
fn goes_round(device: Option<&Device>) -> bool {
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
