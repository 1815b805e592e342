//! What happens in the middle of a call: pause, resume, re-INVITE, UPDATE, each at its time on the call's timeline.

use std::time::Duration;

use signaling_core::sdp::Direction;
use tokio::{sync::mpsc, time::sleep_until};

use super::{
    Call, CallError, Wish,
    spec::{CallSpec, Profile},
};
use crate::stream::line::Gate;

/// What is told of a dialog that the recorder has ended.
pub(crate) const ENDED_BY_RECORDER: &str = "ended by the recorder";

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Action {
    /// Stop sending, then offer `inactive`: nothing of the paused span leaves, however late the answer is.
    Pause,
    /// Offer `sendonly`, then send again.
    Resume,
    /// The offer once more, unchanged (RFC 3264 8: same version).
    Reinvite,
    /// Metadata, or for Genesys the unchanged offer, in an UPDATE.
    Update,
    /// The sound is over.
    End,
}

/// Everything to do, in order. What would come after the end is left out, except that a pause never outlives the call.
pub(crate) fn script(spec: &CallSpec, end: Duration) -> Vec<(Duration, Action)> {
    let mut script = vec![(end, Action::End)];
    if let Some(pause) = spec.pause {
        script.push((pause.at, Action::Pause));
        script.push((pause.at + pause.length, Action::Resume));
    }
    script.extend(spec.reinvite_at.map(|at| (at, Action::Reinvite)));
    script.extend(spec.update_at.map(|at| (at, Action::Update)));
    script.retain(|(at, action)| *at < end || *action == Action::End);
    script.sort();
    script
}

impl Call {
    /// Does what is to be done at its time; returns when the sound is over, or when the recorder has ended every leg.
    pub(super) async fn follow_script(&mut self, mut wishes: mpsc::Receiver<Wish>) -> Result<(), CallError> {
        let schedule = self.schedule();
        let start = schedule.due(0);
        let end = schedule.due(schedule.packets(self.spec.duration)) - start;
        let (mut ended, mut snapshots) = (self.watch_ends(), self.watch_snapshots());
        let mut up = self.legs.len();
        for (at, action) in script(&self.spec, end) {
            loop {
                tokio::select! {
                    () = sleep_until((start + at).into()) => break,
                    Some(wish) = wishes.recv() => if !self.fulfil(wish).await {
                        return Ok(());
                    },
                    Some(leg) = snapshots.recv() => self.tell_snapshot(leg).await,
                    Some(leg) = ended.recv() => {
                        self.problems.push(format!("dialog {}: {ENDED_BY_RECORDER}", leg + 1));
                        self.legs[leg].gate.send_replace(Gate::Closed);
                        up -= 1;
                        if up == 0 {
                            return Ok(());
                        }
                    }
                }
            }
            self.act(action).await;
        }
        Ok(())
    }

    fn watch_ends(&self) -> mpsc::Receiver<usize> {
        let (tell, ended) = mpsc::channel(self.legs.len().max(1));
        for (index, leg) in self.legs.iter().enumerate() {
            let (end, tell) = (leg.session.dialog.end(), tell.clone());
            tokio::spawn(async move {
                if end.await {
                    // Nobody listens any more once the script is over.
                    let _ = tell.send(index).await;
                }
            });
        }
        ended
    }

    /// The dialogs that are asked for a snapshot, each time.
    fn watch_snapshots(&self) -> mpsc::Receiver<usize> {
        let (tell, asked) = mpsc::channel(self.legs.len().max(1));
        for (index, leg) in self.legs.iter().enumerate() {
            let (mut snapshots, tell) = (leg.session.dialog.snapshots(), tell.clone());
            tokio::spawn(async move {
                // What was asked for before anybody looked counts, too.
                if *snapshots.borrow() > 0 {
                    snapshots.mark_changed();
                }
                while snapshots.changed().await.is_ok() && tell.send(index).await.is_ok() {}
            });
        }
        asked
    }

    /// A whole snapshot, at once and in a request of its own (RFC 7866 9.2). Genesys has no metadata to be asked for.
    async fn tell_snapshot(&mut self, index: usize) {
        if self.spec.profile == Profile::Rfc7866
            && let Err(cause) = self.act_on(index, Action::Update).await
        {
            self.problems.push(format!("dialog {}: snapshot: {cause}", index + 1));
        }
    }

    async fn act(&mut self, action: Action) {
        for index in 0..self.legs.len() {
            if *self.legs[index].gate.borrow() == Gate::Closed {
                continue;
            }
            if let Err(cause) = self.act_on(index, action).await {
                self.problems.push(format!("dialog {}: {action:?}: {cause}", index + 1));
            }
        }
    }

    async fn act_on(&mut self, index: usize, action: Action) -> Result<(), CallError> {
        let leg = &mut self.legs[index];
        match action {
            Action::Pause => {
                leg.gate.send_replace(Gate::Paused);
                leg.session.turn(Direction::Inactive).await
            }
            Action::Resume => {
                leg.session.turn(Direction::SendOnly).await?;
                leg.gate.send_replace(Gate::Open);
                Ok(())
            }
            Action::Reinvite => leg.session.refresh().await,
            Action::Update => leg.session.update(&self.spec).await,
            Action::End => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::spec::Pause;

    #[test]
    fn the_script_is_in_order_and_nothing_comes_after_the_end() {
        let second = Duration::from_secs;
        let spec = CallSpec {
            pause: Some(Pause { at: second(2), length: second(1) }),
            reinvite_at: Some(second(1)),
            update_at: Some(second(9)),
            ..CallSpec::new("h".parse().unwrap())
        };
        assert_eq!(
            script(&spec, second(5)),
            [
                (second(1), Action::Reinvite),
                (second(2), Action::Pause),
                (second(3), Action::Resume),
                (second(5), Action::End),
            ]
        );
    }
}
