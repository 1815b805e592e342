//! The built-in files, what a customer may add, and the faults that are named.

use super::*;

fn own(text: &str) -> Result<Catalogue, ProfileError> {
    Catalogue::with(&[("own.toml".to_owned(), text.to_owned())])
}

fn fault(text: &str) -> String {
    own(text).expect_err(text).to_string()
}

#[test]
fn every_profile_of_the_issue_is_built_in_and_extends_the_lenient_one() {
    let catalogue = Catalogue::built_in();
    let names = "rfc7866-strict auto genesys-msr oracle avaya cisco-cube cisco-nbr cucm-bib audiocodes broadworks \
                 metaswitch ribbon opensips jambonz netsapiens telnyx google-ccai lenient strict amazon-connect";
    for name in names.split_whitespace() {
        let profile = catalogue.named(name).unwrap_or_else(|| panic!("{name}"));
        assert!(!profile.title.is_empty(), "{name}");
        assert!(profile.key.iter().any(|key| key.name == "genesys_uuid"), "{name} has the keys of the base");
    }
    let mut seen = std::collections::BTreeSet::new();
    for profile in catalogue.all() {
        assert!(std::iter::once(&profile.name).chain(&profile.also).all(|name| seen.insert(name.clone())));
    }
}

#[test]
fn auto_looks_at_what_is_special_before_what_fits_everything() {
    let auto = Catalogue::built_in().named("auto").unwrap();
    let names: Vec<&str> = auto.candidates.iter().map(|profile| profile.name.as_str()).collect();
    assert_eq!((names.first(), names.last()), (Some(&"genesys-msr"), Some(&"rfc7866")));
    assert!(names.contains(&"oracle") && !names.contains(&"cisco-nbr") && !names.contains(&"cucm-bib"));
}

#[test]
fn an_own_file_extends_replaces_and_comes_first() {
    let text = "name = \"house-sbc\"\nextends = \"oracle\"\n[detect]\nautomatic = true\n[[detect.fingerprint]]\n\
                user_agent = \"House*\"\n[times]\nzone = \"-05:00\"\n[[key]]\nname = \"crm\"\nheader = \"X-CRM\"\n";
    let catalogue = own(text).unwrap();
    let house = catalogue.named("house-sbc").unwrap();
    assert_eq!((house.times.zone, house.role.len()), (Zone(-18_000), 2), "roles of oracle");
    assert_eq!((house.key[0].name.as_str(), house.key.len() > 20), ("crm", true));
    let first = |catalogue: &Catalogue| catalogue.named("auto").unwrap().candidates[0].name.clone();
    assert_eq!(first(&catalogue), "house-sbc");
    let replaced = own("name = \"oracle\"\ntitle = \"ours\"\nextends = \"rfc7866\"").unwrap();
    assert_eq!(replaced.named("oracle").unwrap().title, "ours");
    assert_eq!(replaced.all().filter(|profile| profile.name == "oracle").count(), 1);
    // What the base says of itself is not inherited.
    assert!(
        own("name = \"quiet\"\nextends = \"oracle\"").unwrap().named("quiet").unwrap().detect.fingerprint.is_empty()
    );
}

#[test]
fn a_zone_given_by_a_rule_reaches_every_candidate() {
    let auto = Catalogue::built_in().named("auto").unwrap().in_zone("+02:00".parse().unwrap());
    assert!(auto.candidates.iter().all(|profile| profile.times.zone == Zone(7_200)));
    assert_eq!(auto.times.zone.to_string(), "+02:00");
    for text in ["", "2", "+2:00", "+25:00", "+01:60", "01:00", "Europe/Berlin", "+-1:00"] {
        assert!(text.parse::<Zone>().is_err(), "{text}");
    }
}

#[test]
fn faults_name_file_line_and_key() {
    for (text, parts) in [
        ("name = \"a\"\n\n[tolerate]\nno_requir_siprec = true\n", &["own.toml:4: ", "no_requir_siprec"][..]),
        ("name = \"a\"\nextends = \"nobody\"\n", &["own.toml:2: `extends`", "\"nobody\""]),
        ("name = \"a\"\nextends = \"a\"\n", &["own.toml:2: `extends`", "circle"]),
        ("title = \"nameless\"\n", &["own.toml: `name`"]),
        ("name = \"a b\"\n", &["own.toml:1: `name`"]),
        ("name = \"a\"\n[times]\nzone = \"CET\"\n", &["own.toml:3: ", "\"CET\"", "+02:00"]),
        ("name = \"a\"\n[session]\nrefusal = 200\n", &["own.toml:3: `session.refusal`"]),
        ("name = \"a\"\n[session]\nevidence = \"header\"\n", &["own.toml:3: `session.evidence`", "session.name"]),
        ("name = \"a\"\n[metadata]\nsource = \"headers\"\n", &["own.toml:3: `metadata.source`", "participants.header"]),
        ("name = \"a\"\n[metadata]\nsource = \"tape\"\n", &["own.toml:3: ", "tape"]),
        ("name = \"a\"\n[offer]\ncodecs = [\"EVS\"]\n", &["own.toml:3: `offer.codecs`", "\"EVS\""]),
        ("name = \"a\"\n[detect]\nautomatic = true\n", &["own.toml:3: `detect.automatic`"]),
        ("name = \"a\"\n[detect]\namong = [\"b\"]\n", &["own.toml:3: `detect.among`", "\"b\""]),
        ("name = \"a\"\n[[role]]\nrole = \"agent\"\n", &["own.toml:2: `role`", "label_rank"]),
        ("name = \"a\"\n[[key]]\nname = \"k\"\n", &["own.toml:2: `key`", "header"]),
        ("name = \"a\"\nname = \"b\"\n", &["own.toml:2: "]),
        ("name = ", &["own.toml:1: "]),
    ] {
        let said = fault(text);
        assert!(parts.iter().all(|part| said.contains(part)), "{said:?} lacks {parts:?}");
    }
    let two = [("a.toml", "name = \"x\""), ("b.toml", "name = \"x\"")].map(|(f, t)| (f.to_owned(), t.to_owned()));
    assert!(Catalogue::with(&two).unwrap_err().to_string().contains("a.toml"));
    let large = format!("name = \"a\"\n#{}", "x".repeat(crate::limits::PROFILE_OCTETS));
    assert!(fault(&large).contains("octets"));
}
