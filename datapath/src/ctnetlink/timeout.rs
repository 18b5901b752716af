//! Timeout policies: what each request about them does. Errors and their order are nfnetlink_cttimeout's.

use engine::Engine;
use engine::conntrack::policy::{Policy, PolicyId};
use libxt::family::Af;
use libxt::value::text::Text;
use nfnl::message::{Header, Messages, flag, netfilter, subsystem};
use nfnl::timeout;
use nfnl::transport::server::{Outcome, Refusal};

use super::answers::{At, errno};
use crate::sysctl;

impl At<'_> {
    /// As cttimeout_new_timeout().
    pub(super) fn make_policy(&mut self, request: Header, asked: &timeout::Policy) -> Result<Outcome, Refusal> {
        let name = asked.name.as_deref().ok_or(errno(libc::EINVAL))?;
        let mut engine = self.home.engine();
        let there = engine.tracker().find_policy(name).is_some();
        if there && request.flags & flag::EXCL != 0 {
            return Err(errno(libc::EEXIST));
        }
        if there && request.flags & flag::REPLACE == 0 {
            return Err(errno(libc::EBUSY));
        }
        put(&mut engine, asked).map_err(errno)?;
        self.home.keep_policies(&engine);
        Ok(Outcome::Done)
    }

    /// As cttimeout_get_timeout().
    pub(super) fn policy(&self, request: Header, name: Option<&[u8]>, reply: &mut Vec<u8>) -> Result<Outcome, Refusal> {
        let name = name.ok_or(errno(libc::EINVAL))?;
        let engine = self.home.engine();
        let (id, policy) = engine.tracker().find_policy(name).ok_or(errno(libc::ENOENT))?;
        write(request, id, policy, &engine, reply);
        Ok(Outcome::Done)
    }

    /// As cttimeout_del_timeout(): one that no rule names, or all of those.
    pub(super) fn delete_policies(&self, name: Option<&[u8]>) -> Result<Outcome, Refusal> {
        let mut engine = self.home.engine();
        let wanted = |policy: &Policy| name.is_none_or(|name| policy.name.as_bytes() == name);
        let all = engine.tracker().policies().filter(|(_, policy)| wanted(policy)).map(|(id, _)| id);
        let all: Vec<PolicyId> = all.collect();
        if name.is_some() && all.is_empty() {
            return Err(errno(libc::ENOENT));
        }
        for id in all {
            if engine.policy_uses(id) == 0 {
                engine.tracker_mut().remove_policy(id);
            } else if name.is_some() {
                return Err(errno(libc::EBUSY));
            }
        }
        self.home.keep_policies(&engine);
        Ok(Outcome::Done)
    }

    /// As cttimeout_default_get(): what holds without a policy.
    pub(super) fn default_policy(
        &self,
        request: Header,
        asked: &timeout::Policy,
        reply: &mut Vec<u8>,
    ) -> Result<Outcome, Refusal> {
        let engine = self.home.engine();
        let (af, protocol) = kind(asked).map_err(errno)?;
        let policy = Policy::new(Text::default(), af, protocol, engine.tracker().settings());
        let policy = policy.ok_or(errno(libc::EOPNOTSUPP))?;
        let answer = timeout::Policy { name: None, uses: None, ..value(&policy, 0) };
        let header = Header {
            kind: netfilter(subsystem::CTNETLINK_TIMEOUT, timeout::DEFAULT_SET),
            flags: flag::MULTI,
            ..request
        };
        answer.write(header, reply).map_err(|_| errno(libc::ENOMEM))?;
        Ok(Outcome::Done)
    }
}

impl At<'_> {
    /// As cttimeout_default_set(): there as here the sysctls say what holds without a policy.
    pub(super) fn set_default_policy(&self, asked: &timeout::Policy) -> Result<Outcome, Refusal> {
        let timeouts = asked.timeouts.as_deref().ok_or(errno(libc::EINVAL))?;
        let (_, protocol) = kind(asked).map_err(errno)?;
        let names = sysctl::timeouts(protocol).ok_or(errno(libc::EOPNOTSUPP))?;
        let mut engine = self.home.engine();
        let mut settings = engine.tracker().settings().clone();
        for &(attribute, seconds) in timeouts {
            let name = names.get(usize::from(attribute).wrapping_sub(1)).filter(|name| !name.is_empty());
            if let Some(name) = name {
                sysctl::write(name, seconds).map_err(|error| errno(error.raw_os_error().unwrap_or(libc::EIO)))?;
                sysctl::set(&mut settings, name, seconds.into());
            }
        }
        engine.configure(settings);
        Ok(Outcome::Done)
    }
}

/// Puts a policy into the engine, or why not.
pub(crate) fn put(engine: &mut Engine, asked: &timeout::Policy) -> Result<(), i32> {
    let policy = read(engine, asked)?;
    engine.tracker_mut().put_policy(policy).map_err(engine::conntrack::Refusal::errno)
}

/// All policies as messages, whose sequence numbers are the policies' own.
pub(crate) fn kept(engine: &Engine) -> Vec<u8> {
    let mut all = Vec::new();
    for (id, policy) in engine.tracker().policies() {
        let kind = netfilter(subsystem::CTNETLINK_TIMEOUT, timeout::NEW);
        let header = Header { kind, sequence: id.number().into(), ..Header::default() };
        let _ = value(policy, 0).write(header, &mut all);
    }
    all
}

/// Puts policies back from what [`kept`] gave, as far as it makes sense.
pub(crate) fn restore(engine: &mut Engine, kept: &[u8]) {
    for message in Messages::new(kept).map_while(Result::ok) {
        let asked = message.netfilter().ok().and_then(|(_, attributes)| timeout::Policy::parse(attributes).ok());
        let policy = asked.and_then(|asked| read(engine, &asked).ok());
        if let (Some(policy), Ok(number)) = (policy, u16::try_from(message.header.sequence)) {
            engine.tracker_mut().restore_policy(number, policy);
        }
    }
}

/// The policy that a message describes; timeouts that it does not name are as for all.
fn read(engine: &Engine, asked: &timeout::Policy) -> Result<Policy, i32> {
    let name = asked.name.as_deref().filter(|name| name.len() < 32).ok_or(libc::EINVAL)?;
    let timeouts = asked.timeouts.as_deref().ok_or(libc::EINVAL)?;
    let (af, protocol) = kind(asked)?;
    let name = std::str::from_utf8(name).map_err(|_| libc::EINVAL)?;
    let policy = Policy::new(Text::cut(name), af, protocol, engine.tracker().settings());
    let mut policy = policy.ok_or(libc::EOPNOTSUPP)?;
    for &(attribute, seconds) in timeouts {
        policy.set(attribute, seconds);
    }
    Ok(policy)
}

/// All policies, for a dump.
pub(super) fn write_all(request: Header, engine: &Engine, reply: &mut Vec<u8>) {
    for (id, policy) in engine.tracker().policies() {
        write(request, id, policy, engine, reply);
    }
}

fn kind(asked: &timeout::Policy) -> Result<(Af, u8), i32> {
    let family = asked.family.and_then(|family| u8::try_from(family).ok()).ok_or(libc::EINVAL)?;
    let af = Af::from_number(family).ok_or(libc::EOPNOTSUPP)?;
    Ok((af, asked.protocol.ok_or(libc::EINVAL)?))
}

fn write(request: Header, id: PolicyId, policy: &Policy, engine: &Engine, reply: &mut Vec<u8>) {
    let uses = engine.policy_uses(id).saturating_add(1);
    let kind = netfilter(subsystem::CTNETLINK_TIMEOUT, timeout::NEW);
    // What does not fit a message is no policy that anybody made.
    let _ = value(policy, uses).write(Header { kind, flags: flag::MULTI, ..request }, reply);
}

/// As ctnl_timeout_fill_info().
fn value(policy: &Policy, uses: u32) -> timeout::Policy {
    timeout::Policy {
        name: Some(policy.name.as_bytes().to_vec()),
        family: Some(policy.af.number().into()),
        protocol: Some(policy.protocol),
        timeouts: Some((1..).zip(policy.values().iter().copied()).collect()),
        uses: Some(uses),
    }
}
