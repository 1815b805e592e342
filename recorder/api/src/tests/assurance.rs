//! Verdicts, annotations and call detail records: who may, what is refused, what goes on record.

use crypto::sign::Signer;
use model::{CallSeen, DayReported, Fact, IncidentNote, Personal};
use storage_core::assurance::{
    Book, Day, JudgedCall, Outcome, Report, Settings, SilentUser, Summary,
    cdr::{BadLine, Imported},
};

use super::*;
use crate::ports::{Assurance, AssuranceError, CallsAsked, SignedReport};

/// A book in which three calls of one day were not recorded, and which reported the day twice.
pub(super) fn book() -> Book {
    let mut book = Book::new(Settings { users: vec!["7009".into()], ..Settings::default() });
    for number in 0..3 {
        let started = START + number * 60_000;
        let call = CallSeen {
            call_uuid: Some(format!("U{number}")),
            dns: vec![Personal::new(format!("700{number}"))],
            started_at: Timestamp::from_millis(started),
            answered_at: Some(Timestamp::from_millis(started + 1_000)),
            ended_at: Some(Timestamp::from_millis(started + 30_000)),
            expectation: model::Expectation::Record,
            source: "tlib:0".into(),
            ..CallSeen::default()
        };
        book.apply(Timestamp::from_millis(started), &Fact::CallSeen(Box::new(call)));
    }
    let text = String::new;
    let reported = DayReported { day: day().to_string(), revision: 2, object: text(), sha256: text(), content: text() };
    book.apply(later(), &Fact::DayReported(Box::new(reported)));
    book
}

impl Ports {
    /// The book with what was said since.
    fn noted(&self) -> Book {
        let (mut book, notes) = (book(), self.notes.lock().unwrap());
        notes.iter().for_each(|note| book.apply(note.at, &Fact::IncidentAnnotated(Box::new(note.clone()))));
        drop(notes);
        book
    }
}

pub(super) fn day() -> Day {
    Day::of(Timestamp::from_millis(START))
}

pub(super) fn later() -> Timestamp {
    Timestamp::from_millis(START + 86_400_000)
}

impl Assurance for Ports {
    fn days(&self) -> BoxFuture<'_, Result<Vec<Summary>, AssuranceError>> {
        Box::pin(std::future::ready(Ok(vec![self.noted().judge(day(), later()).summary])))
    }

    fn day(&self, day: Day) -> BoxFuture<'_, Result<Outcome, AssuranceError>> {
        Box::pin(std::future::ready(Ok(self.noted().judge(day, later()))))
    }

    fn calls(&self, asked: CallsAsked) -> BoxFuture<'_, Result<Vec<JudgedCall>, AssuranceError>> {
        let CallsAsked { day, verdict, dn, after, limit } = asked;
        let fits = |call: &JudgedCall| dn.as_ref().is_none_or(|dn| call.dns.iter().any(|known| dn.fits(known)));
        let calls = self.noted().calls((day, later()), after, limit as usize, |found, call| {
            verdict.is_none_or(|verdict| verdict == found) && fits(call)
        });
        Box::pin(std::future::ready(Ok(calls)))
    }

    fn report(&self, day: Day) -> BoxFuture<'_, Result<SignedReport, AssuranceError>> {
        let document = Report::new(&book(), (day, later()), "a").sign(&Signer::from_seed([3; 32]));
        let answer = match book().reported(day) {
            Some((revision, _)) => Ok(SignedReport { revision, document }),
            None => Err(AssuranceError::Unknown("there is no report of that day yet".into())),
        };
        Box::pin(std::future::ready(answer))
    }

    fn silent(&self) -> BoxFuture<'_, Result<Vec<SilentUser>, AssuranceError>> {
        Box::pin(std::future::ready(Ok(book().silent(later()))))
    }

    fn annotate(&self, note: IncidentNote) -> BoxFuture<'_, Result<(), AssuranceError>> {
        let is_known = note.incident.parse().is_ok_and(|key| book().knows(key));
        self.notes.lock().unwrap().push(note);
        let answer = if is_known { Ok(()) } else { Err(AssuranceError::Unknown("no such incident".into())) };
        Box::pin(std::future::ready(answer))
    }

    fn import(&self, source: String, file: Vec<u8>, _: Actor) -> BoxFuture<'_, Result<Imported, AssuranceError>> {
        self.files.lock().unwrap().push((source.clone(), file.len()));
        let bad_lines = vec![BadLine { line: 2, reason: "x".into() }];
        let answer = match file.first() {
            Some(b'!') => Err(AssuranceError::Bad("not UTF-8".into())),
            _ => Ok(Imported { source, lines: 1, bad: 1, bad_lines, ..Imported::default() }),
        };
        Box::pin(std::future::ready(answer))
    }
}

#[tokio::test]
async fn calls_and_incidents_come_by_page_and_filter() {
    let world = World::new();
    let token = world.token(Role::ComplianceOfficer);
    let (status, body) = world.get(&token, &format!("/assurance/calls?day={}&limit=2", day())).await;
    assert_eq!((status.as_u16(), body["items"].as_array().unwrap().len()), (200, 2), "{body}");
    assert_eq!(
        (&body["items"][0]["verdict"], &body["items"][0]["severity"]),
        (&"not_recorded".into(), &"critical".into())
    );
    let next = body["next"].as_str().expect("more").to_owned();
    let (_, rest) = world.get(&token, &format!("/assurance/calls?day={}&limit=2&cursor={next}", day())).await;
    assert_eq!((&rest["items"][0]["call_uuid"], &rest["next"]), (&"U2".into(), &Value::Null));
    let (_, one) = world.get(&token, &format!("/assurance/calls?day={}&dn=*001&verdict=not_recorded", day())).await;
    assert_eq!((one["items"].as_array().unwrap().len(), &one["items"][0]["call_uuid"]), (1, &"U1".into()));
    let (_, none) = world.get(&token, &format!("/assurance/calls?day={}&verdict=compliant", day())).await;
    assert_eq!(none["items"], serde_json::json!([]));
    let (_, incidents) = world.get(&token, &format!("/assurance/incidents?day={}&annotated=false", day())).await;
    assert_eq!(incidents["items"].as_array().unwrap().len(), 3);
    let (_, one) = world.get(&token, &format!("/assurance/incidents?day={}&dn=7002&verdict=not_recorded", day())).await;
    assert_eq!((one["items"].as_array().unwrap().len(), &one["items"][0]["call_uuid"]), (1, &"U2".into()));
    let (_, none) = world.get(&token, &format!("/assurance/incidents?day={}&verdict=partial", day())).await;
    assert_eq!(none["items"], serde_json::json!([]));
    assert!(world.last_audit().action.starts_with("assurance-"));
}

#[tokio::test]
async fn days_and_silent_users_are_told() {
    let world = World::new();
    let token = world.token(Role::Auditor);
    let (_, days) = world.get(&token, "/assurance/days").await;
    assert_eq!((&days["items"][0]["verdicts"]["not_recorded"], &days["items"][0]["sli"]), (&3.into(), &0.0.into()));
    let (_, one) = world.get(&token, &format!("/assurance/days/{}", day())).await;
    assert_eq!((&one["incidents"], &one["dns"][0]["name"]), (&3.into(), &"7000".into()));
    assert_eq!(one["report"], 2);
    let (_, silent) = world.get(&token, "/assurance/silent").await;
    assert_eq!(silent["items"].as_array().unwrap().len(), 4, "{silent}");
}

#[tokio::test]
async fn questions_that_make_no_sense_are_refused_by_name() {
    let world = World::new();
    let token = world.token(Role::Supervisor);
    for (path, name) in [
        ("/assurance/calls", "`day`"),
        ("/assurance/calls?day=yesterday", "`day`"),
        ("/assurance/calls?day=2026-11-21&verdict=fine", "`verdict`"),
        ("/assurance/calls?day=2026-11-21&cursor=x", "`cursor`"),
        ("/assurance/incidents?day=2026-11-21&annotated=perhaps", "`annotated`"),
        ("/assurance/days?day=2026-11-21", "`day`"),
    ] {
        let (status, body) = world.get(&token, path).await;
        assert_eq!(status, 400, "{path}");
        assert!(body["detail"].as_str().unwrap().starts_with(name), "{path}: {body}");
    }
    assert_eq!(world.get(&token, "/assurance/days/never").await.0, 404);
}

#[tokio::test]
async fn an_annotation_needs_a_known_incident_a_cause_and_the_right() {
    let world = World::new();
    let token = world.token(Role::Supervisor);
    let calls = book().judge(day(), later()).incidents;
    let path = format!("/assurance/incidents/{}", calls[0].incident);
    let post = |token: String, path: String, body: &'static str| {
        let world = &world;
        async move { json(world.send(request(&token, Method::POST, &path, body)).await).await }
    };
    let (status, body) = post(token.clone(), path.clone(), r#"{"cause":"switch","note":"CTI was down"}"#).await;
    assert_eq!((status.as_u16(), &body["cause"]), (200, &"switch".into()), "{body}");
    assert_eq!(world.ports.notes.lock().unwrap()[0].cause, model::IncidentCause::Switch);
    assert_eq!(world.last_audit().action, "annotate");
    for (path, body, expected) in [
        (path.clone(), r#"{"cause":"weather"}"#, 400),
        (path.clone(), r#"{"note":"x"}"#, 400),
        (format!("/assurance/incidents/{}", "0".repeat(32)), r#"{"cause":"test"}"#, 404),
        ("/assurance/incidents/..%2f".into(), r#"{"cause":"test"}"#, 404),
    ] {
        assert_eq!(post(token.clone(), path.clone(), body).await.0, expected, "{path} {body}");
    }
    let auditor = world.token(Role::Auditor);
    assert_eq!(post(auditor, path, r#"{"cause":"test"}"#).await.0, 403);
    assert_eq!(world.last_audit().result, AuditResult::Denied);
}

#[tokio::test]
async fn a_file_is_brought_by_those_who_may_and_its_bad_lines_are_told() {
    let world = World::new();
    let token = world.token(Role::Integration);
    let file = "calluuid,start\n".repeat(40_000);
    let (status, body) = json(world.send(request(&token, Method::POST, "/cdrs?source=pbx", &file)).await).await;
    assert_eq!((status.as_u16(), &body["bad_lines"][0]["line"]), (200, &2.into()), "{body}");
    assert_eq!(*world.ports.files.lock().unwrap(), [("pbx".to_owned(), file.len())], "larger than other bodies may be");
    assert_eq!(world.last_audit().action, "import-cdrs");
    assert_eq!(json(world.send(request(&token, Method::POST, "/cdrs", "!")).await).await.0, 400);
    let supervisor = world.token(Role::Supervisor);
    assert_eq!(json(world.send(request(&supervisor, Method::POST, "/cdrs", &file)).await).await.0, 403);
    assert_eq!(world.ports.files.lock().unwrap().len(), 2, "who may not was not heard");
    let mut huge = request(&token, Method::POST, "/cdrs", "");
    let claim = (limits::CDR_OCTETS + 1).to_string();
    huge.headers_mut().insert(header::CONTENT_LENGTH, claim.parse().unwrap());
    assert_eq!(json(world.send(huge).await).await.0, 413);
}

#[tokio::test]
async fn the_signed_report_comes_as_it_was_signed_to_those_who_may_see_it() {
    let world = World::new();
    let token = world.token(Role::Auditor);
    let path = format!("/assurance/days/{}/report", day());
    let response = world.ask(&token, Method::GET, &path).await;
    assert_eq!(response.status(), 200);
    let name = format!("attachment; filename=\"assurance-{}-report-2.json\"", day());
    assert_eq!(response.headers()[header::CONTENT_DISPOSITION], name.as_str());
    let signer = Signer::from_seed([3; 32]);
    let document = octets(response).await;
    let (told, _) = Report::verify(&document, Some(&signer.public_hex())).expect("as it was signed");
    assert_eq!((told, world.last_audit().action.as_str()), (day().to_string(), "assurance-report"));
    assert_eq!(world.get(&token, "/assurance/days/2020-01-01/report").await.0, 404);
    assert_eq!(world.last_audit().result, AuditResult::Failed);
    let agent = world.token(Role::Agent);
    assert_eq!(world.get(&agent, &path).await.0, 403);
}
