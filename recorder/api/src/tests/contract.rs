//! `openapi.json` against the routes, and what every answer has in common.

use super::*;
use crate::routes::TABLE;

fn description() -> Value {
    serde_json::from_str(include_str!("../../assets/openapi.json")).unwrap()
}

#[test]
fn openapi_describes_exactly_the_routes_there_are() {
    let description = description();
    assert_eq!(description["openapi"], "3.1.0");
    let mut described = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys().filter(|key| *key != "parameters") {
            described.push(format!("{method} {path}"));
        }
    }
    let mut routed: Vec<_> =
        TABLE.iter().flat_map(|route| route.methods.iter().map(|method| format!("{method} {}", route.path))).collect();
    described.sort();
    routed.sort();
    assert_eq!(described, routed);
}

#[test]
fn every_filter_is_described_and_every_reference_leads_somewhere() {
    let description = description();
    let parameters = description["paths"]["/recordings"]["get"]["parameters"].as_array().unwrap();
    let name = |parameter: &Value| match parameter["$ref"].as_str() {
        Some(reference) => reference.rsplit('/').next().unwrap().to_owned(),
        None => parameter["name"].as_str().unwrap().to_owned(),
    };
    assert_eq!(parameters.iter().map(name).collect::<Vec<_>>(), crate::query::FILTERS);
    let mut left = vec![&description];
    while let Some(value) = left.pop() {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            assert!(description.pointer(&reference[1..]).is_some(), "{reference}");
        }
        left.extend(value.as_object().into_iter().flat_map(|object| object.values()));
        left.extend(value.as_array().into_iter().flatten());
    }
}

#[test]
fn the_answer_holds_what_the_description_requires_and_nothing_else() {
    let description = description();
    let properties = |name: &str| -> Vec<String> {
        let schema = &description["components"]["schemas"][name];
        schema["properties"].as_object().unwrap().keys().cloned().collect()
    };
    let view = archived(1);
    let shape = serde_json::to_value(crate::shape::Recording::of(&view)).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&shape), properties("Recording"));
    assert_eq!(keys(&shape["tracks"][0]), properties("Track"));
    assert_eq!(keys(&shape["tracks"][0]["gaps"][0]), properties("Gap"));
    let session: Vec<_> = properties("Session").into_iter().filter(|key| key != "communication_sessions").collect();
    assert_eq!(keys(&shape["sessions"][0]), session);
    let party: Vec<_> = properties("Party").into_iter().filter(|key| key != "also").collect();
    assert_eq!(keys(&shape["parties"][0]), party);
    let inside = |name: &str, inner: &str| -> Vec<String> {
        let schema = &description["components"]["schemas"][name]["properties"][inner]["items"]["properties"];
        schema.as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(keys(&shape["attachments"][0]), inside("Recording", "attachments"));
    assert_eq!(keys(&shape["sessions"][0]["reasons"][0]), inside("Session", "reasons"));
    let causes = description["components"]["schemas"]["EndCause"]["enum"].as_array().unwrap();
    assert!(causes.contains(&shape["end_cause"]) && causes.contains(&shape["sessions"][0]["end_cause"]));
}

#[tokio::test]
async fn every_route_asks_who_is_there_and_a_wrong_method_is_405_with_allow() {
    let world = World::new();
    for route in &TABLE {
        let path = route.path.replace("{id}", &id(1).to_string());
        for method in [Method::GET, Method::POST, Method::DELETE, Method::PUT] {
            let is_there = route.methods.contains(&method.as_str().to_ascii_lowercase().as_str());
            let response = world.ask("", method.clone(), &path).await;
            let expected = match (is_there, route.path) {
                (true, "/openapi.json") => 200,
                (true, _) => 401,
                (false, _) => 405,
            };
            assert_eq!(response.status(), expected, "{method} {path}");
            if !is_there {
                assert!(response.headers().contains_key(header::ALLOW), "{method} {path}");
                assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
            }
        }
    }
    let (status, body) = world.get("", "/nothing").await;
    assert_eq!((status.as_u16(), &body["status"]), (404, &404.into()));
}

#[tokio::test]
async fn every_answer_carries_the_security_headers_and_is_counted_by_pattern() {
    let world = World::with(&[archived(1)]).await;
    let token = world.token(Role::Auditor);
    for path in ["/recordings".to_owned(), format!("/recordings/{}", id(1)), "/nothing".into()] {
        let response = world.ask(&token, Method::GET, &path).await;
        let headers = response.headers();
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        assert!(headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().contains("frame-ancestors 'none'"));
        assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    }
    let metrics = prometheus::TextEncoder::new().encode_to_string(&world.registry.gather()).unwrap();
    for line in [
        r#"recorder_http_requests_total{code="200",route="/api/v1/recordings/{id}"} 1"#,
        r#"recorder_http_requests_total{code="404",route="other"} 1"#,
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
}
