//! Reading scenarios: what is good, and each thing that is not.

use super::*;
use crate::limits;

const HEAD: &str = "[server]\nlisten = \"127.0.0.1:7007\"\n[[call]]\nname = \"A\"\n";

fn fault(rest: &str) -> String {
    Scenario::parse(&format!("{HEAD}{rest}")).unwrap_err()
}

#[test]
fn the_example_of_the_page_is_a_scenario() {
    let page = include_str!("../SCENARIO.md");
    let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let scenario = Scenario::parse(example).unwrap();
    assert!(scenario.step.len() > 10 && scenario.dns().unwrap().contains_key("7010"));
}

#[test]
fn steps_come_in_the_order_of_their_times() {
    let steps = "[[step]]\nat = \"2s\"\ndo = \"drop\"\n[[step]]\nat = \"500ms\"\ndo = \"gap\"\n";
    let scenario = Scenario::parse(&format!("{HEAD}{steps}")).unwrap();
    assert_eq!(scenario.step[0].act, Do::Gap);
}

#[test]
fn what_makes_no_sense_is_named() {
    for (rest, said) in [
        ("[[step]]\nat = \"1s\"\ndo = \"ring\"\ncall = \"A\"\n", "step 1: Ring needs `dn`"),
        ("[[step]]\nat = \"1s\"\ndo = \"answer\"\ncall = \"B\"\n", "no call `B`"),
        ("[[step]]\nat = \"1s\"\ndo = \"record\"\ncall = \"A\"\n", "[recorder] to"),
        ("[[step]]\nat = \"1s\"\ndo = \"switch\"\n", "standby"),
        ("[[step]]\nat = \"1s\"\ndo = \"juggle\"\n", "juggle"),
        ("[[step]]\nat = \"soon\"\ndo = \"drop\"\n", "soon"),
        ("[[dn]]\ndn = \"9-1\"\n", "not a range"),
        ("[[colour]]\n", "colour"),
    ] {
        let fault = fault(rest);
        assert!(fault.contains(said), "{fault}");
    }
    assert!(Scenario::parse("[server]\n").unwrap_err().contains("listen or connect"));
}

#[test]
fn a_server_that_cannot_be_is_named() {
    let server = |rest: &str| Scenario::parse(&format!("[server]\n{rest}")).unwrap_err();
    let listen = "listen = \"127.0.0.1:7007\"\n";
    for (rest, said) in [
        (String::new(), "listen or connect"),
        (format!("{listen}connect = \"h:1\"\n"), "listen or connect"),
        ("connect = \"h:1\"\nstandby = \"127.0.0.1:1\"\n".to_owned(), "server.standby"),
        (format!("{listen}cert = \"c.pem\"\n"), "cert and key"),
        (format!("{listen}key = \"k.pem\"\n"), "cert and key"),
        (format!("{listen}ca = \"ca.pem\"\n"), "server.ca"),
        ("connect = \"h:1\"\ncert = \"c.pem\"\nkey = \"k.pem\"\n".to_owned(), "server.ca"),
        (format!("{listen}charset = \"klingon\"\n"), "server.charset"),
        (format!("{listen}heartbeat = \"often\"\n"), "often"),
        (format!("{listen}start = \"later\"\n"), "later"),
        (format!("{listen}colour = 1\n"), "colour"),
        ("listen = \"here\"\n".to_owned(), "listen"),
    ] {
        let fault = server(&rest);
        assert!(fault.contains(said), "{fault}");
    }
}

#[test]
fn every_step_says_what_it_lacks() {
    let lacks = |act: &str, rest: &str| fault(&format!("[[step]]\nat = \"1s\"\ndo = \"{act}\"\n{rest}"));
    for (act, rest, key) in [
        ("dial", "call = \"A\"\n", "`dn`"),
        ("answer", "", "`call`"),
        ("transfer", "call = \"A\"\ndn = \"1\"\n", "`to`"),
        ("login", "dn = \"1\"\n", "`agent`"),
        ("logout", "", "`dn`"),
        ("private", "call = \"A\"\n", "`what`"),
        ("digits", "call = \"A\"\n", "`digits`"),
        ("vanish", "", "`for`"),
        ("silence", "", "`for`"),
        ("flood", "", "`call`"),
    ] {
        let fault = lacks(act, rest);
        assert!(fault.starts_with("step 1: ") && fault.ends_with(&format!("needs {key}")), "{fault}");
    }
    let from = "call = \"A\"\ndn = \"1\"\nto = \"2\"\nfrom = \"Z\"\n";
    assert!(lacks("transfer", from).ends_with("there is no call `Z`"));
}

#[test]
fn a_name_stands_for_one_call_and_bounds_are_bounds() {
    assert!(fault("[[call]]\nname = \"A\"\n").contains("call `A` is there twice"));
    assert!(fault("[[dn]]\ndn = \"1-99999999\"\n").contains("not a range"));
    let half = "[[dn]]\ndn = \"10000-39999\"\n[[dn]]\ndn = \"40000-69999\"\n";
    assert!(fault(half).contains("more than"));
    let step = "[[step]]\nat = \"1s\"\ndo = \"drop\"\n";
    assert!(fault(&step.repeat(limits::SERVE_STEPS + 1)).contains("too many steps"));
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.toml");
    assert!(Scenario::read(&path).unwrap_err().to_string().contains("none.toml"));
    std::fs::write(&path, "[server]\n").unwrap();
    let fault = Scenario::read(&path).unwrap_err().to_string();
    assert!(fault.contains("none.toml: server: listen or connect"), "{fault}");
}

#[test]
fn user_data_has_every_kind_of_value() {
    let data = "user-data = { a = \"x\", n = 7, b = { binary = \"AAE=\" }, l = { k = \"v\" } }\n";
    let scenario = Scenario::parse(&format!("{HEAD}{data}")).unwrap();
    let wire = serde_json::to_string(&scenario.call[0].user_data).unwrap();
    assert_eq!(
        wire,
        r#"[{"key":"a","value":"x"},{"key":"b","value":{"binary":"AAE="}},{"key":"l","value":[{"key":"k","value":"v"}]},{"key":"n","value":7}]"#
    );
    let twice = "user-data = [{ key = \"k\", value = \"1\" }, { key = \"k\", value = \"2\" }]\n";
    assert_eq!(Scenario::parse(&format!("{HEAD}{twice}")).unwrap().call[0].user_data.0.len(), 2);
}
