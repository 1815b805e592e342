//! The index of recordings says at every moment what looking at all of them would say.

use proptest::prelude::*;

use super::*;

/// One thing that happens to sessions 1 to 5, of which the even ones are legs of one Genesys call.
#[derive(Debug, Clone)]
enum Happening {
    Offer(u64),
    /// Not all ports are bound at once: an offer waits.
    Taken(Vec<u16>),
    Bye(u64),
    Cancelled(u64),
    Pass(u64),
    Stop,
    Archived {
        works: bool,
    },
    Drain,
    EndAll,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => (1..6u64).prop_map(Happening::Offer),
        1 => prop::collection::vec((0..10u16).prop_map(|port| 20_000 + 2 * port), 0..10).prop_map(Happening::Taken),
        3 => (1..6u64).prop_map(Happening::Bye),
        1 => (1..6u64).prop_map(Happening::Cancelled),
        2 => (1..5_000u64).prop_map(Happening::Pass),
        1 => Just(Happening::Stop),
        2 => any::<bool>().prop_map(|works| Happening::Archived { works }),
        1 => Just(Happening::EndAll),
    ]
}

/// A world, and the numbers of its dialogs, which never come again.
struct Run {
    world: World,
    dialogs: [u64; 6],
    known: Vec<RecordingId>,
}

impl Run {
    fn step(&mut self, happening: Happening) {
        let world = &mut self.world;
        match happening {
            Happening::Offer(of) => {
                self.dialogs[of as usize] += 10;
                let dialog = self.dialogs[of as usize] + of;
                world.feed(match of % 2 {
                    0 => leg(dialog, &of.to_string()),
                    _ => Input::Signal(Event::Offered(offered(dialog, two(LineState::Active)))),
                });
            }
            Happening::Taken(ports) => world.taken = ports,
            Happening::Bye(of) => world.feed(bye(self.dialogs[of as usize] + of)),
            Happening::Cancelled(of) => {
                let dialog = DialogId(self.dialogs[of as usize] + of);
                let cause = Ended::NotEstablished;
                world.feed(Input::Signal(Event::Ended { dialog, cause, reason: None, metadata: None }));
            }
            Happening::Pass(millis) => world.wait(millis),
            Happening::Stop => {
                if let Some(recording) = self.known.last().copied() {
                    // It may be over already: then nothing happens.
                    let _ = world.control(recording, CommandKind::Stop);
                }
            }
            Happening::Archived { works } => {
                if let Some(recording) = self.known.pop() {
                    let outcome = if works { Ok(finished()) } else { Err("broken".to_owned()) };
                    world.feed(Input::Finished { recording, outcome });
                }
            }
            Happening::Drain => world.feed(Input::Drain),
            Happening::EndAll => world.feed(Input::EndAll),
        }
        let opened = self.world.opened();
        self.known.extend(opened);
    }
}

fn finished() -> Finished {
    Finished { objects: Vec::new(), duration_ms: 1, audio_from: None, flags: Vec::new(), tracks: Vec::new() }
}

proptest! {
    #[test]
    fn it_agrees_with_looking_at_every_recording(
        happenings in prop::collection::vec(happening(), 1..60),
        drains_at in 0..120usize,
    ) {
        let mut run = Run { world: World::new(), dialogs: [0; 6], known: Vec::new() };
        for (at, happening) in happenings.into_iter().enumerate() {
            if at == drains_at {
                run.step(Happening::Drain);
            }
            let told = format!("{at}: {happening:?}");
            run.step(happening);
            let recordings = &run.world.core.recordings;
            prop_assert_eq!(recordings.indexed(), recordings.counted(), "{}", told);
        }
    }
}
