//! Reports for people and for programs.

use serde::Serialize;

use crate::{
    call::report::{CallReport, DialogReport, LineReport},
    load::LoadReport,
};

/// Prints what came of a call: lines, or one JSON object.
pub(super) fn call(report: &CallReport, is_json: bool) {
    if is_json {
        return json(report);
    }
    let outcome = if report.ok { "ok" } else { "not as planned" };
    println!(
        "call {outcome}: record id {}, CallUUID {}, ConnID {}",
        report.record_id, report.call_uuid, report.conn_id
    );
    for dialog in &report.dialogs {
        print_dialog(dialog);
    }
    for problem in &report.problems {
        println!("problem: {problem}");
    }
}

fn print_dialog(dialog: &DialogReport) {
    println!("dialog {}: {} after {} ms", dialog.call_id, dialog.status, dialog.setup_ms);
    for line in &dialog.lines {
        println!("  {}", sentence(line));
    }
}

fn sentence(line: &LineReport) -> String {
    let label = line.label.as_ref().map(|label| format!(" (label {label})")).unwrap_or_default();
    let Some(remote) = &line.remote else { return format!("{}{label}: rejected", line.side) };
    let lost = line.lost.map(|lost| format!(", lost {lost}")).unwrap_or_default();
    let errors = if line.send_errors > 0 { format!(", {} not sent", line.send_errors) } else { String::new() };
    format!(
        "{}{label}: {} packets, {} octets{errors}, first sequence {}, ssrc {:#010x}, to {remote}, {} receiver reports{lost}",
        line.side, line.packets, line.octets, line.first_sequence, line.ssrc, line.receiver_reports
    )
}

/// Prints what came of a load: a table, or one JSON object.
pub(super) fn load(report: &LoadReport, is_json: bool) {
    if is_json {
        return json(report);
    }
    println!("calls ok        {}", report.ok);
    println!("calls failed    {}", report.failed);
    println!("set-up p50      {:.1} ms", report.setup_p50_ms);
    println!("set-up p99      {:.1} ms", report.setup_p99_ms);
    println!("set-up max      {:.1} ms", report.setup_max_ms);
    println!("set-ups         {:.0} a second", report.setup_per_s);
    println!("100 Trying p99  {:.1} ms", report.trying_p99_ms);
    println!(
        "refused 503     {} ({} with Retry-After), p99 {:.1} ms, max {:.1} ms",
        report.busy, report.busy_retry_after, report.busy_p99_ms, report.busy_max_ms
    );
    println!("packets sent    {}", report.packets);
    println!("send errors     {}", report.send_errors);
    println!("sender behind   {} ms at worst", report.behind_ms);
    for (cause, calls) in &report.failures {
        println!("{calls} failed: {cause}");
    }
}

/// One JSON object on a line.
pub(super) fn json(report: &impl Serialize) {
    println!("{}", serde_json::to_string(report).expect("reports are plain structures with text keys"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_was_sent_and_what_the_recorder_lost() {
        let line = LineReport {
            side: "left",
            label: Some("1".to_owned()),
            accepted: true,
            dtls: None,
            ssrc: 0xab,
            first_sequence: 9,
            first_timestamp: 0,
            packets: 250,
            octets: 40_000,
            send_errors: 0,
            local_port: 40_000,
            remote: Some("127.0.0.1:20000".to_owned()),
            receiver_reports: 2,
            lost: Some(0),
            sent: Vec::new(),
        };
        assert_eq!(
            sentence(&line),
            "left (label 1): 250 packets, 40000 octets, first sequence 9, ssrc 0x000000ab, to 127.0.0.1:20000, \
             2 receiver reports, lost 0"
        );
        assert_eq!(sentence(&LineReport { remote: None, label: None, ..line }), "left: rejected");
    }
}
