//! From options to a specification: defaults, words to values, and the first thing that is wrong, by name.

use std::{path::Path, time::Duration};

use crypto::srtp::Suite;
use signaling_core::{event, sdp::dtls::Setup};

use super::options::{Options, Transport};
use crate::{
    call::spec::{Audio, CallSpec, Law, Layout, Pause, Profile, Trust},
    error::CallError,
    identity::Chosen,
    tape::Tape,
};

/// Adds what the `--config` file says.
pub fn with_config(options: Options) -> Result<Options, CallError> {
    let Some(path) = options.config.clone() else { return Ok(options.or(Options::default())) };
    let file = read_config(&path)?;
    Ok(options.or(file))
}

/// The call that the options describe, checked.
pub fn call_spec(options: &Options) -> Result<CallSpec, CallError> {
    let target = options.to.as_deref().ok_or_else(|| usage("no target: name the recorder, e.g. 127.0.0.1:5060"))?;
    let target = target.parse().map_err(|cause| usage(&format!("target: {cause}")))?;
    let dtls = setup(options)?;
    let srtp = options.srtp.as_deref().filter(|_| dtls.is_none()).map(suite).transpose()?;
    let profile = options.profile.unwrap_or(Profile::Rfc7866);
    let default_layout = if profile == Profile::GenesysMsr { Layout::PerParty } else { Layout::Single };
    let law = options.law.unwrap_or(Law::Pcmu);
    let (left, right) = sides(options);
    let spec = CallSpec {
        profile,
        layout: options.layout.unwrap_or(default_layout),
        transport: transport(options.transport, srtp.is_some() || dtls.is_some()),
        trust: trust(options)?,
        srtp,
        dtls,
        duration: options.duration.map_or_else(|| natural_duration(&[&left, &right], law), Ok)?,
        left,
        right,
        law,
        ptime_ms: options.ptime.unwrap_or(20),
        chosen: chosen(options),
        pause: pause(options)?,
        reinvite_at: options.reinvite_at,
        update_at: options.update_at,
        dtmf: dtmf(options)?,
        leg_gap: Duration::from_millis(options.leg_gap.unwrap_or(0)),
        reverse_legs: options.reverse_legs,
        media_source: options.media_source,
        first_sequence: options.first_sequence,
        dump_sent: options.dump_sent.clone(),
        ..CallSpec::new(target)
    };
    spec.check()?;
    Ok(spec)
}

fn read_config(path: &Path) -> Result<Options, CallError> {
    let text = std::fs::read_to_string(path).map_err(|cause| usage(&format!("{}: {cause}", path.display())))?;
    toml::from_str(&text).map_err(|cause| usage(&format!("{}: {}", path.display(), cause.to_string().trim_end())))
}

/// Who begins, where the keys come by DTLS.
fn setup(options: &Options) -> Result<Option<Setup>, CallError> {
    let is_dtls = options.srtp.as_deref().is_some_and(|word| word.eq_ignore_ascii_case("dtls"));
    match options.setup.as_deref() {
        Some(_) if !is_dtls => Err(usage("setup: needs --srtp dtls")),
        Some(word) => match Setup::by_word(word) {
            Some(setup) => Ok(Some(setup)),
            None => Err(usage(&format!("setup: `{word}` is none of actpass, active, passive"))),
        },
        None => Ok(is_dtls.then_some(Setup::ActPass)),
    }
}

fn suite(name: &str) -> Result<Suite, CallError> {
    Suite::from_name(name).ok_or_else(|| {
        let known = Suite::ALL.map(Suite::name).join(", ");
        usage(&format!("srtp: `{name}` is none of {known}, dtls"))
    })
}

fn transport(named: Option<Transport>, is_secure: bool) -> event::Transport {
    match named {
        Some(Transport::Udp) => event::Transport::Udp,
        Some(Transport::Tcp) => event::Transport::Tcp,
        Some(Transport::Tls) => event::Transport::Tls,
        None if is_secure => event::Transport::Tls,
        None => event::Transport::Udp,
    }
}

fn trust(options: &Options) -> Result<Option<Trust>, CallError> {
    match (&options.ca, options.insecure) {
        (Some(_), true) => Err(usage("ca, insecure: one or the other")),
        (Some(path), false) => Ok(Some(Trust::Ca(path.clone()))),
        (None, true) => Ok(Some(Trust::Insecure)),
        (None, false) => Ok(None),
    }
}

fn sides(options: &Options) -> (Audio, Audio) {
    let seed = options.seed.unwrap_or(1);
    let side = |file: &Option<_>, seed| file.clone().map_or(Audio::Speech { seed }, Audio::Wav);
    (side(&options.left, seed), side(&options.right, seed.wrapping_add(1)))
}

/// Five seconds of test speech, or the longer of the files.
fn natural_duration(sides: &[&Audio], law: Law) -> Result<Duration, CallError> {
    let mut longest = None;
    for (channel, side) in sides.iter().enumerate() {
        if let Audio::Wav(_) = side {
            longest = longest.max(Some(Tape::load(side, law, channel, 1)?.length_ms()));
        }
    }
    Ok(longest.map_or(Duration::from_secs(5), Duration::from_millis))
}

fn chosen(options: &Options) -> Chosen {
    Chosen {
        caller: options.caller.clone(),
        agent: options.agent.clone(),
        call_uuid: options.call_uuid.clone(),
        conn_id: options.conn_id.clone(),
        record_id: options.record_id.clone(),
    }
}

fn pause(options: &Options) -> Result<Option<Pause>, CallError> {
    match (options.pause_at, options.pause_for) {
        (Some(at), Some(length)) => Ok(Some(Pause { at, length })),
        (None, None) => Ok(None),
        _ => Err(usage("pause-at, pause-for: both or none")),
    }
}

fn dtmf(options: &Options) -> Result<Option<(Duration, String)>, CallError> {
    match (options.dtmf_at, &options.dtmf) {
        (Some(at), digits) => Ok(Some((at, digits.clone().unwrap_or_else(|| "1234".to_owned())))),
        (None, None) => Ok(None),
        (None, Some(_)) => Err(usage("dtmf: needs dtmf-at")),
    }
}

fn usage(what: &str) -> CallError {
    CallError::Usage(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(target: &str) -> Options {
        Options { to: Some(target.to_owned()), ..Options::default() }
    }

    fn said(options: &Options) -> String {
        call_spec(options).unwrap_err().to_string()
    }

    #[test]
    fn defaults_follow_what_was_chosen() {
        let plain = call_spec(&to("h")).unwrap();
        assert_eq!(
            (plain.transport, plain.layout, plain.duration),
            (event::Transport::Udp, Layout::Single, Duration::from_secs(5))
        );
        let genesys = call_spec(&Options { profile: Some(Profile::GenesysMsr), ..to("h") }).unwrap();
        assert_eq!(genesys.layout, Layout::PerParty);
        let secure = Options { srtp: Some("AEAD_AES_256_GCM".to_owned()), insecure: true, ..to("h") };
        let secure = call_spec(&secure).unwrap();
        assert_eq!(
            (secure.transport, secure.port(), secure.srtp),
            (event::Transport::Tls, 5061, Some(Suite::AeadAes256Gcm))
        );
        let dtls = Options { srtp: Some("DTLS".to_owned()), insecure: true, ..to("h") };
        let by_handshake = call_spec(&dtls).unwrap();
        assert_eq!(
            (by_handshake.transport, by_handshake.srtp, by_handshake.dtls),
            (event::Transport::Tls, None, Some(Setup::ActPass))
        );
        let passive = call_spec(&Options { setup: Some("passive".to_owned()), ..dtls }).unwrap();
        assert_eq!(passive.dtls, Some(Setup::Passive));
        assert_eq!((secure.left, secure.right), (Audio::Speech { seed: 1 }, Audio::Speech { seed: 2 }));
    }

    #[test]
    fn wrong_usage_names_the_option() {
        assert!(said(&Options::default()).starts_with("no target"));
        assert!(said(&to("h:port")).starts_with("target: `h:port`"));
        assert!(said(&Options { srtp: Some("ROT13".to_owned()), ..to("h") }).starts_with("srtp: `ROT13`"));
        let setup = |srtp: Option<&str>, word: &str| {
            said(&Options { srtp: srtp.map(str::to_owned), setup: Some(word.to_owned()), insecure: true, ..to("h") })
        };
        assert!(setup(Some("dtls"), "both").starts_with("setup: `both`"));
        assert!(setup(Some("AEAD_AES_256_GCM"), "active").starts_with("setup: needs --srtp dtls"));
        assert!(setup(None, "active").starts_with("setup: needs --srtp dtls"));
        assert!(said(&Options { transport: Some(Transport::Tls), ..to("h") }).contains("--insecure"));
        assert!(said(&Options { pause_at: Some(Duration::ZERO), ..to("h") }).starts_with("pause-at"));
        assert!(said(&Options { dtmf: Some("1".to_owned()), ..to("h") }).starts_with("dtmf"));
        let missing = Options { left: Some("/nonexistent/l.wav".into()), ..to("h") };
        assert!(said(&missing).starts_with("/nonexistent/l.wav: "));
    }

    #[test]
    fn a_config_file_that_is_wrong_is_named_with_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("call.toml");
        std::fs::write(&path, "colour = 1\n").unwrap();
        let wrong = with_config(Options { config: Some(path.clone()), ..Options::default() }).unwrap_err().to_string();
        assert!(wrong.contains("call.toml") && wrong.contains("colour"), "{wrong}");
        std::fs::write(&path, "recorder = \"h:5070\"\ninsecure = true\n").unwrap();
        let good = with_config(Options { config: Some(path), ..Options::default() }).unwrap();
        assert_eq!(call_spec(&good).unwrap().port(), 5070);
    }
}
