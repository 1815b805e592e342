//! The section `[delivery]`: what is refused, and by which name.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::*;

fn refused(keys: &serde_json::Value) -> String {
    let subscriber = serde_json::from_value(keys.clone()).expect("known keys");
    let config = DeliveryConfig { subscriber: vec![subscriber], ..DeliveryConfig::default() };
    config.check().expect_err("refused").to_string()
}

#[test]
fn what_cannot_work_is_named_and_no_secret_is() {
    let dir = TempDir::new().expect("a folder");
    let (good, bad) = (dir.path().join("good"), dir.path().join("bad"));
    std::fs::write(&good, format!("whsec_{}\n", STANDARD.encode([7; 32]))).expect("a file");
    std::fs::write(&bad, "hunter2").expect("a file");
    let lawful =
        serde_json::json!({ "name": "lake", "url": "https://lake.example/hook", "secret_files": [good.clone()] });
    let config = |keys: &serde_json::Value| DeliveryConfig {
        subscriber: vec![serde_json::from_value(keys.clone()).expect("known keys")],
        ..DeliveryConfig::default()
    };
    config(&lawful).check().expect("lawful");
    for (key, value, named) in [
        ("name", serde_json::json!("Lake 1"), "name"),
        ("name", serde_json::json!(""), "name"),
        ("url", serde_json::json!("http://lake.example/hook"), "allow_http"),
        ("url", serde_json::json!("ftp://lake.example/"), "url"),
        ("url", serde_json::json!("https://user:hunter2@lake.example/"), "url"),
        ("url", serde_json::json!("nonsense"), "url"),
        ("events", serde_json::json!(["recording.begun"]), "recording.begun"),
        ("events", serde_json::json!(["recording.audio"]), "events"),
        ("events", serde_json::json!([]), "events"),
        ("since", serde_json::json!("yesterday"), "since"),
        ("timeout_s", serde_json::json!(0), "timeout_s"),
        ("secret_files", serde_json::json!([]), "secret_files"),
        ("secret_files", serde_json::json!([good, good, good]), "secret_files"),
        ("secret_files", serde_json::json!([bad]), "whsec_"),
        ("secret_files", serde_json::json!(["/nonexistent/secret"]), "/nonexistent/secret"),
    ] {
        let mut keys = lawful.clone();
        keys[key] = value.clone();
        let error = refused(&keys);
        assert!(error.starts_with("delivery.subscriber: ") && error.contains(named), "{key} = {value}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    for url in ["http://127.0.0.1:9/", "http://[::1]:9/", "http://localhost/"] {
        let mut keys = lawful.clone();
        keys["url"] = url.into();
        config(&keys).check().unwrap_or_else(|error| panic!("{url}: {error}"));
    }
    let twice = DeliveryConfig {
        subscriber: [&lawful, &lawful].map(|keys| serde_json::from_value(keys.clone()).unwrap()).into(),
        ..DeliveryConfig::default()
    };
    assert!(twice.check().expect_err("refused").to_string().contains("is taken"));
    let error = DeliveryConfig { give_up_days: 0, ..DeliveryConfig::default() }.check().expect_err("refused");
    assert_eq!(error.key, "delivery.give_up_days");
    assert!(serde_json::from_value::<SubscriberConfig>(serde_json::json!({ "nmae": "x" })).is_err());
}
