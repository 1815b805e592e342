//! Recording control that is asked for by REST, and what its answers mean.

use serde_json::{Value, json};

use super::{Answer, Api, Client, NotSent};
use crate::{
    gws::limits,
    tlib::event::{CtiEvent, Outcome, RecordControl},
};

/// A request for control without an answer.
#[derive(Debug)]
pub(super) struct Open {
    what: RecordControl,
    call: String,
}

impl Client {
    /// Asks for recording control of the call with this ConnID; the answer is a [`CtiEvent::Answered`] with the number that
    /// is given back here.
    ///
    /// # Errors
    /// See [`NotSent`]: a call that was not told of, or is over, is not watched.
    pub fn request(&mut self, what: RecordControl, conn_id: &str) -> Result<u64, NotSent> {
        if !self.is_up {
            return Err(NotSent::LinkDown);
        }
        if self.requests.len() >= limits::OPEN_REQUESTS {
            return Err(NotSent::TooMany);
        }
        let call = self.calls.by_conn_id(conn_id).ok_or(NotSent::NotWatched)?.to_owned();
        if what == RecordControl::Start
            && let Some(known) = self.calls.get_mut(&call)
        {
            known.is_start_asked = true;
        }
        let (path, body) = match self.config.api {
            Api::V2 => (format!("/api/v2/me/calls/{call}"), json!({ "operationName": operation(what) }).to_string()),
            Api::V3 => (format!("/workspace/v3/voice/calls/{call}/{}", action(what)), "{}".to_owned()),
        };
        let number = self.post(path, body, limits::ANSWER, false);
        self.requests.insert(number, Open { what, call });
        Ok(number)
    }

    pub(super) fn request_answered(&mut self, number: u64, answer: Result<Answer, &'static str>) {
        let Some(Open { what, call }) = self.requests.remove(&number) else { return };
        let outcome = answer.map_or(Outcome::Unanswered, |answer| outcome(self.config.api, &answer));
        if what == RecordControl::Start
            && outcome != Outcome::Accepted
            && let Some(known) = self.calls.get_mut(&call)
        {
            known.is_start_asked = false;
        }
        self.tell(CtiEvent::Answered { link: self.config.link, reference: number, outcome });
    }
}

/// `statusCode` 0 is yes. The newer interface is not documented to say it: there a success of HTTP is yes as well.
fn outcome(api: Api, answer: &Answer) -> Outcome {
    if !(200..=299).contains(&answer.status) {
        return Outcome::Refused { code: Some(u32::from(answer.status)) };
    }
    let said: Option<Value> = Some(&answer.body)
        .filter(|body| body.len() <= limits::BODY_OCTETS)
        .and_then(|body| serde_json::from_slice(body).ok());
    let code = said.as_ref().and_then(|said| said.get("statusCode")).and_then(Value::as_u64);
    match code {
        Some(0) => Outcome::Accepted,
        None if api == Api::V3 => Outcome::Accepted,
        code => Outcome::Refused { code: code.and_then(|code| u32::try_from(code).ok()) },
    }
}

const fn operation(what: RecordControl) -> &'static str {
    match what {
        RecordControl::Start => "StartCallRecording",
        RecordControl::Stop => "StopCallRecording",
        RecordControl::Pause => "PauseCallRecording",
        RecordControl::Resume => "ResumeCallRecording",
    }
}

const fn action(what: RecordControl) -> &'static str {
    match what {
        RecordControl::Start => "start-recording",
        RecordControl::Stop => "stop-recording",
        RecordControl::Pause => "pause-recording",
        RecordControl::Resume => "resume-recording",
    }
}
