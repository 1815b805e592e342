//! Reading, roles, refusals and the audit trail.

use super::*;

#[tokio::test]
async fn a_recording_has_the_shape_of_the_contract() {
    let world = World::with(&[archived(1)]).await;
    let token = world.token(Role::ComplianceOfficer);
    let (status, body) = world.get(&token, &format!("/recordings/{}", id(1))).await;
    assert_eq!(status, 200);
    assert_eq!(body["id"], id(1).to_string());
    assert_eq!((&body["record_id"], &body["state"]), (&"R1".into(), &"archived".into()));
    assert_eq!(body["started_at"], archived(1).started_at.to_string());
    assert_eq!(body["duration_ms"], 5_000);
    assert_eq!(body["parties"][1]["address"], "7001");
    assert_eq!(body["parties"][0]["tracks"], serde_json::json!([0]));
    let track = &body["tracks"][0];
    assert_eq!((&track["label"], &track["packets"], &track["lost"]), (&"0".into(), &250.into(), &3.into()));
    assert_eq!(track["gaps"], serde_json::json!([{ "from_ms": 1000, "to_ms": 2500, "cause": "paused" }]));
    assert_eq!(body["media"][0]["sha256"], "ab".repeat(32));
    assert!(body["media"][0].get("name").is_none(), "object names are not for outside");
    assert_eq!((&body["flags"][0], &body["warnings"][0]), (&"paused".into(), &"no_sip_src".into()));
    assert_eq!(body["user_data"]["customer"], "4711");
}

#[tokio::test]
async fn a_list_is_filtered_and_paged_newest_first() {
    let world = World::with(&[archived(1), archived(2), live(3)]).await;
    let token = world.token(Role::Auditor);
    let (_, first) = world.get(&token, "/recordings?limit=2").await;
    let ids = |page: &Value| {
        page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&first), [id(3).to_string(), id(2).to_string()]);
    let next = first["next"].as_str().expect("there is more");
    let (_, second) = world.get(&token, &format!("/recordings?limit=2&cursor={next}")).await;
    assert_eq!((ids(&second), second["next"].is_null()), (vec![id(1).to_string()], true));
    let (_, live) = world.get(&token, "/recordings?state=live&dn=7001").await;
    assert_eq!(ids(&live), [id(3).to_string()]);
}

#[tokio::test]
async fn a_bad_filter_is_a_problem_that_names_it() {
    let world = World::new();
    let token = world.token(Role::Auditor);
    for (query, name) in [("dnn=1", "dnn"), ("from=soon", "from"), ("limit=0", "limit"), ("state=x", "state")] {
        let response = world.ask(&token, Method::GET, &format!("/recordings?{query}")).await;
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        let (status, body) = json(response).await;
        assert_eq!((status.as_u16(), &body["parameter"], &body["status"]), (400, &name.into(), &400.into()), "{body}");
    }
    let (status, _) = world.get(&token, "/recordings?cursor=garbage").await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn nobody_and_an_unknown_token_get_401_and_stand_in_the_audit_trail() {
    let world = World::new();
    for token in ["", "rec_nonsense"] {
        let response = world.ask(token, Method::GET, "/recordings").await;
        assert_eq!(response.status(), 401);
        assert!(response.headers()[header::WWW_AUTHENTICATE].to_str().unwrap().starts_with("Bearer "));
    }
    let audit = world.last_audit();
    assert_eq!((audit.action.as_str(), audit.result, audit.actor.role), ("authenticate", AuditResult::Denied, None));
    assert_eq!(audit.source.as_deref(), Some("192.0.2.7"));
}

#[tokio::test]
async fn a_stranger_cannot_fill_the_ledger() {
    let world = World::new();
    let mut statuses = Vec::new();
    for _ in 0..limits::STRANGER_FAILURES + 5 {
        statuses.push(world.ask("", Method::GET, "/recordings").await.status().as_u16());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), limits::STRANGER_FAILURES as usize);
    assert_eq!(statuses.last(), Some(&429));
    assert_eq!(world.audited().len(), limits::STRANGER_FAILURES as usize);
    let token = world.token(Role::Auditor);
    assert_eq!(world.get(&token, "/recordings").await.0, 200, "whoever is known is still answered");
}

#[tokio::test]
async fn every_role_has_its_rights_and_a_missing_one_is_403_on_record() {
    let world = World::with(&[archived(1), live(2)]).await;
    let (one, two) = (format!("/recordings/{}", id(1)), format!("/recordings/{}", id(2)));
    let questions = [
        (
            Method::GET,
            "/recordings".to_owned(),
            "administrator compliance-officer supervisor auditor agent integration",
        ),
        (Method::GET, format!("{one}/peaks"), "compliance-officer supervisor agent"),
        (Method::GET, format!("{one}/audio"), "compliance-officer supervisor agent"),
        (Method::POST, format!("{two}/pause"), "supervisor integration"),
        (Method::POST, format!("{one}/hold"), "compliance-officer"),
        (Method::DELETE, one.clone(), "compliance-officer"),
        (Method::GET, "/audit".to_owned(), "administrator auditor"),
    ];
    for role in Role::ALL {
        let token = world.access.create_token_for(role, Some("7001"), None).unwrap().text;
        for (method, path, allowed) in &questions {
            let status = world.ask(&token, method.clone(), path).await.status();
            let is_allowed = allowed.split(' ').any(|name| name == role.name());
            let expected = if is_allowed { 200 } else { 403 };
            assert_eq!(status, expected, "{} {method} {path}", role.name());
            let audit = world.last_audit();
            let result = if is_allowed { AuditResult::Allowed } else { AuditResult::Denied };
            assert_eq!((audit.result, audit.actor.role), (result, Some(role)), "{} {method} {path}", role.name());
        }
    }
}

#[tokio::test]
async fn an_agent_sees_own_calls_only() {
    let other = RecordingView { parties: vec![party("7002", None, "agent", 0)], history: Vec::new(), ..archived(2) };
    let by_agent_id = RecordingView {
        parties: vec![party("7003", None, "agent", 0)],
        history: Vec::new(),
        correlation: SmallMap::from([("agentId".to_owned(), "7001".to_owned())]),
        ..archived(3)
    };
    let world = World::with(&[archived(1), other, by_agent_id]).await;
    let own = world.access.create_token_for(Role::Agent, Some("7001"), None).unwrap().text;
    let (_, page) = world.get(&own, "/recordings").await;
    let ids: Vec<_> = page["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
    assert_eq!(ids, [id(3).to_string(), id(1).to_string()]);
    let (_, page) = world.get(&own, "/recordings?limit=1").await;
    let (_, page) = world.get(&own, &format!("/recordings?limit=1&cursor={}", page["next"].as_str().unwrap())).await;
    assert_eq!((&page["items"][0]["id"], page["next"].is_null()), (&id(1).to_string().into(), true));
    let (_, page) = world.get(&own, "/recordings?dn=7002").await;
    assert!(page["items"].as_array().unwrap().is_empty(), "a filter does not widen the scope");
    for path in ["", "/audio", "/peaks"] {
        assert_eq!(world.get(&own, &format!("/recordings/{}{path}", id(2))).await.0, 404, "{path}");
        assert_eq!(world.last_audit().result, AuditResult::Denied);
    }
    let nameless = world.token(Role::Agent);
    let (_, page) = world.get(&nameless, "/recordings").await;
    assert!(page["items"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn nothing_is_answered_that_cannot_be_put_on_record() {
    let world = World::with(&[archived(1), live(2)]).await;
    let token = world.access.create_token_for(Role::ComplianceOfficer, None, None).unwrap().text;
    let auditor = world.token(Role::Auditor);
    world.ports.is_audit_broken.store(true, SeqCst);
    let one = format!("/recordings/{}", id(1));
    for (token, path) in [
        (&token, "/recordings".to_owned()),
        (&token, one.clone()),
        (&token, format!("{one}/audio")),
        (&token, format!("{one}/peaks")),
        (&auditor, "/audit".to_owned()),
        (&auditor, format!("{one}/audio")),
        (&String::new(), "/recordings".to_owned()),
    ] {
        let response = world.ask(token, Method::GET, &path).await;
        assert!(response.headers().contains_key(header::RETRY_AFTER), "{path}");
        let (status, body) = json(response).await;
        assert_eq!(status, 503, "{path}");
        assert!(!body.to_string().contains("7001"), "{path}: {body}");
    }
}

#[tokio::test]
async fn commands_reach_the_session_core_with_actor_and_reason() {
    let world = World::with(&[live(2)]).await;
    let token = world.token(Role::Supervisor);
    let path = format!("/recordings/{}", id(2));
    let response = world.send(request(&token, Method::POST, &format!("{path}/pause"), r#"{"reason":"card"}"#)).await;
    let (status, body) = json(response).await;
    assert_eq!((status.as_u16(), &body["paused"], &body["state"]), (200, &true.into(), &"live".into()));
    let (status, body) = json(world.ask(&token, Method::POST, &format!("{path}/stop")).await).await;
    assert_eq!((status.as_u16(), &body["state"]), (200, &"finalizing".into()));
    {
        let commands = world.ports.commands.lock().unwrap();
        assert_eq!(commands[0].kind, model::CommandKind::Pause);
        assert_eq!(commands[0].reason.as_deref(), Some("card"));
        assert_eq!((commands[0].actor.role, commands[1].reason.as_deref()), (Some(Role::Supervisor), None));
    }
    for (error, expected) in [
        (CommandError::NotLive, 409),
        (CommandError::Unknown, 404),
        (CommandError::NotProvisional, 409),
        (CommandError::Unavailable, 503),
    ] {
        *world.ports.command_error.lock().unwrap() = Some(error);
        let status = world.ask(&token, Method::POST, &format!("{path}/discard")).await.status();
        assert_eq!(status, expected, "{error:?}");
        assert_eq!(world.last_audit().result, AuditResult::Failed);
    }
}

#[tokio::test]
async fn a_call_is_controlled_by_its_name() {
    let world = World::with(&[live(2)]).await;
    let token = world.token(Role::Integration);
    for kind in model::CallControl::ALL {
        let path = format!("/calls/00ab_X/{}", kind.name());
        let (status, body) = json(world.send(request(&token, Method::POST, &path, r#"{"reason":"r"}"#)).await).await;
        let expected = serde_json::json!({ "call": "00ab_X", "command": kind.name() });
        assert_eq!((status.as_u16(), body), (202, expected));
        let last = world.ports.call_commands.lock().unwrap().last().cloned().unwrap();
        assert_eq!((last.kind, last.call.as_str(), last.actor.role), (kind, "00ab_X", Some(Role::Integration)));
        assert_eq!(world.last_audit().action, kind.name());
    }
    let auditor = world.token(Role::Auditor);
    let refused = world.ask(&auditor, Method::POST, "/calls/00ab_X/pause").await;
    assert_eq!(refused.status(), 403, "an auditor controls nothing");
    *world.ports.command_error.lock().unwrap() = Some(CommandError::Unknown);
    assert_eq!(world.ask(&token, Method::POST, "/calls/none/pause").await.status(), 404);
    let long = format!("/calls/{}/pause", "x".repeat(limits::CALL_NAME_OCTETS + 1));
    assert_eq!(world.ask(&token, Method::POST, &long).await.status(), 404);
    assert_eq!(world.ports.call_commands.lock().unwrap().len(), 6, "a name too long reaches nobody");
}

#[tokio::test]
async fn a_body_that_makes_no_sense_changes_nothing() {
    let world = World::with(&[live(2)]).await;
    let token = world.token(Role::Supervisor);
    let path = format!("/recordings/{}/pause", id(2));
    let long = format!(r#"{{"reason":"{}"}}"#, "x".repeat(limits::REASON_CHARS + 1));
    let huge = "x".repeat(limits::BODY_OCTETS + 1);
    for (body, expected) in [("nonsense", 400), (r#"{"reasons":"x"}"#, 400), (long.as_str(), 400), (&huge, 413)] {
        let response = world.send(request(&token, Method::POST, &path, body)).await;
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.status(), expected);
    }
    assert!(world.ports.commands.lock().unwrap().is_empty());
}

#[tokio::test]
async fn holds_and_destruction_go_through_the_port() {
    let world = World::with(&[archived(1)]).await;
    let token = world.token(Role::ComplianceOfficer);
    let path = format!("/recordings/{}", id(1));
    let (_, held) = json(world.ask(&token, Method::POST, &format!("{path}/hold")).await).await;
    let (_, released) = json(world.ask(&token, Method::DELETE, &format!("{path}/hold")).await).await;
    let (_, deleted) = json(world.ask(&token, Method::DELETE, &path).await).await;
    assert_eq!((&held["held"], &released["held"], &deleted["state"]), (&true.into(), &false.into(), &"deleted".into()));
    let marks: Vec<_> = world.ports.marks.lock().unwrap().iter().map(|(_, mark, _)| *mark).collect();
    assert_eq!(marks, [Mark::Hold, Mark::Release, Mark::Delete]);
    for (error, expected) in [(MarkError::Held, 409), (MarkError::Unknown, 404), (MarkError::NotReady, 409)] {
        *world.ports.mark_error.lock().unwrap() = Some(error);
        assert_eq!(world.ask(&token, Method::DELETE, &path).await.status(), expected);
    }
}

#[tokio::test]
async fn the_audit_trail_is_paged_and_reading_it_is_on_record() {
    let world = World::with(&[archived(1)]).await;
    let officer = world.token(Role::ComplianceOfficer);
    let auditor = world.token(Role::Auditor);
    world.get(&officer, "/recordings?q=secret").await;
    world.get(&officer, &format!("/recordings/{}", id(1))).await;
    let (_, first) = world.get(&auditor, "/audit?limit=1").await;
    assert_eq!(first["items"][0]["action"], "view");
    assert_eq!(first["items"][0]["recording"], id(1).to_string());
    let next = first["next"].as_str().unwrap();
    let (_, second) = world.get(&auditor, &format!("/audit?limit=1&cursor={next}")).await;
    assert_eq!(second["items"][0]["action"], "search");
    assert_eq!(second["items"][0]["detail"], "q=secret -> 0 items");
    assert_eq!(second["items"][0]["actor"]["role"], "compliance-officer");
    let (_, third) = world.get(&auditor, "/audit?limit=1").await;
    assert_eq!(third["items"][0]["action"], "audit");
    assert_eq!(world.get(&auditor, "/audit?cursor=x").await.0, 400);
}
