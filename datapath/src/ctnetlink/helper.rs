//! Helpers that are programs: what each request about them does. Errors and their order are nfnetlink_cthelper's.

use engine::Engine;
use engine::helper::HelperId;
use engine::helper::user::{CLASSES, Class, Name, PRIVATE, UserHelper};
use libxt::family::Af;
use nfnl::helper::{self, Helper, Policies, Policy, Tuple};
use nfnl::message::{Header, Messages, flag, netfilter, subsystem};
use nfnl::transport::server::{Outcome, Refusal};

use super::answers::{At, errno};
use crate::clock;

impl At<'_> {
    /// As nfnl_cthelper_new().
    pub(super) fn make_helper(&mut self, request: Header, asked: &Helper) -> Result<Outcome, Refusal> {
        let name = name(asked.name.as_deref()).and_then(|name| name.ok_or(libc::EINVAL)).map_err(errno)?;
        let (af, protocol) = kind(asked.tuple.ok_or(errno(libc::EINVAL))?)?;
        let mut engine = self.home.engine();
        let same = |helper: &&UserHelper| (helper.name, helper.af, helper.protocol) == (name, af, protocol);
        let there = engine.tracker().user_helpers().map(|(_, helper)| helper).find(same).cloned();
        if there.is_some() && request.flags & flag::EXCL != 0 {
            return Err(errno(libc::EEXIST));
        }
        let helper = match &there {
            Some(before) => changed(before, asked).map_err(errno)?,
            None => made(name, af, protocol, asked).map_err(errno)?,
        };
        if self.home.is_own_queue(helper.queue as u16) {
            let text = Some("this queue is the datapath's own, see its --queue-base");
            return Err(Refusal { errno: libc::EINVAL, text });
        }
        engine.put_helper(helper).map_err(|refusal| errno(refusal.errno()))?;
        drop(engine);
        self.follow_helpers()?;
        Ok(Outcome::Done)
    }

    /// As nfnl_cthelper_get().
    pub(super) fn helper(&self, request: Header, asked: &Helper, reply: &mut Vec<u8>) -> Result<Outcome, Refusal> {
        let wanted = wanted(asked)?;
        let engine = self.home.engine();
        let found = engine.tracker().user_helpers().find(|(_, helper)| wanted(helper));
        let (_, helper) = found.ok_or(errno(libc::ENOENT))?;
        write(request, helper, reply);
        Ok(Outcome::Done)
    }

    /// As nfnl_cthelper_del(): all that the request describes, but for those that rules name.
    pub(super) fn delete_helpers(&mut self, asked: &Helper) -> Result<Outcome, Refusal> {
        let wanted = wanted(asked)?;
        let now = clock::now();
        let gone = self.act(|engine, effects| {
            let all: Vec<HelperId> = engine.tracker().user_helpers().map(|(id, _)| id).collect();
            let named = |id: &HelperId| engine.tracker().user_helper(*id).is_some_and(&wanted);
            let found: Vec<HelperId> = all.iter().copied().filter(named).collect();
            let (used, free): (Vec<_>, Vec<_>) = found.into_iter().partition(|id| engine.helper_uses(*id) != 0);
            for id in &free {
                engine.remove_helper(*id, now, effects);
            }
            match (free.is_empty() && !all.is_empty(), used.is_empty()) {
                (false, _) => Ok(()),
                (true, false) => Err(libc::EBUSY),
                (true, true) => Err(libc::ENOENT),
            }
        });
        gone.map_err(errno)?;
        self.follow_helpers()?;
        Ok(Outcome::Done)
    }

    /// The kernel hands over what helpers want, and they outlive a crash.
    fn follow_helpers(&self) -> Result<(), Refusal> {
        self.home.keep_helpers(&self.home.engine());
        let text = Some("the kernel does not give packets to queues (nft_compat and the NFQUEUE target are needed)");
        self.home.hand_over().map_err(|()| Refusal { errno: libc::EOPNOTSUPP, text })
    }
}

/// Puts a helper into the engine, or why not.
pub(crate) fn put(engine: &mut Engine, asked: &Helper) -> Result<(), i32> {
    engine.put_helper(read(asked)?).map_err(engine::conntrack::Refusal::errno)
}

/// All helpers as messages, whose sequence numbers are the helpers' own.
pub(crate) fn kept(engine: &Engine) -> Vec<u8> {
    let mut all = Vec::new();
    for (id, helper) in engine.tracker().user_helpers() {
        let kind = netfilter(subsystem::CTHELPER, helper::NEW);
        let header = Header { kind, sequence: id.user_number().unwrap_or(0).into(), ..Header::default() };
        let _ = value(helper).write(header, &mut all);
    }
    all
}

/// Puts helpers back from what [`kept`] gave, as far as it makes sense.
pub(crate) fn restore(engine: &mut Engine, kept: &[u8]) {
    for message in Messages::new(kept).map_while(Result::ok) {
        let asked = message.netfilter().ok().and_then(|(_, attributes)| Helper::parse(attributes).ok());
        let helper = asked.and_then(|asked| read(&asked).ok());
        if let (Some(helper), Ok(number)) = (helper, u8::try_from(message.header.sequence)) {
            engine.restore_helper(number, helper);
        }
    }
}

/// All helpers, for a dump.
pub(super) fn write_all(request: Header, engine: &Engine, reply: &mut Vec<u8>) {
    for (_, helper) in engine.tracker().user_helpers() {
        write(request, helper, reply);
    }
}

/// The helper that a message describes.
fn read(asked: &Helper) -> Result<UserHelper, i32> {
    let name = name(asked.name.as_deref())?.ok_or(libc::EINVAL)?;
    let (af, protocol) = kind(asked.tuple.ok_or(libc::EINVAL)?).map_err(|refusal| refusal.errno)?;
    made(name, af, protocol, asked)
}

/// A new one. As nfnl_cthelper_create().
fn made(name: Name, af: Af, protocol: u8, asked: &Helper) -> Result<UserHelper, i32> {
    let policies = asked.policies.as_ref().ok_or(libc::EINVAL)?;
    let private = asked.private.ok_or(libc::EINVAL)?;
    let classes = classes(policies)?;
    if private > PRIVATE {
        return Err(libc::ENOMEM);
    }
    let (queue, enabled) = (asked.queue.unwrap_or(0), asked.status == Some(helper::ENABLED));
    Ok(UserHelper { name, af, protocol, queue, classes, private, enabled })
}

/// One that is there, with what a request says anew. As nfnl_cthelper_update().
fn changed(before: &UserHelper, asked: &Helper) -> Result<UserHelper, i32> {
    if asked.private.is_some() {
        return Err(libc::EBUSY);
    }
    let mut helper = before.clone();
    if let Some(policies) = &asked.policies {
        if policies.count.ok_or(libc::EINVAL)? as usize != before.classes.len() {
            return Err(libc::EBUSY);
        }
        for (class, policy) in helper.classes.iter_mut().zip(&policies.sets) {
            let new = self::class(policy.as_ref().ok_or(libc::EINVAL)?)?;
            if new.name != class.name {
                return Err(libc::EBUSY);
            }
            *class = new;
        }
    }
    if let Some(queue) = asked.queue {
        helper.queue = queue;
    }
    match asked.status {
        Some(helper::ENABLED) => helper.enabled = true,
        Some(helper::DISABLED) => helper.enabled = false,
        _ => {}
    }
    Ok(helper)
}

/// As nfnl_cthelper_parse_expect_policy().
fn classes(policies: &Policies) -> Result<Vec<Class>, i32> {
    let count = policies.count.ok_or(libc::EINVAL)? as usize;
    match count {
        0 => Err(libc::EINVAL),
        1..=CLASSES => {
            let wanted = policies.sets.iter().take(count);
            wanted.map(|policy| class(policy.as_ref().ok_or(libc::EINVAL)?)).collect()
        }
        _ => Err(libc::EOVERFLOW),
    }
}

/// As nfnl_cthelper_expect_policy().
fn class(policy: &Policy) -> Result<Class, i32> {
    let (Some(name), Some(most), Some(timeout)) = (&policy.name, policy.most, policy.timeout) else {
        return Err(libc::EINVAL);
    };
    let most = u8::try_from(most).map_err(|_| libc::EINVAL)?;
    Ok(Class { name: self::name(Some(name))?.unwrap_or_default(), most, timeout })
}

fn name(given: Option<&[u8]>) -> Result<Option<Name>, i32> {
    let Some(given) = given else { return Ok(None) };
    let mut bytes = [0; 16];
    // The last one is for the NUL.
    bytes[..15].get_mut(..given.len()).ok_or(libc::ERANGE)?.copy_from_slice(given);
    Ok(Some(libxt::value::text::Text(bytes)))
}

/// As nfnl_cthelper_parse_tuple().
fn kind(tuple: Tuple) -> Result<(Af, u8), Refusal> {
    let (Some(family), Some(protocol)) = (tuple.family, tuple.protocol) else { return Err(errno(libc::EINVAL)) };
    let text = Some("a helper is for inet or for inet6");
    let af = u8::try_from(family).ok().and_then(Af::from_number);
    Ok((af.ok_or(Refusal { errno: libc::EOPNOTSUPP, text })?, protocol))
}

/// Which helpers a request means: what it does not say may be anything.
fn wanted(asked: &Helper) -> Result<impl Fn(&UserHelper) -> bool, Refusal> {
    let name = name(asked.name.as_deref()).map_err(errno)?;
    let kind = asked.tuple.map(kind).transpose()?;
    Ok(move |helper: &UserHelper| {
        name.is_none_or(|name| name == helper.name) && kind.is_none_or(|kind| kind == (helper.af, helper.protocol))
    })
}

fn write(request: Header, helper: &UserHelper, reply: &mut Vec<u8>) {
    let kind = netfilter(subsystem::CTHELPER, helper::NEW);
    // What does not fit a message is no helper that anybody made.
    let _ = value(helper).write(Header { kind, flags: flag::MULTI, ..request }, reply);
}

/// As nfnl_cthelper_fill_info().
fn value(helper: &UserHelper) -> Helper {
    let policy = |class: &Class| Policy {
        name: Some(class.name.as_bytes().to_vec()),
        most: Some(class.most.into()),
        timeout: Some(class.timeout),
    };
    let mut sets = <[Option<Policy>; CLASSES]>::default();
    for (set, class) in sets.iter_mut().zip(&helper.classes) {
        *set = Some(policy(class));
    }
    Helper {
        name: Some(helper.name.as_bytes().to_vec()),
        tuple: Some(Tuple { family: Some(helper.af.number().into()), protocol: Some(helper.protocol) }),
        queue: Some(helper.queue),
        policies: Some(Policies { count: u32::try_from(helper.classes.len()).ok(), sets }),
        private: Some(helper.private),
        status: Some(if helper.enabled { helper::ENABLED } else { helper::DISABLED }),
    }
}
