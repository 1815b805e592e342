//! `mutants`: millions of seeded mutations through every parser; a table of what it took, and failure on a hang, a panic
//! or memory that grows. `--only TARGET`, `--count N` (10,000,000), `--seed N`, `--replay NUMBER` runs one input again,
//! `--corpus FOLDER` writes the seeds for libFuzzer,
//! `--shaken STRIDE` cuts every shared vector short at every so many octets instead.

mod run;

use std::{path::Path, process::ExitCode};

use fuzz_targets::{TARGETS, Target};

/// What was asked for.
struct Wish {
    only: Vec<&'static Target>,
    count: u64,
    seed: u64,
    replay: Option<u64>,
    corpus: Option<String>,
    shaken: Option<u64>,
}

fn main() -> ExitCode {
    let wish = match wish(std::env::args().skip(1)) {
        Ok(wish) => wish,
        Err(error) => {
            eprintln!("mutants: {error}");
            return ExitCode::from(2);
        }
    };
    if let Some(folder) = &wish.corpus {
        return corpus(&wish.only, Path::new(folder));
    }
    run::name_the_input_of_a_panic();
    if let Some(stride) = wish.shaken {
        run::shaken(stride);
        return ExitCode::SUCCESS;
    }
    if let Some(number) = wish.replay {
        wish.only.iter().for_each(|target| run::replay(target, wish.seed, number));
        return ExitCode::SUCCESS;
    }
    run::heading();
    let failures: Vec<String> = wish.only.iter().flat_map(|target| run::all(target, wish.seed, wish.count)).collect();
    failures.iter().for_each(|failure| eprintln!("mutants: {failure}"));
    ExitCode::from(u8::from(!failures.is_empty()))
}

fn wish(mut words: impl Iterator<Item = String>) -> Result<Wish, String> {
    let mut wish =
        Wish { only: TARGETS.iter().collect(), count: 10_000_000, seed: 1, replay: None, corpus: None, shaken: None };
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{word} {value}: not a number"));
        match word.as_str() {
            "--only" => wish.only = value.split(',').map(named).collect::<Result<_, _>>()?,
            "--count" => wish.count = number()?,
            "--seed" => wish.seed = number()?,
            "--replay" => wish.replay = Some(number()?),
            "--shaken" => wish.shaken = Some(number()?),
            "--corpus" => wish.corpus = Some(value),
            _ => return Err(format!("unknown word {word}")),
        }
    }
    Ok(wish)
}

fn named(name: &str) -> Result<&'static Target, String> {
    let known: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    fuzz_targets::target(name).ok_or_else(|| format!("no target {name}; there are {}", known.join(", ")))
}

/// The seeds as files, a folder for each target.
fn corpus(targets: &[&'static Target], folder: &Path) -> ExitCode {
    for target in targets {
        let folder = folder.join(target.name);
        let written: std::io::Result<()> = std::fs::create_dir_all(&folder).and_then(|()| {
            let mut seeds = (target.seeds)().into_iter().enumerate();
            seeds.try_for_each(|(number, seed)| std::fs::write(folder.join(format!("seed-{number}")), seed))
        });
        if let Err(error) = written {
            eprintln!("mutants: {}: {error}", folder.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
