//! Between the orders of the session core and the commands of signaling: the same words in two crates that must not
//! know each other.

use model::{LineGrant, Order, RsId};
use signaling_core::event::{Command, DialogId, Grant};

/// The signaling command of an order, if it is one for signaling.
pub(crate) fn command(order: Order) -> Result<Command, Order> {
    Ok(match order {
        Order::Answer { session, lines } => {
            Command::Accept { dialog: dialog(session), lines: lines.into_iter().map(grant).collect() }
        }
        Order::Refuse { session, status, retry_after_s, warning } => {
            Command::Refuse { dialog: dialog(session), status, retry_after_s, warning }
        }
        Order::HangUp { session } => Command::HangUp { dialog: dialog(session) },
        Order::RequestSnapshot { session } => Command::RequestSnapshot { dialog: dialog(session) },
        Order::CheckPeer { session } => Command::CheckPeer { dialog: dialog(session) },
        other => return Err(other),
    })
}

fn dialog(session: RsId) -> DialogId {
    DialogId(session.0)
}

fn grant(line: LineGrant) -> Grant {
    match line {
        LineGrant::Reject => Grant::Reject,
        LineGrant::Accept { port, srtp } => {
            Grant::Accept { port, key_salt: srtp.map(|keys| keys.key_salt.reveal().to_vec()) }
        }
    }
}
