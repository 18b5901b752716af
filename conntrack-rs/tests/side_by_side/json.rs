//! `-o json`, which the original does not have: what it says is what the original's lines say.

use std::process::Command;

use serde_json::{Value, json};

use crate::expectations::{EXPECTATION, connection_with_a_helper};
use crate::follower::{CONNECTIONS, EXPECTATIONS, Follower};
use crate::{ORIGINAL, enter, fill};

const OURS: &str = env!("CARGO_BIN_EXE_conntrack");

#[test]
fn each_entry_says_what_the_line_says() {
    if !enter("json::each_entry_says_what_the_line_says") {
        return;
    }
    fill();
    // The seconds left are said with each entry; all that the line says besides is in order.
    let without_time = |text: String| {
        let mut words: Vec<String> = text.split_ascii_whitespace().map(str::to_owned).collect();
        words.remove(4);
        words.sort();
        words
    };
    let lines = write(ORIGINAL, "-L -o extended,id");
    let mut theirs: Vec<_> = lines.lines().map(|line| without_time(line.to_owned())).collect();
    let objects = objects(&write(OURS, "-L -o json,extended,id"));
    let mut ours: Vec<_> = objects.iter().map(|entry| without_time(line(entry))).collect();
    theirs.sort();
    ours.sort();
    assert_eq!(theirs, ours);
    assert_eq!(ours.len(), 13);
    for entry in &objects {
        assert!((1..=300).contains(&entry["timeout"].as_u64().unwrap()), "{entry}");
    }
}

#[test]
fn each_event_is_a_line() {
    if !enter("json::each_event_is_a_line") {
        return;
    }
    let follower = Follower::start(OURS, "-E -o json,timestamp", CONNECTIONS);
    let one = "-p udp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2";
    for line in [format!("-I {one} -t 100"), format!("-U {one} -m 7"), format!("-D {one}")] {
        write(ORIGINAL, &line);
    }
    let (written, _, code) = follower.end_with_bytes();
    assert_eq!(code, Some(0));
    let events = objects(&String::from_utf8(written).unwrap());
    let said: Vec<_> = events.iter().map(|event| (event["type"].as_str().unwrap(), &event["mark"])).collect();
    assert_eq!(said, [("new", &json!(0)), ("update", &json!(7)), ("destroy", &json!(7))]);
    for event in &events {
        assert_eq!(event["original"]["sport"], 1);
        assert_eq!(event["reply"]["src"], "2.2.2.2");
        assert!(event["portid"].as_u64().is_some_and(|port| port > 0), "{event}");
        // Nanoseconds since 1970, after 2020.
        assert!(event["when"].as_u64().is_some_and(|when| when > 1_577_836_800_000_000_000), "{event}");
    }
}

#[test]
fn expectations_are_objects_too() {
    if !enter("json::expectations_are_objects_too") {
        return;
    }
    let _connection = connection_with_a_helper();
    let follower = Follower::start(OURS, "-E expect -o json", EXPECTATIONS);
    write(ORIGINAL, EXPECTATION);
    let listed = objects(&write(OURS, "-L expect -o json"));
    write(ORIGINAL, "-F expect");
    let (written, ..) = follower.end_with_bytes();
    let events = objects(&String::from_utf8(written).unwrap());
    assert_eq!(events.len(), 2, "one that is made and goes with the flush: {events:?}");
    assert_eq!((&events[0]["type"], &events[1]["type"]), (&json!("new"), &json!("destroy")));
    let mut wanted = json!({
        "family": "ipv4", "protoname": "udp", "protonum": 17,
        "expected": {"src": "127.0.0.1", "dst": "127.0.0.1", "sport": 0, "dport": 400},
        "mask": {"src": "255.255.255.255", "dst": "255.255.255.255", "sport": 0, "dport": 65535},
        "master": {"src": "127.0.0.1", "dst": "127.0.0.1", "sport": 4000, "dport": 69},
        "flags": [], "class": 0, "helper": "tftp"
    });
    for name in ["timeout", "id"] {
        wanted[name] = listed[0][name].clone();
    }
    assert_eq!(listed, [wanted.clone()]);
    assert!((1..=300).contains(&wanted["timeout"].as_u64().unwrap()), "{wanted}");
    for (name, value) in [("type", json!("new")), ("portid", events[0]["portid"].clone())] {
        wanted[name] = value;
    }
    wanted["timeout"] = events[0]["timeout"].clone();
    assert_eq!(events[0], wanted);
}

/// The line that the original writes of an entry with `-o extended,id`, in any order.
fn line(entry: &Value) -> String {
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let family = word(&entry["family"]);
    let mut text = format!(
        "{family} {} {} {} {} ",
        if family == "ipv4" { 2 } else { 10 },
        word(&entry["protoname"]),
        entry["protonum"],
        entry["timeout"]
    );
    text += &entry["state"].as_str().map(|state| format!("{state} ")).unwrap_or_default();
    for direction in ["original", "reply"] {
        let zone = if direction == "original" { "zone-orig" } else { "zone-reply" };
        for (name, value) in entry[direction].as_object().unwrap() {
            let value = if name.ends_with("key") { format!("{:#x}", value.as_u64().unwrap()) } else { word(value) };
            text += &format!("{}={value} ", if name == "zone" { zone } else { name });
        }
    }
    let bits: Vec<&str> = entry["status"].as_array().unwrap().iter().map(|bit| bit.as_str().unwrap()).collect();
    if bits.contains(&"ASSURED") {
        text += "[ASSURED] ";
    }
    if !bits.contains(&"SEEN_REPLY") {
        text += "[UNREPLIED] ";
    }
    for name in ["mark", "secmark", "zone", "use", "id"] {
        if !entry[name].is_null() {
            text += &format!("{name}={} ", entry[name]);
        }
    }
    text
}

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn write(program: &str, line: &str) -> String {
    let output = Command::new(program).args(line.split(' ')).env("XT_BACKEND", "kernel").output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
