//! The two-lane waveform: archived peaks as SVG, one lane per channel, gaps marked, a slider for eyes, pointers and
//! keyboards.

use maud::{Markup, html};
use media::peaks::Peaks;
use model::GapCause;
use storage_core::view::{RecordingView, TrackView};

use super::{
    list::shown,
    page::{clock, spoken},
};
use crate::shape;

/// The lanes of a recording; a note instead of them when the peaks cannot be read.
pub(super) fn lanes(view: &RecordingView, octets: &[u8]) -> Markup {
    let Ok(peaks) = serde_json::from_slice::<Peaks>(octets) else {
        return html! { p.notice { "The waveform cannot be read." } };
    };
    let length_ms = (peaks.points.len() as u64).saturating_mul(peaks.ms_per_point).max(1);
    let channels = peaks.points.iter().map(Vec::len).max().unwrap_or(0).min(LANES);
    html! {
        div.waveform #waveform role="slider" tabindex="0" aria-label="Position in the recording" aria-valuemin="0"
            aria-valuemax=(length_ms.div_ceil(1000)) aria-valuenow="0"
            aria-valuetext={ "0 seconds of " (spoken(length_ms)) } data-length-ms=(length_ms) {
            @for channel in 0..channels {
                @let tracks = on_channel(view, channel);
                div.lane {
                    span.who { (who(view, &tracks, channel)) }
                    svg viewBox={ "0 0 " (WIDTH) " " (2 * HALF) } preserveAspectRatio="none" aria-hidden="true" {
                        path.sound d=(path(&peaks.points, channel)) {}
                        @for track in &tracks { (gaps(view, track, length_ms)) }
                        line.playhead x1="0" x2="0" y1="0" y2=(2 * HALF) {}
                    }
                }
            }
        }
        p.legend {
            span #position { "0:00" } " of " (clock(length_ms))
            span.faint { " · Arrow keys move by 5 seconds, Page keys by 30, Space plays and pauses." }
        }
    }
}

/// The tracks that are laid on one channel, in their order.
fn on_channel(view: &RecordingView, channel: usize) -> Vec<&TrackView> {
    view.tracks.iter().filter(|track| usize::from(track.channel) == channel).collect()
}

fn who(view: &RecordingView, tracks: &[&TrackView], channel: usize) -> String {
    let named = view.parties.iter().find(|party| tracks.iter().any(|track| party.tracks.contains(&track.no)));
    match (named, tracks.first()) {
        (Some(party), _) => shown(party).to_owned(),
        (None, Some(track)) => track
            .party
            .clone()
            .or_else(|| track.label.as_ref().map(|label| format!("Label {label}")))
            .unwrap_or_else(|| format!("Track {}", track.no.0)),
        (None, None) => format!("Channel {}", channel + 1),
    }
}

/// The outline: highs from left to right, lows back. At most [`WIDTH`] columns, so that a page stays small.
fn path(points: &[Vec<[i8; 2]>], channel: usize) -> String {
    let columns = points.len().min(WIDTH);
    let column = |index: usize| {
        let span = points.len() * index / columns..(points.len() * (index + 1) / columns).max(1);
        points[span]
            .iter()
            .filter_map(|point| point.get(channel))
            .fold([0_i8, 0], |[low, high], point| [low.min(point[0]), high.max(point[1])])
    };
    let outline: Vec<[i8; 2]> = (0..columns).map(column).collect();
    let x = |index: usize| index * WIDTH / columns;
    let y = |value: i8| HALF as i32 - i32::from(value) * HALF as i32 / 128;
    let highs = outline.iter().enumerate().map(|(index, point)| format!("{} {}", x(index), y(point[1]) - 1));
    let lows = outline.iter().enumerate().rev().map(|(index, point)| format!("{} {}", x(index), y(point[0]) + 1));
    match highs.chain(lows).collect::<Vec<_>>() {
        corners if corners.is_empty() => String::new(),
        corners => format!("M{}Z", corners.join("L")),
    }
}

fn gaps(view: &RecordingView, track: &TrackView, length_ms: u64) -> Markup {
    let x = |ms: u64| ms.min(length_ms) * WIDTH as u64 / length_ms;
    html! {
        @for gap in track.gaps.iter().take(GAPS_DRAWN) {
            @let gap = shape::gap(gap, view.zero());
            @let from = x(gap.from_ms);
            rect class={ "gap " (cause(gap.cause)) } x=(from) y="0" width=(x(gap.to_ms).max(from + 1) - from)
                height=(2 * HALF) {
                title { (cause(gap.cause)) " " (clock(gap.from_ms)) "–" (clock(gap.to_ms)) }
            }
        }
    }
}

/// The word for a cause, as in the API.
pub(super) fn cause(cause: GapCause) -> &'static str {
    match cause {
        GapCause::Loss => "loss",
        GapCause::Paused => "paused",
        GapCause::Hold => "hold",
        GapCause::Failover => "failover",
        GapCause::Overload => "overload",
        GapCause::Crash => "crash",
    }
}

/// Columns of a lane: about one a pixel of a wide screen.
const WIDTH: usize = 1000;

/// Half the height of a lane.
const HALF: usize = 50;

/// Lanes that are drawn.
const LANES: usize = 8;

/// Gaps that are drawn on one track: beyond, they are narrower than a pixel.
const GAPS_DRAWN: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outline_stays_in_its_lane_and_within_its_columns() {
        let points = vec![vec![[-128, 127], [0, 0]]; 4000];
        let outline = path(&points, 0);
        assert!(outline.starts_with("M0 0L1 0L") && outline.ends_with("L0 101Z"), "{outline}");
        assert_eq!(outline.matches('L').count(), 2 * WIDTH - 1);
        assert_eq!(path(&[vec![[0, 0]]], 0), "M0 49L0 51Z");
        assert_eq!(path(&[], 0), "");
        assert_eq!(path(&points, 5).matches(" 49").count(), WIDTH, "a channel that is not there is silent");
    }
}
