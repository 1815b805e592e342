//! The questions and commands themselves, for API and console alike: authorise, do, put on record, and only then
//! answer.

use model::{CallCommand, CallControl, Command, CommandKind, Fact, RecordingId};
use storage_core::{
    delivery::{DeadLetter, Known, SubscriberView},
    ports::{MediaFormat, MediaReader, Page, Query},
    query::Cursor,
    view::RecordingView,
};

use crate::{
    app::{App, Deed},
    caller::{Caller, Scope},
    limits,
    ports::Mark,
    problem::Problem,
    rights::{Right, is_own},
};

/// A page of recordings. `asked` is the question as it came, for the audit trail.
pub(crate) async fn search(app: &App, caller: &Caller, query: Query, asked: &str) -> Result<Page, Problem> {
    let deed = Deed::done("search");
    caller.require(app, Right::Search, deed.clone().detail(asked)).await?;
    let page = match caller.scope() {
        Scope::All => app.catalog.search(&query).await?,
        Scope::Own(own) => own_calls(app, &query, own).await?,
        Scope::Nothing => Page { items: Vec::new(), next: None },
    };
    caller.note(app, deed.detail(format!("{asked} -> {} items", page.items.len()))).await?;
    Ok(page)
}

/// The calls in which `own` is a party or the agent. A filter on either narrows what there is and never widens it.
async fn own_calls(app: &App, query: &Query, own: &str) -> Result<Page, Problem> {
    let mine = Some(own.to_owned());
    let is_free = |filter: &Option<String>| filter.is_none() || *filter == mine;
    let (mut items, mut has_more) = (Vec::new(), false);
    let as_party = is_free(&query.dn).then(|| Query { dn: mine.clone(), ..query.clone() });
    let as_agent = is_free(&query.agent).then(|| Query { agent: mine.clone(), ..query.clone() });
    for query in as_party.iter().chain(&as_agent) {
        let page = app.catalog.search(query).await?;
        items.extend(page.items);
        has_more |= page.next.is_some();
    }
    items.sort_by_key(|view| std::cmp::Reverse(Cursor::behind(view)));
    items.dedup_by_key(|view| view.id);
    has_more |= items.len() > query.limit as usize;
    items.truncate(query.limit as usize);
    let next = items.last().filter(|_| has_more).map(|view| Cursor::behind(view).encode());
    items.retain(|view| is_own(view, own));
    Ok(Page { items, next })
}

/// One recording.
pub(crate) async fn view(app: &App, caller: &Caller, id: RecordingId) -> Result<RecordingView, Problem> {
    let deed = Deed::done("view").on(id);
    caller.require(app, Right::Search, deed.clone()).await?;
    let view = visible(app, caller, id, &deed).await?;
    caller.note(app, deed).await?;
    Ok(view)
}

/// Media of a recording that the caller may hear. Not yet on record: the answer decides what of it leaves.
pub(crate) async fn media(
    app: &App,
    caller: &Caller,
    id: RecordingId,
    format: MediaFormat,
) -> Result<(RecordingView, Box<dyn MediaReader>), Problem> {
    let deed = Deed::done("play").on(id).detail(format_name(format));
    caller.require(app, Right::Play, deed.clone()).await?;
    let view = visible(app, caller, id, &deed).await?;
    match app.playback.open(id, format).await {
        Ok(reader) => Ok((view, reader)),
        Err(error) => {
            caller.note(app, deed.failed()).await?;
            Err(error.into())
        }
    }
}

/// The waveform, as the JSON it was archived as.
pub(crate) async fn peaks(app: &App, caller: &Caller, id: RecordingId) -> Result<Vec<u8>, Problem> {
    let (_, reader) = media(app, caller, id, MediaFormat::Peaks).await?;
    if reader.len() > limits::PEAKS_OCTETS {
        return Err(Problem::broken("media-damaged", "Media damaged", "the waveform is larger than any can be"));
    }
    let octets = reader.read(0..reader.len()).await?;
    caller.note(app, Deed::done("peaks").on(id)).await?;
    Ok(octets)
}

/// A command to the session core.
pub(crate) async fn command(
    app: &App,
    caller: &Caller,
    id: RecordingId,
    kind: CommandKind,
    reason: Option<String>,
) -> Result<(), Problem> {
    let deed = Deed { detail: reason.clone(), ..Deed::done(kind.name()).on(id) };
    caller.require(app, Right::Control, deed.clone()).await?;
    let command = Command { recording: id, kind, actor: caller.actor.clone(), reason };
    match app.control.command(command).await {
        Ok(()) => caller.note(app, deed).await,
        Err(error) => {
            caller.note(app, deed.failed()).await?;
            Err(error.into())
        }
    }
}

/// A command about whatever is recorded of a call, which is named by CallUUID, ConnID or recording id.
pub(crate) async fn call_command(
    app: &App,
    caller: &Caller,
    call: String,
    kind: CallControl,
    reason: Option<String>,
) -> Result<(), Problem> {
    let detail = reason.as_ref().map_or_else(|| call.clone(), |reason| format!("{call}: {reason}"));
    let deed = Deed::done(kind.name()).detail(detail);
    caller.require(app, Right::Control, deed.clone()).await?;
    let command = CallCommand { call, kind, actor: caller.actor.clone(), reason };
    match app.control.call_command(command).await {
        Ok(()) => caller.note(app, deed).await,
        Err(error) => {
            caller.note(app, deed.failed()).await?;
            Err(error.into())
        }
    }
}

/// A hold set or lifted, or a recording destroyed.
pub(crate) async fn mark(
    app: &App,
    caller: &Caller,
    id: RecordingId,
    mark: Mark,
    reason: Option<String>,
) -> Result<(), Problem> {
    let right = match mark {
        Mark::Hold | Mark::Release => Right::Hold,
        Mark::Delete => Right::Delete,
    };
    let deed = Deed { detail: reason.clone(), ..Deed::done(mark.name()).on(id) };
    caller.require(app, right, deed.clone()).await?;
    match app.control.mark(id, mark, &caller.actor, reason.as_deref()).await {
        Ok(()) => caller.note(app, deed).await,
        Err(error) => {
            caller.note(app, deed.failed()).await?;
            Err(error.into())
        }
    }
}

/// Audit facts, newest first; reading them is itself on record.
pub(crate) async fn audit(
    app: &App,
    caller: &Caller,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<(u64, Fact)>, Problem> {
    let deed = Deed::done("audit");
    caller.require(app, Right::Audit, deed.clone()).await?;
    let facts = app.catalog.audit(before, limit).await?;
    caller.note(app, deed.detail(format!("{} facts", facts.len()))).await?;
    Ok(facts)
}

/// One interaction, with those of its recordings that the caller may know of.
pub(crate) async fn interaction(app: &App, caller: &Caller, id: &str) -> Result<Known, Problem> {
    let deed = Deed::done("view").detail(format!("interaction {id}"));
    caller.require(app, Right::Search, deed.clone()).await?;
    let mut known = app.delivery.interaction(id).await?;
    if let Some(known) = &mut known {
        known.gathered.views.retain(|view| match caller.scope() {
            Scope::All => true,
            Scope::Own(own) => is_own(view, own),
            Scope::Nothing => false,
        });
    }
    let is_hidden = known.is_some();
    // Where its recordings went is for those who see all of them.
    let is_visible = |known: &Known| {
        !known.gathered.views.is_empty() || (known.merged_into.is_some() && caller.scope() == Scope::All)
    };
    let Some(known) = known.filter(is_visible) else {
        caller.note(app, if is_hidden { deed.denied() } else { deed.failed() }).await?;
        return Err(Problem::not_found("no such interaction"));
    };
    let recordings: Vec<String> = known.gathered.views.iter().map(|view| view.id.to_string()).collect();
    caller.note(app, deed.detail(format!("interaction {}: {}", known.id, recordings.join(" ")))).await?;
    Ok(known)
}

/// How the subscribers are doing.
pub(crate) async fn subscribers(app: &App, caller: &Caller) -> Result<Vec<SubscriberView>, Problem> {
    let deed = Deed::done("deliveries");
    caller.require(app, Right::Audit, deed.clone()).await?;
    let subscribers = app.delivery.subscribers().await?;
    caller.note(app, deed).await?;
    Ok(subscribers)
}

/// What could not be handed over.
pub(crate) async fn dead_letters(
    app: &App,
    caller: &Caller,
    after: u64,
    limit: u32,
) -> Result<Vec<DeadLetter>, Problem> {
    let deed = Deed::done("deliveries").detail("dead letters");
    caller.require(app, Right::Audit, deed.clone()).await?;
    let letters = app.delivery.dead_letters(after, limit).await?;
    caller.note(app, deed).await?;
    Ok(letters)
}

/// Has it tried again: how much.
pub(crate) async fn retry(
    app: &App,
    caller: &Caller,
    subscriber: Option<String>,
    number: Option<u64>,
) -> Result<u64, Problem> {
    let whom = subscriber.as_deref().unwrap_or("all");
    let what = number.map_or_else(|| "all".to_owned(), |number| number.to_string());
    let deed = Deed::done("retry_delivery").detail(format!("{whom}: {what}"));
    caller.require(app, Right::Retry, deed.clone()).await?;
    if let Some(name) = &subscriber
        && !app.delivery.subscribers().await?.iter().any(|known| known.name == *name)
    {
        caller.note(app, deed.failed()).await?;
        return Err(Problem::not_found("no such subscriber"));
    }
    // On record before anything leaves because of it.
    caller.note(app, deed).await?;
    Ok(app.delivery.retry(subscriber, number).await?)
}

/// What the caller may know of. Beyond their scope there is nothing: the attempt is on record, the answer tells no more
/// than for an id that never was.
async fn visible(app: &App, caller: &Caller, id: RecordingId, deed: &Deed) -> Result<RecordingView, Problem> {
    let found = app.catalog.recording(id).await?;
    let (view, deed) = match (found, caller.scope()) {
        (Some(view), Scope::All) => (Some(view), deed.clone()),
        (Some(view), Scope::Own(own)) if is_own(&view, own) => (Some(view), deed.clone()),
        (Some(_), Scope::Own(_) | Scope::Nothing) => (None, deed.clone().denied()),
        (None, _) => (None, deed.clone().failed()),
    };
    match view {
        Some(view) => Ok(view),
        None => {
            caller.note(app, deed).await?;
            Err(Problem::not_found("no such recording"))
        }
    }
}

/// The format in the audit trail.
pub(crate) fn format_name(format: MediaFormat) -> &'static str {
    use storage_core::ports::Mp3Rate;
    match format {
        MediaFormat::Wav => "wav",
        MediaFormat::Mp3(Mp3Rate::Mono8) => "mp3 8 kbit/s",
        MediaFormat::Mp3(Mp3Rate::Stereo16) => "mp3 16 kbit/s",
        MediaFormat::Mp3(Mp3Rate::Stereo32) => "mp3 32 kbit/s",
        MediaFormat::Peaks => "peaks",
    }
}
