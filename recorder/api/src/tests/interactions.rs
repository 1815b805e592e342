//! Consolidated documents and deliveries over the API.

use super::*;

fn of_one_call(numbers: &[u8]) -> Vec<RecordingView> {
    let view = |number: &u8| RecordingView { call_uuid: Some("0abc".into()), ..archived(*number) };
    numbers.iter().map(view).collect()
}

#[tokio::test]
async fn an_interaction_has_all_its_recordings_in_any_spelling_and_is_on_record() {
    let world = World::with(&of_one_call(&[1, 2])).await;
    let token = world.token(Role::Auditor);
    let (status, document) = world.get(&token, "/interactions/0aBc").await;
    assert_eq!(status, 200, "{document}");
    assert_eq!((&document["interaction"], &document["revision"]), (&"0ABC".into(), &2.into()));
    let ids: Vec<_> = document["recordings"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
    assert_eq!(ids, [id(1).to_string(), id(2).to_string()]);
    let audit = world.last_audit();
    assert_eq!((audit.action.as_str(), audit.result), ("view", AuditResult::Allowed));
    let detail = audit.detail.expect("which recordings").reveal().clone();
    assert!(detail.contains(&id(1).to_string()) && detail.contains(&id(2).to_string()), "{detail}");
    for unknown in ["/interactions/0abcd", "/interactions/%2A", "/interactions/a%00b"] {
        assert_eq!(world.get(&token, unknown).await.0, 404, "{unknown}");
    }
}

#[tokio::test]
async fn an_agent_sees_of_an_interaction_only_own_recordings() {
    let mut views = of_one_call(&[1, 2]);
    views[1].parties = vec![party("7002", None, "agent", 0)];
    views[1].history.clear();
    let world = World::with(&views).await;
    let own = world.access.create_token_for(Role::Agent, Some("7002"), None).unwrap().text;
    let (_, document) = world.get(&own, "/interactions/0abc").await;
    assert_eq!(document["recordings"].as_array().map(Vec::len), Some(1));
    assert!(!document.to_string().contains("7001"), "nothing of the other call: {document}");
    let other = world.access.create_token_for(Role::Agent, Some("7009"), None).unwrap().text;
    assert_eq!(world.get(&other, "/interactions/0abc").await.0, 404);
    assert_eq!(world.last_audit().result, AuditResult::Denied);
}

#[tokio::test]
async fn deliveries_are_seen_by_administrators_and_auditors_and_retried_by_administrators() {
    let world = World::new();
    for role in Role::ALL {
        let token = world.token(role);
        let may_see = matches!(role, Role::Administrator | Role::Auditor);
        for path in ["/delivery", "/delivery/dead"] {
            assert_eq!(world.get(&token, path).await.0, if may_see { 200 } else { 403 }, "{} {path}", role.name());
        }
        let status = world.ask(&token, Method::POST, "/delivery/retry").await.status();
        assert_eq!(status, if role == Role::Administrator { 200 } else { 403 }, "{}", role.name());
    }
    assert_eq!(*world.ports.retries.lock().unwrap(), [(None, None)]);
}

#[tokio::test]
async fn dead_letters_come_in_pages_and_one_can_be_retried() {
    let world = World::new();
    let token = world.token(Role::Administrator);
    let (_, page) = world.get(&token, "/delivery/dead?limit=2").await;
    assert_eq!((page["items"].as_array().map(Vec::len), &page["next"]), (Some(2), &"2".into()));
    assert_eq!(page["items"][0]["error"], "status 422");
    let (_, page) = world.get(&token, "/delivery/dead?limit=2&cursor=2").await;
    assert_eq!((page["items"].as_array().map(Vec::len), page["next"].is_null()), (Some(1), true));
    assert_eq!(world.get(&token, "/delivery/dead?cursor=x").await.0, 400);
    for (body, expected) in [
        (r#"{"subscriber":"lake","number":2}"#, 200),
        (r#"{"subscriber":"nobody"}"#, 404),
        (r#"{"subscribers":"lake"}"#, 400),
    ] {
        let status = world.send(request(&token, Method::POST, "/delivery/retry", body)).await.status();
        assert_eq!(status, expected, "{body}");
    }
    assert_eq!(*world.ports.retries.lock().unwrap(), [(Some("lake".into()), Some(2))]);
}

#[test]
fn the_description_has_the_schema_of_the_document() {
    let description: Value = serde_json::from_str(include_str!("../../assets/openapi.json")).unwrap();
    let mut schema: Value = serde_json::from_str(storage_core::interaction::SCHEMA).unwrap();
    schema.as_object_mut().unwrap().retain(|key, _| !key.starts_with('$'));
    assert_eq!(description["components"]["schemas"]["Interaction"], schema);
}
