//! Opens the doors to the outside: SIP, media, HTTPS, metrics. A port in use is one line naming the key.

use std::sync::Arc;

use capture::{Capture, Reception};
use crypto::{dtls::Engine, tls::TlsMaterial};
use custody::{TlsPaths, self_signed};
use ops::health::{Health, HealthServer};
use prometheus::Registry;
use signaling::{Revival, Signaling, SignalingParts};
use signaling_core::{
    endpoint::DialogState,
    event::Command,
    negotiate::{Policy, SdesOverClear},
};
use storage::Spool;
use storage_core::{delivery::Delivery, ports::Playback};
use tokio::sync::mpsc;

use super::{House, shells};
use crate::{
    assurance::AssuranceDesk,
    config::Config,
    control::Desk,
    current::Current,
    fault::Fault,
    session_thread::{Ear, Mailbox},
    states::States,
};

pub(crate) async fn open_health(
    config: &Config,
    registry: &Registry,
    health: &Health,
) -> Result<Option<HealthServer>, Fault> {
    if config.http.metrics == "off" {
        return Ok(None);
    }
    let served = ops::health::serve(&config.http.metrics, registry.clone(), health.clone()).await;
    served.map(Some).map_err(|error| Fault::Usage(error.to_string()))
}

pub(crate) fn start_capture(
    config: &Config,
    reception: Reception,
    spool: &Spool,
    mailbox: &Mailbox,
    registry: &Registry,
) -> Result<Arc<Capture>, Fault> {
    let identity = config.media.dtls.then(custody::dtls::identity).transpose();
    let identity = identity.map_err(|error| Fault::Failed(format!("no DTLS certificate can be made: {error}")))?;
    let dtls = identity.map(Engine::new).transpose().map_err(|error| Fault::Failed(error.to_string()))?;
    let reports = shells::reports(mailbox);
    let capture = Capture::start_with(&config.media, reception, spool.sink(), reports, registry, dtls);
    capture.map(Arc::new).map_err(|error| Fault::Failed(error.to_string()))
}

pub(crate) fn session_config(config: &Config) -> session::Config {
    session::Config {
        ports: config.media.ports.first..=config.media.ports.last,
        pair_linger_ms: config.session.pair_linger_ms,
        resume_wait_ms: config.session.resume_wait_s.saturating_mul(1_000),
        resume_held_wait_ms: config.session.resume_held_wait_s.saturating_mul(1_000),
        max_live: config.session.max_live,
        genesys_first_line_is_dn: config.session.genesys_first_line_is_dn,
        has_cti: config.tlib.is_on() || config.gws.is_on(),
        links: super::cti::names(config),
        // Read once already, when the configuration was.
        policy: config.policy.read().unwrap_or_default(),
        auto_resume_ms: config.session.auto_resume_s.saturating_mul(1_000),
        long_pause_ms: config.session.long_pause_s.saturating_mul(1_000),
    }
}

/// `dtls` is the fingerprint of our certificate, where DTLS-SRTP is on.
pub(crate) fn policy(config: &Config, dtls: Option<[u8; 32]>) -> Policy {
    Policy {
        media_address: config.media.address,
        srtp_required: config.media.srtp == capture::SrtpPolicy::Required,
        sdes_over_clear: match config.media.sdes_over_clear_signaling {
            capture::ClearSdes::Refuse => SdesOverClear::Refuse,
            capture::ClearSdes::Warn => SdesOverClear::Warn,
        },
        // What stands on an RTP/AVP line is SRTP only where a profile knows its peer to mean it.
        best_effort_srtp: false,
        dtls,
    }
}

/// The material of a door: configured files, else a self-signed pair made on first start.
fn material(
    config: &Config,
    cert: Option<&std::path::PathBuf>,
    key: Option<&std::path::PathBuf>,
    client_ca: Option<&std::path::PathBuf>,
) -> Result<TlsMaterial, Fault> {
    let paths = match (cert, key) {
        (Some(cert), Some(key)) => TlsPaths { cert: cert.clone(), key: key.clone(), client_ca: client_ca.cloned() },
        _ => {
            let names = [config.node.clone()];
            let made = self_signed::ensure(config.tls_dir(), &names);
            let (paths, is_new) = made.map_err(|error| Fault::key("data_dir", error))?;
            if is_new {
                tracing::warn!(certificate = %paths.cert.display(), "a self-signed certificate was made; sip.cert and http.cert replace it");
            }
            TlsPaths { client_ca: client_ca.cloned(), ..paths }
        }
    };
    paths.load().map_err(|error| Fault::Usage(error.to_string()))
}

pub(crate) async fn start_signaling(
    house: &House<'_>,
    commands: mpsc::Receiver<Vec<Command>>,
    revival: (Vec<DialogState>, States),
) -> Result<Signaling, Fault> {
    let sip = &house.config.sip;
    let material = material(house.config, sip.cert.as_ref(), sip.key.as_ref(), sip.client_ca.as_ref())?;
    // A peer that came over TLS and whose connection is gone is called only where its certificate can be judged.
    let roots = material.client_ca_pem.clone().map(crypto::tls::Trust::Roots);
    let dial = roots.map(|roots| crypto::tls::client_config(roots, Some(material.clone()))).transpose();
    let dial = dial.map_err(|error| Fault::key("sip.client_ca", error))?;
    let (dialogs, states) = revival;
    let tls = crypto::tls::server_config(material, &[]).map_err(|error| Fault::key("sip.cert", error))?;
    let parts = SignalingParts {
        config: sip.clone(),
        tls: Some(tls),
        policy: policy(house.config, house.dtls),
        peers: crate::peers::peers(house.config)?,
        events: Box::new(Ear::new(house.mailbox.clone())),
        commands,
        revival: Revival { dialogs, keep: Some(Box::new(move |changed| states.dialogs(changed))), tls: dial },
        registry: house.registry.clone(),
    };
    Signaling::start(parts).await.map_err(|error| Fault::Usage(error.to_string()))
}

pub(crate) async fn start_api(
    house: &House<'_>,
    desk: Arc<Desk>,
    playback: Arc<dyn Playback>,
    (delivery, assurance): (Arc<dyn Delivery>, Arc<AssuranceDesk>),
) -> Result<Option<api::Api>, Fault> {
    let http = &house.config.http;
    if http.listen == "off" {
        return Ok(None);
    }
    let material = material(house.config, http.cert.as_ref(), http.key.as_ref(), None)?;
    let tls =
        crypto::tls::server_config(material, &[b"h2", b"http/1.1"]).map_err(|error| Fault::key("http.cert", error))?;
    let access = api::access::Store::open(&house.config.access_dir()).map_err(|error| Fault::key("data_dir", error))?;
    let parts = api::ApiParts {
        config: http,
        tls,
        catalog: Arc::new(Current::new(Arc::clone(&house.catalog), Arc::clone(&house.written))),
        playback,
        delivery,
        assurance,
        control: Arc::clone(&desk) as Arc<dyn api::ports::Control>,
        audit: desk,
        access: Arc::new(access),
        registry: &house.registry,
    };
    api::Api::start(parts).await.map(Some).map_err(|error| Fault::Usage(error.to_string()))
}
