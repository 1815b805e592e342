//! A dialog that outlives the process: what of it is written down, and how it goes on from there.
//!
//! What is lost with the process: open transactions (the peer repeats or gives up), an offer that was not answered, and
//! the connection of a stream transport. What was said since the state was written changes little, so nothing has to be
//! written for it: requests of ours since then are covered by a leap of our CSeq, those of the peer carry higher ones
//! anyway (RFC 3261 12.2.1.1 asks for rising numbers, not for consecutive ones), and the session timer begins anew.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::{
    Endpoint,
    dialog::{Agreed, Dialog, Phase},
};
use crate::{
    event::{DialogId, Grant, Transport},
    flow::Flow,
    limits,
    negotiate::{self, Policy},
    sdp::SessionDescription,
    session_timer::SessionTimer,
    sip::{NameAddr, typed},
};

/// A dialog as it is written down. It holds keys, names and numbers: it belongs into a sealed file, and has no `Debug`.
#[derive(Clone, Serialize, Deserialize)]
pub struct DialogState {
    /// Its handle, before and after.
    pub dialog: DialogId,
    /// The way its last request came.
    pub flow: Flow,
    call_id: String,
    local_tag: String,
    remote_tag: String,
    local: String,
    remote: String,
    target: String,
    routes: Vec<String>,
    local_seq: u32,
    remote_seq: u32,
    contact: String,
    sent_by: String,
    /// Name of the profile.
    #[serde(default)]
    profile: String,
    agreed: Option<(SessionDescription, Vec<Grant>)>,
    local_sdp: negotiate::LocalSession,
    timer: Option<Timer>,
    has_asked_snapshot: bool,
}

/// The agreement about the session timer; when it runs out is counted anew.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Timer {
    interval_s: u32,
    is_ours: bool,
    is_announced: bool,
}

impl DialogState {
    /// Where our requests go when the connection is gone: the first route, else the Contact, if it names an address.
    /// `None` for a name: the peer has to come to us.
    pub fn way_back(&self) -> Option<SocketAddr> {
        let first = self.routes.first().and_then(|route| NameAddr::parse(route)).map(|route| route.uri);
        address(first.as_deref().unwrap_or(&self.target), self.flow.transport)
    }
}

#[cfg(test)]
impl DialogState {
    pub(super) fn retarget(&mut self, target: &str, route: Option<&str>) {
        target.clone_into(&mut self.target);
        self.routes = route.map(str::to_owned).into_iter().collect();
    }
}

/// The address and port of a SIP URI whose host is an address.
fn address(uri: &str, transport: Transport) -> Option<SocketAddr> {
    let (_, rest) = uri.split_once(':')?;
    let host = rest.split(['?', ';']).next()?.rsplit('@').next()?;
    let port = if transport == Transport::Tls { 5061 } else { 5060 };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.parse().ok().or_else(|| bare.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, port)))
}

impl Endpoint {
    /// The next dialog whose state is to be written down anew: drain until `None`, like transmits. A dialog that ended
    /// meanwhile is left out.
    pub fn changed(&mut self) -> Option<DialogState> {
        while let Some(id) = self.changed.pop() {
            if let Some(dialog) = self.dialogs.get(&id).filter(|dialog| dialog.phase != Phase::Offered) {
                return Some(state_of(dialog));
            }
        }
        None
    }

    /// What a dialog says in its state has changed.
    pub(super) fn note_changed(&mut self, id: DialogId) {
        // A burst that nobody fetches is a shell that keeps no states.
        if self.changed.len() < limits::DIALOGS && self.changed.last() != Some(&id) {
            self.changed.push(id);
        }
    }

    /// Takes a dialog up where its state left it; `flow` is the way that our requests may go now. False when the handle or
    /// the tag is in use already. Handles of new dialogs are above all restored ones.
    pub fn restore(&mut self, state: DialogState, flow: Flow, now: std::time::Instant) -> bool {
        let id = state.dialog;
        if self.dialogs.contains_key(&id) || self.tags.contains_key(&state.local_tag) {
            return false;
        }
        let is_secure = flow.transport == Transport::Tls;
        let profile = self.config.peers.again(&state.profile);
        let agreed = state.agreed.and_then(|(sdp, grants)| {
            // A line for which we have a key is SRTP, whatever it is called.
            let has_key = |grant: &Grant| matches!(grant, Grant::Accept { key_salt: Some(_), .. });
            let base = self.policy(&profile);
            let policy = Policy { best_effort_srtp: base.best_effort_srtp || grants.iter().any(has_key), ..base };
            let offer = negotiate::offer(&sdp, &policy, is_secure, None, &mut Vec::new()).ok()?;
            Some(Agreed::new(&sdp, offer, grants))
        });
        let timer =
            state.timer.map(|timer| SessionTimer::new(timer.interval_s, timer.is_ours, timer.is_announced, now));
        let is_usable = typed::is_request_uri(&state.target);
        let dialog = Dialog {
            id,
            phase: Phase::Established,
            call_id: state.call_id,
            local_tag: state.local_tag,
            remote_tag: state.remote_tag,
            local: state.local,
            remote: state.remote,
            target: if is_usable { state.target } else { format!("sip:{}", flow.remote) },
            routes: state.routes,
            local_seq: state.local_seq.saturating_add(limits::RESTORED_CSEQ_LEAP),
            remote_seq: state.remote_seq,
            flow,
            contact: state.contact,
            sent_by: state.sent_by,
            profile,
            open: None,
            unacked: None,
            agreed,
            local_sdp: state.local_sdp,
            timer,
            has_asked_snapshot: state.has_asked_snapshot,
            wants_hangup: false,
            is_asked: false,
            replaces: None,
            is_unheard: true,
            awaits_answer: false,
        };
        self.next_dialog = self.next_dialog.max(id.0);
        self.tags.insert(dialog.local_tag.clone(), id);
        self.dialogs.insert(id, Box::new(dialog));
        self.reschedule(id);
        true
    }
}

fn state_of(dialog: &Dialog) -> DialogState {
    DialogState {
        dialog: dialog.id,
        flow: dialog.flow.clone(),
        call_id: dialog.call_id.clone(),
        local_tag: dialog.local_tag.clone(),
        remote_tag: dialog.remote_tag.clone(),
        local: dialog.local.clone(),
        remote: dialog.remote.clone(),
        target: dialog.target.clone(),
        routes: dialog.routes.clone(),
        local_seq: dialog.local_seq,
        remote_seq: dialog.remote_seq,
        contact: dialog.contact.clone(),
        sent_by: dialog.sent_by.clone(),
        profile: dialog.profile.name.clone(),
        agreed: dialog.agreed.as_ref().map(|agreed| (agreed.sdp.open(), agreed.grants.clone())),
        local_sdp: dialog.local_sdp.clone(),
        timer: dialog.timer.map(|timer| Timer {
            interval_s: timer.interval_s,
            is_ours: timer.is_ours,
            is_announced: timer.is_announced,
        }),
        has_asked_snapshot: dialog.has_asked_snapshot,
    }
}
