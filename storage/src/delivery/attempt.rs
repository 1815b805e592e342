//! One attempt: what is to be said now is made of what is known now, put on record, and sent.

use std::sync::Arc;

use model::{Actor, Audit, AuditResult, RecordingId};
use storage_core::{
    delivery::{Kind, Notice, Outcome, Parcel, RecordingEvent, Witness, envelope},
    interaction::{Document, Revision, gather},
    ports::{Catalog, CatalogError, MediaFormat, Playback, PlaybackError},
    view::{RecordingView, State},
};

use super::{Clock, DeliveryStore, follow, parcels, send::Sender};

/// What every attempt for one subscriber needs.
pub(super) struct Attempts {
    pub(super) name: String,
    pub(super) node: String,
    /// Recordings of these alone; empty: all.
    pub(super) partitions: Vec<String>,
    pub(super) sender: Sender,
    pub(super) store: DeliveryStore,
    pub(super) catalog: Arc<dyn Catalog>,
    pub(super) playback: Arc<dyn Playback>,
    pub(super) witness: Arc<dyn Witness>,
    pub(super) clock: Clock,
}

/// An answer before anything was sent.
type Early<T> = Result<T, Outcome>;

impl Attempts {
    /// Hands one item over.
    pub(super) async fn make(&self, parcel: &Parcel) -> (Option<Kind>, Outcome) {
        let of = parcel.number;
        match self.store.with(move |connection| parcels::current(connection, of)).await {
            Ok(Some(notice)) => {
                (Some(notice.kind), self.hand_over(parcel, &notice).await.unwrap_or_else(|early| early))
            }
            // A newer notice took its place.
            Ok(None) => (None, Outcome::Dropped),
            Err(_) => (None, Outcome::NotYet),
        }
    }

    async fn hand_over(&self, parcel: &Parcel, notice: &Notice) -> Early<Outcome> {
        if self.catalog.position().await.map_err(not_yet)? < notice.fact {
            return Err(Outcome::NotYet);
        }
        match notice.kind {
            Kind::Interaction => self.document(parcel, notice).await,
            Kind::Archived | Kind::Failed | Kind::Deleted => self.recording(parcel, notice).await,
            Kind::Audio => self.sound(parcel, notice).await,
        }
    }

    async fn document(&self, parcel: &Parcel, notice: &Notice) -> Early<Outcome> {
        let id = notice.thing.clone();
        let issued = self.store.with(move |connection| follow::issued(connection, &id)).await.map_err(not_yet)?;
        let merged_into = issued.and_then(|issued| issued.merged_into);
        let mut gathered = gather(&*self.catalog, &notice.thing).await.map_err(not_yet)?;
        gathered.views.retain(|view| self.is_for(view));
        if gathered.views.is_empty() && (merged_into.is_none() || !self.partitions.is_empty()) {
            return Err(Outcome::Dropped);
        }
        let revision = Revision { number: notice.revision, is_settled: true };
        let document = Document::of(&notice.thing, &gathered, revision, merged_into.as_deref());
        let id = notice.id(&self.node);
        let body = envelope(notice, &id, &self.source(), &document);
        self.words(parcel, notice, (id, body), None).await
    }

    async fn recording(&self, parcel: &Parcel, notice: &Notice) -> Early<Outcome> {
        let view = self.view(notice).await?;
        let id = notice.id(&self.node);
        let body = envelope(notice, &id, &self.source(), &RecordingEvent::of(&view));
        self.words(parcel, notice, (id, body), Some(view.id)).await
    }

    async fn words(
        &self,
        parcel: &Parcel,
        notice: &Notice,
        (id, body): (String, Vec<u8>),
        recording: Option<RecordingId>,
    ) -> Early<Outcome> {
        self.put_on_record(parcel, notice, recording).await?;
        let stamp = self.sender.stamp(id, (self.clock)()).await.map_err(ours)?;
        Ok(self.sender.words(&stamp, body).await)
    }

    async fn sound(&self, parcel: &Parcel, notice: &Notice) -> Early<Outcome> {
        let view = self.view(notice).await?;
        let wav = view.media.iter().find(|object| object.format == "wav" && view.state == State::Archived);
        let sha256 = wav.and_then(|wav| hex::decode(&wav.sha256).ok()).ok_or(Outcome::Dropped)?;
        self.put_on_record(parcel, notice, Some(view.id)).await?;
        let reader = match self.playback.open(view.id, MediaFormat::Wav).await {
            Ok(reader) => reader,
            // Destroyed in the meantime.
            Err(PlaybackError::Missing) => return Err(Outcome::Dropped),
            Err(error) => return Err(ours(error.to_string())),
        };
        let stamp = self.sender.stamp(notice.id(&self.node), (self.clock)()).await.map_err(ours)?;
        Ok(self.sender.sound(&stamp, (notice, &self.source()), reader, &sha256).await)
    }

    async fn view(&self, notice: &Notice) -> Early<RecordingView> {
        let id = notice.thing.parse().map_err(|_| Outcome::Dropped)?;
        let view = self.catalog.recording(id).await.map_err(not_yet)?;
        view.filter(|view| self.is_for(view)).ok_or(Outcome::Dropped)
    }

    fn is_for(&self, view: &RecordingView) -> bool {
        storage_core::interaction::is_of_partition(view, &self.partitions)
    }

    fn source(&self) -> String {
        format!("urn:recorder:node:{}", self.node)
    }

    /// Invariant 2: who was told what stands in the ledger before it leaves. Once for all attempts: whatever counts as one
    /// comes after this.
    async fn put_on_record(&self, parcel: &Parcel, notice: &Notice, recording: Option<RecordingId>) -> Early<()> {
        if parcel.attempts > 0 {
            return Ok(());
        }
        let detail = format!("{} {} revision {}", notice.kind, notice.thing, notice.revision);
        let audit = Audit {
            at: (self.clock)(),
            actor: Actor { id: format!("delivery:{}", self.name), role: None },
            action: "deliver".into(),
            recording,
            detail: Some(detail.into()),
            source: None,
            result: AuditResult::Allowed,
        };
        if self.witness.witness(audit).await { Ok(()) } else { Err(Outcome::NotYet) }
    }
}

/// The catalog is away: no attempt was made.
fn not_yet(_: CatalogError) -> Outcome {
    Outcome::NotYet
}

/// Our own fault, and no reason to give up sooner.
fn ours(cause: String) -> Outcome {
    Outcome::Failed { cause, wait_s: None }
}
