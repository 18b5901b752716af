//! Every extension in every chain but those of its own: both routers refuse the rule.

use std::{collections::BTreeSet, io};

use lab::{
    router::{Judge, built},
    suite,
    twin::Subject,
};

use super::{
    kernels::BOUND,
    matches::MATCHES,
    plan::{Chain, Line},
    targets::{Change, TARGETS},
};

/// Tries every line where it is not legal.
pub(crate) fn play() -> io::Result<()> {
    let transport = |tcp| if tcp { "-p tcp --syn " } else { "-p udp " };
    let target = |change: &Change| (transport(change.tcp), change.line);
    let targets = TARGETS.iter().map(|(name, changes)| (*name, changes.iter().map(target).collect()));
    let matches =
        MATCHES.iter().chain(BOUND).map(|(name, lines)| (*name, lines.iter().map(|line| ("", *line)).collect()));
    let all: Vec<(&str, Vec<(&str, Line)>)> = matches.chain(targets).collect();
    let (mut tried, mut wrong) = (0, Vec::new());
    for judge in [Some(Judge::Kernel), suite::subject()].into_iter().flatten() {
        let mut subject = Subject::new(judge, &built())?;
        for six in [false, true] {
            for (name, lines) in &all {
                let mut known = BTreeSet::new();
                for (transport, line) in lines.iter().filter(|(_, line)| line.six.is_none_or(|only| only == six)) {
                    // Once for each way in which an extension is bound to chains.
                    if !known.insert((line.hooks, line.tables)) {
                        continue;
                    }
                    // The very words are right in another chain.
                    if !line.legal_everywhere() {
                        for chain in Chain::every() {
                            tried += 1;
                            if accepted(&mut subject, transport, line, &chain, six)? != line.legal(&chain) {
                                let Chain { table, name: place, .. } = chain;
                                wrong.push(format!("{}: {name} in {table} {place}: {}", judge.name(), line.options));
                            }
                        }
                    }
                }
            }
        }
    }
    println!("  {tried} rules tried");
    suite::none_wrong(&wrong)
}

/// Whether the router takes the rule, which it then gives back.
fn accepted(subject: &mut Subject, transport: &str, line: &Line, chain: &Chain, six: bool) -> io::Result<bool> {
    let options = chain.fill(&line.options.replace("{!} ", "").replace("{hex}", "1"), 1, six);
    let program = if six { "ip6tables" } else { "iptables" };
    let mut act = |how| {
        let rule = format!("{program} -t {} {how} {} {transport}{options}", chain.table, chain.name);
        Ok::<_, io::Error>(subject.bench().router.run(&rule.split(' ').collect::<Vec<_>>())?.code() == 0)
    };
    Ok(act("-A")? && act("-D")?)
}
