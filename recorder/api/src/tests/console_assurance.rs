//! The console's pages of assurance: what they show to whom, what a form may say, and what goes on record.

use super::{
    assurance::{book, day, later},
    console::{browse, logged_in, token_of},
    *,
};

async fn page(world: &World, cookie: &str, path: &str) -> (u16, String) {
    let response = browse(world, cookie, Method::GET, path, "").await;
    (response.status().as_u16(), text(response).await)
}

fn incident(number: usize) -> String {
    format!("/assurance/{}/{}", day(), book().judge(day(), later()).incidents[number].incident)
}

/// Rows of the list of calls.
fn rows(page: &str) -> usize {
    page.matches("<code>U").count()
}

#[tokio::test]
async fn the_days_show_their_share_and_who_is_silent() {
    let world = World::new();
    let cookie = logged_in(&world, "ann", Role::ComplianceOfficer).await;
    let (status, page) = page(&world, &cookie, "/assurance").await;
    assert_eq!(status, 200);
    let link = format!("<a href=\"/assurance/{}\">", day());
    let one = "?verdict=not_recorded#incidents\"><span class=\"badge not_recorded\">3 Not recorded";
    for shown in [link.as_str(), "0.00 %", one, "<td>7009</td>", "never", "aria-current=\"page\">Assurance"] {
        assert!(page.contains(shown), "{shown} is not shown: {page}");
    }
    assert!(!page.contains(" style=") && !page.contains("onclick"), "nothing inline");
    assert_eq!(world.last_audit().action, "assurance-silent");
}

#[tokio::test]
async fn a_day_shows_verdicts_shares_and_incidents_by_filter() {
    let world = World::new();
    let cookie = logged_in(&world, "ann", Role::Supervisor).await;
    let path = format!("/assurance/{}", day());
    let (status, whole) = page(&world, &cookie, &path).await;
    assert_eq!((status, rows(&whole)), (200, 3), "{whole}");
    let report = format!("/api/v1/assurance/days/{}/report", day());
    for shown in
        ["Intentionally not recorded", "By node", "<td>recorder</td>", "<td>7002</td>", "revision 2", report.as_str()]
    {
        assert!(whole.contains(shown), "{shown} is not shown: {whole}");
    }
    for (filter, expected) in [
        ("verdict=not_recorded&number=&said=", 3),
        ("number=*001", 1),
        ("said=yes", 0),
        ("said=no", 3),
        ("verdict=partial", 0),
        ("verdict=compliant", 0),
        ("number=9999", 0),
    ] {
        let (status, page) = page(&world, &cookie, &format!("{path}?{filter}")).await;
        assert_eq!((status, rows(&page)), (200, expected), "{filter}");
        assert_eq!(page.contains("No call matches"), expected == 0, "{filter}");
    }
    for (filter, name) in [
        ("verdict=fine", "`verdict`"),
        ("said=perhaps", "`said`"),
        ("verdict=excluded&said=no", "`said`"),
        ("x=1", "`x`"),
    ] {
        let (status, page) = page(&world, &cookie, &format!("{path}?{filter}")).await;
        assert!(status == 400 && page.contains(name), "{filter}: {page}");
    }
    let (_, empty) = page(&world, &cookie, "/assurance/2020-01-01").await;
    for told in ["no call was to be recorded", "No incident: nothing of this day", "There is no report of this day yet"]
    {
        assert!(empty.contains(told), "{told}: {empty}");
    }
    assert_eq!(page(&world, &cookie, "/assurance/yesterday").await.0, 404);
}

#[tokio::test]
async fn a_cause_is_put_on_record_once_the_form_is_ours_and_makes_sense() {
    let world = World::new();
    let cookie = logged_in(&world, "ann", Role::ComplianceOfficer).await;
    let path = incident(1);
    let (status, before) = page(&world, &cookie, &path).await;
    assert_eq!(status, 200);
    for shown in ["7001", "<dd>U1</dd>", "there is no recording", "Nobody has said yet", "to record it", "tlib:0"] {
        assert!(before.contains(shown), "{shown} is not shown: {before}");
    }
    let token = token_of(&before);
    let long = "x".repeat(limits::REASON_CHARS + 1);
    for (form, expected) in [
        ("cause=switch".to_owned(), 403),
        (format!("csrf={token}"), 400),
        (format!("csrf={token}&cause=weather"), 400),
        (format!("csrf={token}&cause=switch&note={long}"), 400),
    ] {
        assert_eq!(browse(&world, &cookie, Method::POST, &path, &form).await.status(), expected, "{form}");
    }
    assert!(world.ports.notes.lock().unwrap().is_empty());
    let form = format!("csrf={token}&cause=network&note=fibre+cut%0D%0A%3Cb%3E");
    let response = browse(&world, &cookie, Method::POST, &path, &form).await;
    assert_eq!((response.status().as_u16(), &response.headers()[header::LOCATION]), (303, &path.parse().unwrap()));
    let note = world.ports.notes.lock().unwrap()[0].clone();
    assert_eq!((note.by.id.as_str(), note.cause, note.incident.len()), ("ann", model::IncidentCause::Network, 32));
    assert_eq!(world.last_audit().action, "annotate");
    let (_, after) = page(&world, &cookie, &path).await;
    assert!(after.contains("The network in between failed") && after.contains("fibre cut\n&lt;b&gt;"), "{after}");
    let (_, list) = page(&world, &cookie, &format!("/assurance/{}?said=yes", day())).await;
    assert_eq!(rows(&list), 1);
    let unknown = format!("/assurance/{}/{}", day(), "0".repeat(32));
    assert_eq!(page(&world, &cookie, &unknown).await.0, 404);
    assert_eq!(page(&world, &cookie, &format!("/assurance/{}/x", day())).await.0, 404);
}

#[tokio::test]
async fn who_may_only_look_gets_no_form_and_an_agent_gets_nothing() {
    let world = World::new();
    let auditor = logged_in(&world, "aud", Role::Auditor).await;
    let (_, shown) = page(&world, &auditor, &incident(0)).await;
    assert!(shown.contains("may look, and not say") && !shown.contains("<textarea"), "{shown}");
    let form = format!("csrf={}&cause=test", token_of(&shown));
    assert_eq!(browse(&world, &auditor, Method::POST, &incident(0), &form).await.status(), 403);
    assert_eq!(world.last_audit().result, AuditResult::Denied);
    let agent = logged_in(&world, "7001", Role::Agent).await;
    let (_, list) = page(&world, &agent, "/").await;
    assert!(!list.contains("href=\"/assurance\""), "no way where nobody lets them: {list}");
    for path in ["/assurance".to_owned(), format!("/assurance/{}", day()), incident(0)] {
        assert_eq!(page(&world, &agent, &path).await.0, 403, "{path}");
        assert_eq!(world.last_audit().result, AuditResult::Denied);
    }
}

#[tokio::test]
async fn the_login_leads_back_to_the_day() {
    let world = World::new();
    world.access.add_user("ann", Role::Supervisor, "correct horse").unwrap();
    let response = browse(&world, "", Method::GET, &incident(0), "").await;
    assert_eq!(response.headers()[header::LOCATION], format!("/login?next={}", day()).as_str());
    let form = format!("user=ann&password=correct horse&next={}", day());
    let response = browse(&world, "", Method::POST, "/login", &form).await;
    assert_eq!(response.headers()[header::LOCATION], format!("/assurance/{}", day()).as_str());
}
