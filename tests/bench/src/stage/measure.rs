//! One load on one fresh recorder: what it cost while all calls ran, and whether every packet sent is in the files.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    cli::Bench,
    failure::Outcome,
    ledger::Kept,
    limits,
    load::{Load, Plan},
    node::{Manner, Node},
    process::Cpu,
    sound, world,
};

/// What was seen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    pub(crate) calls: u32,
    /// Percent of one core per 100 calls, user and system, all threads.
    pub(crate) cpu: f64,
    /// The same by thread name.
    pub(crate) threads: BTreeMap<String, f64>,
    /// Microseconds of the generator per packet.
    pub(crate) sender_us: f64,
    /// Resident kB that a call adds to a recorder without calls: its share of what is there once (caches, rings, stacks)
    /// is in it.
    pub(crate) memory_kb: f64,
    /// Resident kB of the whole recorder while all calls ran.
    pub(crate) live_kb: u64,
    pub(crate) sent: u64,
    pub(crate) kept: Kept,
    pub(crate) behind_ms: u64,
    /// Why the counts do not agree.
    pub(crate) faults: Vec<String>,
}

impl Sample {
    /// As details of a row.
    pub(crate) fn details(&self) -> Value {
        json!({
            "calls": self.calls, "threads": self.threads, "sender_us_per_packet": self.sender_us,
            "memory_kb_per_call": self.memory_kb, "resident_kb": self.live_kb, "sent": self.sent, "kept": self.kept.packets, "lost": self.kept.lost,
            "kernel_drops": self.kept.kernel_drops, "gaps": self.kept.gaps, "generator_behind_ms": self.behind_ms,
            "faults": self.faults,
        })
    }
}

/// Resident kB that each further call costs, between the same load with fewer calls and this one: everything that grows
/// with calls, octets that wait for the disk and what the allocator wastes included; socket buffers are the kernel's, and
/// what is there once whatever the load cancels out. With nothing to compare: what a call adds to an idle recorder.
pub(crate) fn memory_per_call(fewer: &Sample, more: &Sample) -> f64 {
    if more.calls <= fewer.calls {
        return more.memory_kb;
    }
    (more.live_kb as f64 - fewer.live_kb as f64) / f64::from(more.calls - fewer.calls)
}

/// Calls set up a second while a load builds up: well below what signaling can do, so that media alone is measured.
const RATE: u32 = 200;
/// Until one look at the recorder is followed by the next.
const LOOK: Duration = Duration::from_millis(250);

/// A plan of `calls` that lasts until `window` has been seen of all of them together.
pub(crate) fn plan(calls: u32, srtp: Option<&'static str>, window: Duration) -> Plan {
    let ramp = Duration::from_secs(u64::from(calls.div_ceil(RATE)));
    // Without rtcp-mux a call takes four sockets: beyond that the file limit of small machines ends it.
    let rtcp_mux = calls > 1_500;
    Plan { calls, rate: RATE, duration: ramp + 2 * limits::SETTLE + window, srtp, rtcp_mux, burst: 5 }
}

/// Runs it.
///
/// # Errors
/// Something could not be started or did not end; counts that do not agree are in the sample.
pub(crate) fn run(bench: &Bench, manner: &Manner<'_>, plan: &Plan, window: Duration) -> Outcome<Sample> {
    run_beside(bench, manner, plan, |_| {
        world::pass(window);
        Ok(())
    })
}

/// The same; `meanwhile` fills the window.
pub(crate) fn run_beside(
    bench: &Bench,
    manner: &Manner<'_>,
    plan: &Plan,
    meanwhile: impl FnOnce(&mut Node) -> Outcome<()>,
) -> Outcome<Sample> {
    let mut node = Node::start(bench, manner)?;
    let sample = watch(bench, &mut node, plan, meanwhile);
    node.discard()?;
    sample
}

fn watch(
    bench: &Bench,
    node: &mut Node,
    plan: &Plan,
    meanwhile: impl FnOnce(&mut Node) -> Outcome<()>,
) -> Outcome<Sample> {
    let idle_kb = node.process.resident_kb()?;
    let load = Load::start(bench, node, plan)?;
    let ramp = Duration::from_secs_f64(f64::from(plan.calls) / f64::from(plan.rate));
    // A recorder that cannot set up all of them is found out by the counts: the window opens all the same.
    let all_live = world::until("all calls live", ramp + limits::SETTLE, LOOK, || {
        Ok((node.metric("recorder_recordings_live")? >= f64::from(plan.calls)).then_some(()))
    });
    world::pass(limits::SETTLE);
    let (before, sender_before, began) = (node.process.cpu()?, load.process.cpu()?, world::now());
    meanwhile(node)?;
    let (used, sender) = (node.process.cpu()?.since(&before), load.process.cpu()?.since(&sender_before));
    let seconds = elapsed(began);
    let live_kb = node.process.resident_kb()?;
    let report = load.finish()?;
    let mut sample = Sample {
        calls: plan.calls,
        sent: report["packets"].as_u64().unwrap_or_default(),
        behind_ms: report["behind_ms"].as_u64().unwrap_or_default(),
        memory_kb: live_kb.saturating_sub(idle_kb) as f64 / f64::from(plan.calls),
        live_kb,
        sender_us: sender.total * 1e6 / (seconds * f64::from(plan.calls) * 100.0),
        ..Sample::default()
    };
    sample.cost(&used, seconds);
    if let Err(cause) = all_live {
        sample.faults.push(cause.to_string());
    }
    for name in ["failed", "send_errors"] {
        if report[name] != 0 {
            sample.faults.push(format!("the generator reports {name} {}: {}", report[name], report["failures"]));
        }
    }
    let planned = u64::from(plan.calls) * 2 * (plan.duration.as_millis() as u64 / 20);
    if sample.sent < planned {
        // Its calls ended before their sound: the machine is full, whoever filled it.
        sample.faults.push(format!("the generator sent {} of {planned}, {} ms behind", sample.sent, sample.behind_ms));
    }
    count(node, plan, &mut sample)?;
    sample.faults.dedup();
    Ok(sample)
}

impl Sample {
    fn cost(&mut self, used: &Cpu, seconds: f64) {
        let share = |time: f64| time / seconds * 100.0 * 100.0 / f64::from(self.calls);
        self.cpu = share(used.total);
        let busy = used.threads.iter().filter(|(_, time)| **time > 0.0);
        self.threads = busy.map(|(name, time)| (name.clone(), share(*time))).collect();
    }
}

fn elapsed(began: Instant) -> f64 {
    world::now().saturating_duration_since(began).as_secs_f64()
}

/// Sent = received = in the ledger = in a sample of archived recordings, by sequence number.
fn count(node: &mut Node, plan: &Plan, sample: &mut Sample) -> Outcome<()> {
    let tracks = 2 * u64::from(plan.calls);
    let data = node.folder.join("data");
    let closed = world::until("end of all tracks", limits::ENDING, LOOK, || {
        Ok((node.metric("recorder_recordings_live")? < 0.5).then_some(()))
            .map(|done| done.filter(|()| Kept::read(&data).is_ok_and(|kept| kept.tracks >= tracks)))
    });
    if let Err(cause) = closed {
        sample.faults.push(cause.to_string());
    }
    sample.kept = Kept::read(&data)?;
    let metrics = node.metrics()?;
    let received = metrics.get("recorder_rtp_packets_total").copied().unwrap_or_default() as u64;
    let mut faults = Vec::new();
    let mut must = |what: &str, is: u64, shall: u64| {
        if is != shall {
            faults.push(format!("{what}: {is}, not {shall}"));
        }
    };
    must("closed tracks", sample.kept.tracks, tracks);
    must("packets received", received, sample.sent);
    must("packets kept", sample.kept.packets, sample.sent);
    must("packets lost", sample.kept.lost, 0);
    must("gaps", sample.kept.gaps, 0);
    for dropped in ["recorder_capture_dropped_packets_total", "recorder_spool_lost_chunks_total"] {
        must(dropped, metrics.get(dropped).copied().unwrap_or_default() as u64, 0);
    }
    if sample.kept.lost > 0 {
        faults.push(format!("{} tracks lack packets, most of them {}", sample.kept.lacking, sample.kept.worst));
    }
    sample.faults.append(&mut faults);
    sample.faults.extend(archived(node, plan)?);
    Ok(())
}

/// Looks into recordings that are archived: their tracks were counted out of the files, and one is heard.
fn archived(node: &mut Node, plan: &Plan) -> Outcome<Vec<String>> {
    let wanted = limits::SAMPLE.min(plan.calls as usize);
    let path = format!("/recordings?state=archived&limit={wanted}");
    let found = world::until("archived recordings", limits::ARCHIVING, 4 * LOOK, || {
        let items = node.get(&path)?["items"].as_array().cloned().unwrap_or_default();
        Ok((items.len() >= wanted).then_some(items))
    });
    let items = match found {
        Ok(items) => items,
        Err(cause) => return Ok(vec![cause.to_string()]),
    };
    let packets = plan.duration.as_millis() as u64 / 20;
    let mut faults = Vec::new();
    let (mut wrong, mut example) = (0, String::new());
    for track in items.iter().flat_map(|item| item["tracks"].as_array().cloned().unwrap_or_default()) {
        if track["packets"] != packets || track["lost"] != 0 {
            wrong += 1;
            example = format!("{} packets, {} lost, not {packets}", track["packets"], track["lost"]);
        }
    }
    if wrong > 0 {
        faults.push(format!("{wrong} archived tracks of a sample are wrong, e.g. {example}"));
    }
    let id = items[0]["id"].as_str().unwrap_or_default().to_owned();
    let wav = node.download(&format!("/recordings/{id}/audio?format=wav"))?;
    faults.extend(sound::differs(&wav, plan.duration));
    Ok(faults)
}
