//! Which rule decides.

use super::*;

fn policy(text: &str) -> Policy {
    serde_json::from_str::<PolicyConfig>(text).unwrap().read().unwrap()
}

fn fault(rule: &str) -> String {
    let text = format!(r#"{{"rule":[{{"name":"a","then":"never"}},{rule}]}}"#);
    serde_json::from_str::<PolicyConfig>(&text).unwrap().read().unwrap_err().to_string()
}

fn words(dn: &str) -> Words {
    let mut words = Words::default();
    words.dn(dn);
    words
}

#[test]
fn without_rules_everything_is_recorded() {
    let policy = policy("{}");
    assert!(policy.is_trivial());
    assert_eq!(policy.rule(&words("7001")), Ruling::default());
    assert_eq!(Ruling::default().treatment, Treatment::Record);
}

#[test]
fn the_first_rule_that_fits_decides_and_says_what_class_it_is() {
    let policy = policy(
        r#"{"default":"never","rule":[
            {"name":"board","dn":["7000-7009"],"then":"never"},
            {"name":"sales","dn":["70*"],"then":"record","retention":"mifid","set-partition":"/sales"},
            {"name":"rest","dn":["7100"],"then":"provisional"}]}"#,
    );
    let decided = |dn: &str| policy.rule(&words(dn));
    assert_eq!(decided("7009").treatment, Treatment::Never);
    let sales = decided("sip:7010@switch.example;user=phone");
    assert_eq!((sales.treatment, sales.rule.as_deref()), (Treatment::Record, Some("sales")));
    assert_eq!((sales.retention.as_deref(), sales.partition.as_deref()), (Some("mifid"), Some("/sales")));
    assert_eq!(decided("7100").treatment, Treatment::Provisional);
    assert_eq!((decided("8000").treatment, decided("8000").rule), (Treatment::Never, None));
    let unmet: Vec<_> = policy.explain(&words("7100")).into_iter().map(|v| (v.rule.to_owned(), v.unmet)).collect();
    let told = |name: &str, key| (name.to_owned(), key);
    assert_eq!(unmet, [told("board", Some("dn")), told("sales", Some("dn")), told("rest", None)]);
}

#[test]
fn all_conditions_of_a_rule_must_hold_each_by_any_of_its_values() {
    let policy = policy(
        r#"{"default":"never","rule":[{"name":"all","agent":["a17","a18"],"queue":["8001"],"number":["+49*"],
            "direction":["inbound"],"partition":["/sales"],"profile":["genesys-msr"],
            "user-data":{"Segment":"gold"},"then":"record"}]}"#,
    );
    let mut words = Words {
        agents: vec!["A18".into()],
        queues: vec!["8001".into()],
        direction: Some(CallDirection::Inbound),
        profiles: vec!["genesys-msr".into()],
        ..Words::default()
    };
    words.number("+4930123456");
    words.data("GRECORD_PARTITIONS", "/service, /sales");
    words.data("segment", "Gold");
    assert_eq!(policy.rule(&words).treatment, Treatment::Record);
    let unmet = |words: &Words| policy.explain(words)[0].unmet;
    for (key, change) in [
        ("agent", Words { agents: vec!["a19".into()], ..words.clone() }),
        ("queue", Words { queues: Vec::new(), ..words.clone() }),
        ("number", Words { numbers: vec!["+431".into()], ..words.clone() }),
        ("direction", Words { direction: None, ..words.clone() }),
        ("partition", Words { partitions: Vec::new(), ..words.clone() }),
        ("profile", Words { profiles: vec!["rfc7866".into()], ..words.clone() }),
        ("user-data", Words { user_data: Vec::new(), ..words.clone() }),
    ] {
        assert_eq!(unmet(&change), Some(key));
    }
}

#[test]
fn sampling_goes_by_the_name_of_the_call_and_keeps_its_share() {
    let policy = policy(r#"{"default":"never","rule":[{"name":"some","sample-percent":20,"then":"record"}]}"#);
    let kept = |n: u32| {
        let words = Words { sample_key: format!("00VHQ8J2K4D3V9GT{n:016}"), ..Words::default() };
        policy.rule(&words).treatment == Treatment::Record
    };
    let count = (0..10_000).filter(|n| kept(*n)).count();
    assert!((1_850..2_150).contains(&count), "{count} of 10,000 at 20 percent");
    assert!((0..100).all(|n| kept(n) == kept(n)));
    // Another spelling of the same name is the same call.
    let spelled = |text: &str| policy.rule(&Words { sample_key: text.into(), ..Words::default() });
    assert_eq!(spelled("abcdef01"), spelled("ABCDEF01"));
    let all = super::PolicyConfig { rule: vec![rule(100.0)], ..Default::default() };
    let none = super::PolicyConfig { rule: vec![rule(0.0)], ..Default::default() };
    for n in 0..1_000 {
        let words = Words { sample_key: n.to_string(), ..Words::default() };
        assert_eq!(all.read().unwrap().rule(&words).treatment, Treatment::Never);
        assert_eq!(none.read().unwrap().rule(&words).treatment, Treatment::Record);
    }
}

fn rule(percent: f64) -> RuleConfig {
    serde_json::from_str(&format!(r#"{{"name":"r","sample-percent":{percent},"then":"never"}}"#)).unwrap()
}

#[test]
fn what_makes_no_sense_is_refused_by_its_key() {
    assert_eq!(fault(r#"{"name":"a","then":"never"}"#), "policy.rule.1.name: another rule has this name");
    assert_eq!(fault(r#"{"name":" ","then":"never"}"#), "policy.rule.1.name: is empty");
    for (rule, key) in [
        (r#"{"name":"b","dn":["70-7"],"then":"never"}"#, "policy.rule.1.dn"),
        (r#"{"name":"b","dn":["7010-7001"],"then":"never"}"#, "policy.rule.1.dn"),
        (r#"{"name":"b","number":["*49*"],"then":"never"}"#, "policy.rule.1.number"),
        (r#"{"name":"b","agent":[""],"then":"never"}"#, "policy.rule.1.agent"),
        (r#"{"name":"b","user-data":{"k":""},"then":"never"}"#, "policy.rule.1.user-data"),
        (r#"{"name":"b","sample-percent":101,"then":"never"}"#, "policy.rule.1.sample-percent"),
    ] {
        let said = fault(rule);
        assert!(said.starts_with(key), "{said}");
    }
    assert!(serde_json::from_str::<PolicyConfig>(r#"{"rules":[]}"#).is_err(), "an unknown key");
    assert!(serde_json::from_str::<PolicyConfig>(r#"{"rule":[{"name":"b"}]}"#).is_err(), "nothing to do");
}
