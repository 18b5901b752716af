//! Netlink messages: every reader of them, and what is read must be written so that it is read the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nfnl::{
    attr::Attributes,
    conntrack::{Filter, Flow, Tuple},
    message::{Builder, Messages},
};

fuzz_target!(|data: &[u8]| {
    for message in Messages::new(data) {
        let Ok(message) = message else { break };
        let _ = Flow::read(&message);
        let Ok((nfgen, attributes)) = message.netfilter() else { continue };
        let _ = Filter::parse(nfgen, attributes);
        let _ = Tuple::parse(attributes);
        walk(attributes, 0);
        let Ok(flow) = Flow::parse(nfgen, attributes) else { continue };
        let mut bytes = Vec::new();
        let mut builder = Builder::netfilter(message.header, nfgen, &mut bytes);
        flow.emit(&mut builder);
        if builder.finish().is_err() {
            continue;
        }
        let again = Messages::new(&bytes).next().and_then(Result::ok).and_then(|m| Flow::read(&m).ok());
        let mut twice = Vec::new();
        if let Some(again) = again {
            let mut builder = Builder::netfilter(message.header, nfgen, &mut twice);
            again.emit(&mut builder);
            let _ = builder.finish();
            assert_eq!(bytes, twice, "what was written is written differently once read");
        }
    }
});

/// Every attribute, as deep as they go.
fn walk(attributes: Attributes<'_>, depth: usize) {
    if depth > 8 {
        return;
    }
    for attribute in attributes {
        let Ok(attribute) = attribute else { return };
        let _ =
            (attribute.u8(), attribute.be16(), attribute.be32(), attribute.be64(), attribute.ipv4(), attribute.ipv6());
        let _ = attribute.text();
        walk(Attributes::new(attribute.payload), depth + 1);
    }
}
