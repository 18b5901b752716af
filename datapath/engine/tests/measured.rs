//! Every extension has a rule whose cost the bench measures, and a packet that meets it.

#[path = "../benches/extension/rules.rs"]
mod rules;
mod support;

use rules::{MATCHES, Sent, TARGETS};
use support::Router;

#[test]
fn no_extension_is_forgotten() {
    assert_eq!(rules::forgotten(), Vec::<&str>::new());
}

#[test]
fn every_rule_is_taken() {
    for rule in MATCHES.iter().chain(TARGETS) {
        let mut router = Router::default();
        if rule.name == "rateest" {
            let name = "-A FORWARD -t mangle -j RATEEST --rateest-name a --rateest-interval 1s --rateest-ewmalog 8s";
            router.load(rule.af, &[name]);
        }
        let words = rule.words();
        let done = router.try_load_words(rule.af, words.iter().map(String::as_str).collect());
        assert_eq!(done, Ok(()), "{rule:?}");
        let bytes = !matches!(rule.sent, Sent::Other(_, []));
        assert!(bytes, "{rule:?} is sent nothing");
    }
}
