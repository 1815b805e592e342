//! The console: login, forms, pages.

use super::*;
use crate::caller::COOKIE;

const FORM: &str = "application/x-www-form-urlencoded";

pub(super) async fn browse(world: &World, cookie: &str, method: Method, path: &str, form: &str) -> Response {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "recorder.test")
        .header(header::ORIGIN, "https://recorder.test")
        .header(header::CONTENT_TYPE, FORM)
        .header(header::COOKIE, format!("other=1; {COOKIE}={cookie}"))
        .body(Body::from(form.to_owned()))
        .unwrap();
    world.send(request).await
}

/// A user of that role and the cookie of their session.
pub(super) async fn logged_in(world: &World, name: &str, role: Role) -> String {
    world.access.add_user(name, role, "correct horse").unwrap();
    let response = browse(world, "", Method::POST, "/login", &format!("user={name}&password=correct+horse")).await;
    assert_eq!((response.status().as_u16(), &response.headers()[header::LOCATION]), (303, &"/".parse().unwrap()));
    let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
    for part in ["; Secure", "; HttpOnly", "; SameSite=Strict", "; Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    cookie.split([';', '=']).nth(1).unwrap().to_owned()
}

/// The form token of a page.
pub(super) fn token_of(page: &str) -> String {
    page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn whoever_is_not_logged_in_is_sent_to_the_login_and_back() {
    let world = World::with(&[archived(1)]).await;
    world.access.add_user("ann", Role::Supervisor, "correct horse").unwrap();
    let path = format!("/recordings/{}", id(1));
    let response = browse(&world, "stale", Method::GET, &path, "").await;
    assert_eq!(response.status(), 303);
    let login = response.headers()[header::LOCATION].to_str().unwrap().to_owned();
    assert_eq!(login, format!("/login?next={}", id(1)));
    assert!(text(browse(&world, "", Method::GET, &login, "").await).await.contains(&id(1).to_string()));
    for (next, expected) in [(id(1).to_string(), path), ("https://evil.test/".into(), "/".into())] {
        let form = format!("user=ann&password=correct horse&next={next}");
        let response = browse(&world, "", Method::POST, "/login", &form).await;
        assert_eq!(response.headers()[header::LOCATION], expected.as_str());
    }
}

#[tokio::test]
async fn a_wrong_login_is_on_record_and_slows_down() {
    let world = World::new();
    world.access.add_user("ann", Role::Supervisor, "correct horse").unwrap();
    for _ in 0..limits::LOGIN_FAILURES {
        let response = browse(&world, "", Method::POST, "/login", "user=ann&password=wrong+horse").await;
        assert_eq!(response.status(), 401);
        assert!(!response.headers().contains_key(header::SET_COOKIE));
    }
    assert_eq!(world.last_audit().result, AuditResult::Denied);
    let response = browse(&world, "", Method::POST, "/login", "user=ann&password=correct+horse").await;
    assert_eq!(response.status(), 429, "even the right password waits");
}

#[tokio::test]
async fn a_login_from_another_site_is_refused() {
    let world = World::new();
    world.access.add_user("ann", Role::Supervisor, "correct horse").unwrap();
    let request = Request::post("/login")
        .header(header::HOST, "recorder.test")
        .header(header::ORIGIN, "https://evil.test")
        .body(Body::from("user=ann&password=correct+horse"))
        .unwrap();
    assert_eq!(world.send(request).await.status(), 403);
}

#[tokio::test]
async fn a_form_needs_the_token_of_its_session() {
    let world = World::with(&[live(2)]).await;
    let cookie = logged_in(&world, "ann", Role::Supervisor).await;
    let path = format!("/recordings/{}", id(2));
    let page = text(browse(&world, &cookie, Method::GET, &path, "").await).await;
    let token = token_of(&page);
    let pause = format!("{path}/pause");
    for form in ["", "csrf=", "csrf=wrong"] {
        assert_eq!(browse(&world, &cookie, Method::POST, &pause, form).await.status(), 403, "{form}");
    }
    assert!(world.ports.commands.lock().unwrap().is_empty());
    let response = browse(&world, &cookie, Method::POST, &pause, &format!("csrf={token}")).await;
    assert_eq!((response.status().as_u16(), &response.headers()[header::LOCATION]), (303, &path.parse().unwrap()));
    assert_eq!(world.ports.commands.lock().unwrap()[0].actor.id, "ann");
    assert_eq!(browse(&world, "", Method::POST, &pause, &format!("csrf={token}")).await.status(), 303, "to the login");
    assert_eq!(world.ports.commands.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn the_list_searches_and_links_and_shows_no_markup_of_strangers() {
    let world = World::with(&[archived(1), archived(2)]).await;
    let cookie = logged_in(&world, "ann", Role::Supervisor).await;
    let page = text(browse(&world, &cookie, Method::GET, "/?q=&number=&from=&to=&state=", "").await).await;
    let links: Vec<_> = [2, 1].iter().map(|number| page.find(&format!("/recordings/{}", id(*number)))).collect();
    assert!(links[0].is_some() && links[0] < links[1], "newest first");
    assert!(page.contains("Jürgen &lt;script&gt;") && !page.contains("<script>"), "{page}");
    let none = text(browse(&world, &cookie, Method::GET, "/?number=9999", "").await).await;
    assert!(none.contains("No recording matches"));
    let bad = browse(&world, &cookie, Method::GET, "/?from=soon", "").await;
    assert_eq!(bad.status(), 400);
    assert!(text(bad).await.contains("<h1>Bad parameter</h1>"));
}

#[tokio::test]
async fn the_page_of_a_recording_has_two_named_lanes_and_a_player() {
    let world = World::with(&[archived(1)]).await;
    let cookie = logged_in(&world, "ann", Role::Supervisor).await;
    let path = format!("/recordings/{}", id(1));
    let response = browse(&world, &cookie, Method::GET, &path, "").await;
    let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'self'") && !policy.contains("unsafe"), "{policy}");
    let page = text(response).await;
    assert_eq!(page.matches("<svg").count(), 2);
    assert_eq!(page.matches("class=\"sound\"").count(), 2);
    assert_eq!(page.matches("class=\"gap paused\"").count(), 1);
    assert!(page.contains("role=\"slider\"") && page.contains("aria-valuetext=\"0 seconds of "));
    assert!(page.contains("<span class=\"who\">7001</span>"));
    assert!(!page.contains(" style=") && !page.contains("onclick"), "nothing inline");
    for shown in ["call-1@192.0.2.10", "hung up", "Q.850;cause=16", "application/gtd", "joined <time"] {
        assert!(page.contains(shown), "{shown} is not shown");
    }
    let audio = format!("/api/v1/recordings/{}/audio?format=wav", id(1));
    assert!(page.contains(&audio));
    assert_eq!(
        browse(&world, &cookie, Method::GET, &audio, "").await.status(),
        200,
        "the cookie is good for listening"
    );
    let api = format!("/api/v1/recordings/{}/pause", id(1));
    assert_eq!(browse(&world, &cookie, Method::POST, &api, "").await.status(), 401, "and for nothing that changes");
    let actions: Vec<_> = world.audited().into_iter().map(|(action, _)| action).collect();
    assert_eq!(actions, ["login", "view", "peaks", "play", "authenticate"]);
}

#[tokio::test]
async fn whoever_may_not_listen_sees_no_player() {
    let world = World::with(&[archived(1)]).await;
    let cookie = logged_in(&world, "root", Role::Administrator).await;
    let page = text(browse(&world, &cookie, Method::GET, &format!("/recordings/{}", id(1)), "").await).await;
    assert!(page.contains("may not listen") && !page.contains("<audio") && !page.contains("<svg"));
}

#[tokio::test]
async fn logging_out_and_losing_access_both_end_the_session() {
    let world = World::new();
    let ann = logged_in(&world, "ann", Role::Supervisor).await;
    let bob = logged_in(&world, "bob", Role::Supervisor).await;
    let page = text(browse(&world, &ann, Method::GET, "/", "").await).await;
    let form = format!("csrf={}", token_of(&page));
    assert_eq!(browse(&world, &ann, Method::POST, "/logout", &form).await.status(), 303);
    assert_eq!(browse(&world, &ann, Method::GET, "/", "").await.status(), 303);
    assert_eq!(browse(&world, &bob, Method::GET, "/", "").await.status(), 200);
    world.access.disable_user("bob").unwrap();
    assert_eq!(browse(&world, &bob, Method::GET, "/", "").await.status(), 303);
}

#[tokio::test]
async fn assets_are_ours_and_nothing_else_is_there() {
    let world = World::new();
    for (name, kind) in [("console.css", "text/css"), ("player.js", "text/javascript"), ("icon.svg", "image/svg+xml")] {
        let response = browse(&world, "", Method::GET, &format!("/assets/{name}"), "").await;
        assert!(response.headers()[header::CONTENT_TYPE].to_str().unwrap().starts_with(kind));
        let body = text(response).await;
        assert!(!body.contains("//") || name == "player.js" || body.contains("www.w3.org/2000/svg"), "{name}");
    }
    for path in ["/assets/../Cargo.toml", "/nothing"] {
        let response = browse(&world, "", Method::GET, path, "").await;
        assert_eq!(response.status(), 404);
        assert!(text(response).await.contains("<h1>Not found</h1>"));
    }
}
