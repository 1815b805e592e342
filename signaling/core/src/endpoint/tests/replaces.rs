//! Who may not take a session over, and by which status that is said (RFC 3891 3). The taking over is in `life`.

use super::*;

/// An INVITE with this value of Replaces, in a dialog of its own.
fn taking(value: &str) -> Vec<u8> {
    replaced(vector!("515-replaces-unknown"), b"nope@192.0.2.99;to-tag=a;from-tag=b", value.as_bytes())
}

/// The value that names dialog 500.
fn of_500(rig: &Rig) -> String {
    format!("500-dlg@192.0.2.10;to-tag={};from-tag=d500", rig.tag)
}

#[test]
fn each_replaces_that_does_not_fit_is_refused_by_its_rule_and_costs_the_session_nothing() {
    let good = {
        let mut rig = Rig::new(Transport::Tcp, "auto");
        rig.established();
        of_500(&rig)
    };
    for (value, status) in [
        ("500-dlg@192.0.2.10".to_owned(), 400),
        (good.replace(";from-tag=d500", ""), 400),
        (good.replace("500-dlg", "501-dlg"), 481),
        (good.replace("from-tag=d500", "from-tag=other"), 481),
        // Its tags the wrong way round: it is the peer that names ours first.
        (good.replace("to-tag", "x").replace("from-tag", "to-tag").replace(";x=", ";from-tag="), 481),
        (format!("{good};early-only"), 486),
        (format!("{good}, {good}"), 400),
    ] {
        let mut rig = Rig::new(Transport::Tcp, "auto");
        rig.established();
        let tag = rig.tag.clone();
        let (answered, events) = rig.turned_away(&taking(&value));
        assert_eq!(answered, status, "{value}");
        assert!(matches!(&events[..], [Event::TurnedAway { .. }]), "{value}: {events:?}");
        // The old dialog is untouched.
        rig.tag = tag;
        assert_eq!(last(&rig.send(vector!("500i-bye-reason"))).status, 200, "{value}");
    }
}

#[test]
fn neither_an_early_dialog_nor_one_that_ended_is_replaced() {
    let mut early = Rig::new(Transport::Tcp, "auto");
    let first = early.offered(vector!("500a-setup"));
    early.tag = early.endpoint.tags.keys().next().expect("the tag of the offered dialog").clone();
    // The peer began it: only its own early dialogs may be replaced by who did not (RFC 3891 3).
    assert_eq!(early.turned_away(&taking(&of_500(&early))).0, 481);
    assert_eq!(early.accept(first.dialog, &first.offer).status, 200, "it is decided as if nothing had been");

    let mut ended = Rig::new(Transport::Tcp, "auto");
    ended.established();
    let value = of_500(&ended);
    ended.send(vector!("500i-bye-reason"));
    ended.events();
    // 603 is only recommended, and would need a memory of all that ever was.
    assert_eq!(ended.turned_away(&taking(&value)).0, 481);
    assert_eq!(ended.endpoint.stats().dialogs, 0);
}

#[test]
fn replaces_outside_an_invite_is_400_and_a_bye_ends_its_session_all_the_same() {
    let mut rig = Rig::new(Transport::Tcp, "auto");
    rig.established();
    let header = format!("Replaces: {}\r\n", of_500(&rig));
    for (method, cseq) in [("UPDATE", 20), ("INFO", 21), ("OPTIONS", 22)] {
        let sent = rig.send(&in_dialog(method, cseq, &header));
        assert_eq!(last(&sent).status, 400, "{method}");
    }
    assert_eq!(rig.events(), []);
    assert_eq!(last(&rig.send(&in_dialog("BYE", 23, &header))).status, 200);
    assert_eq!(rig.endpoint.stats().dialogs, 0);
}
