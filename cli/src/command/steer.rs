//! `gepa steer`

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use gepa_engine::record::{CandidateRow, RunRow};
use gepa_engine::{ExampleId, RunError, Store};
use gepa_models::{Environment, open_named};
use gepa_server::{SteerError, SteerRequest, Steered, steer_here};
use serde_json::{Map, Value, json};

use super::train::backend::Backend;
use crate::arguments::{Act, EditArguments, ExtendArguments, InjectArguments, SteerArguments};
use crate::error::CommandError;
use crate::output::people;
use crate::surroundings::{
    block_on, check_is_search, environment, find_run, open_existing, store_url, stored_task,
};

/// Largest text that is read, in bytes.
const MOST_BYTES: u64 = 1 << 20;

pub(crate) fn steer(arguments: &SteerArguments) -> Result<ExitCode, CommandError> {
    block_on(async {
        let environment = environment()?;
        let steered = match &arguments.server {
            Some(url) => through_server(arguments, url, &environment).await?,
            None => on_this_machine(arguments, &environment).await?,
        };
        let mut out = people();
        writeln!(out, "{}", said(&steered, arguments))?;
        out.flush()?;
        Ok(ExitCode::SUCCESS)
    })
}

async fn on_this_machine(
    arguments: &SteerArguments,
    environment: &Environment,
) -> Result<Steered, CommandError> {
    let url = store_url(&arguments.run.store, environment);
    let run = find_run(&*open_existing(&url).await?, &arguments.run.run).await?;
    // A refusal comes before an editor is opened for the text.
    check_is_search(&run, "steered")?;
    let store = gepa_postgres::open(&url).await?;
    let request = request(arguments, environment, Texts::Stored(&*store, &run)).await?;
    let config = async { Ok(stored_task(&run, environment, &[])?.config) };
    let steered = steer_here(&*store, &run, request, config).await;
    steered.map_err(|error| match error {
        SteerError::Run(error) if !matches!(error, RunError::Refused(_)) => error.into(),
        other => CommandError::Usage(other.to_string()),
    })
}

async fn through_server(
    arguments: &SteerArguments,
    url: &str,
    environment: &Environment,
) -> Result<Steered, CommandError> {
    let server = Backend::named("--server", url, environment)?;
    let run = &arguments.run.run;
    let request = request(arguments, environment, Texts::Served(&server, run)).await?;
    let path = format!("/runs/{run}/steering");
    let answer = server.post(&path, &json!(request)).await?;
    Ok(Steered {
        seq: answer["seq"].as_u64().map(gepa_engine::Seq),
        at_rest: answer["at_rest"] == true,
    })
}

fn said(steered: &Steered, arguments: &SteerArguments) -> String {
    let act = name_of(&arguments.act);
    let run = &arguments.run.run;
    match (steered.seq, steered.at_rest) {
        (Some(seq), false) => format!("{act}: entry {} of the journal", seq.0),
        (Some(seq), true) => format!(
            "{act}: entry {} of the journal; no process works on the run, and `gepa run --resume {run}` takes it in",
            seq.0
        ),
        (None, _) => format!(
            "{act}: passed on, and not in the journal yet; the run takes it up when the calls in flight have ended. Do not \
             repeat it: `gepa export {run} --what events` will have its entry, unless the run refuses it"
        ),
    }
}

/// Who acts: the name that was given, or that of the user.
pub(crate) fn person(given: Option<&str>, environment: &Environment) -> String {
    let user = ["USER", "LOGNAME", "USERNAME"];
    let mut user = user.iter().filter_map(|name| environment.get(name));
    given.or_else(|| user.next()).unwrap_or_default().to_owned()
}

fn name_of(act: &Act) -> &'static str {
    match act {
        Act::Inject(_) | Act::Edit(_) => "inject",
        Act::Veto { .. } => "veto",
        Act::Hint { .. } => "hint",
        Act::Exclude { .. } => "exclude",
        Act::Pause => "pause",
        Act::Resume => "resume",
        Act::Stop => "stop",
        Act::Extend(_) => "extend",
    }
}

/// Where the texts of candidates come from.
enum Texts<'a> {
    Stored(&'a dyn Store, &'a RunRow),
    Served(&'a Backend, &'a str),
}

impl Texts<'_> {
    /// The texts of the best candidate, by component.
    async fn best(&self) -> Result<Map<String, Value>, CommandError> {
        let missing = || CommandError::Missing("the run has no candidate yet".to_owned());
        match self {
            Self::Stored(store, run) => {
                let candidates: Vec<CandidateRow> = store.candidates(&run.run_id).await?;
                let best = run.summary.best.unwrap_or_default();
                let mut all = candidates.iter();
                let row = all
                    .find(|row| row.index == Some(best))
                    .ok_or_else(missing)?;
                let texts = row.components.components().iter();
                Ok(texts
                    .map(|(name, text)| (name.to_string(), json!(&**text)))
                    .collect())
            }
            Self::Served(server, run) => {
                let view = server.get(&format!("/runs/{run}/view")).await?;
                let index = view["best"].as_u64().unwrap_or_default();
                let indices = view["candidates"]["index"].as_array();
                let at = indices.and_then(|all| all.iter().position(|one| *one == index));
                let at = at.ok_or_else(missing)?;
                let iteration = &view["candidates"]["iteration"][at];
                let candidate = server
                    .get(&format!("/runs/{run}/candidates/{iteration}"))
                    .await?;
                let texts = candidate["components"].as_object();
                texts.cloned().ok_or_else(missing)
            }
        }
    }
}

async fn request(
    arguments: &SteerArguments,
    environment: &Environment,
    texts: Texts<'_>,
) -> Result<SteerRequest, CommandError> {
    let mut request = SteerRequest {
        act: name_of(&arguments.act).to_owned(),
        who: person(arguments.who.as_deref(), environment),
        why: arguments.why.clone(),
        ..SteerRequest::default()
    };
    match &arguments.act {
        Act::Inject(inject) => {
            let InjectArguments {
                file,
                component,
                parent,
                straight,
            } = inject;
            let name = component_of(component.as_deref(), &texts.best().await?)?;
            request.components = Some(Map::from_iter([(name, json!(read_text(file)?))]));
            request.gated = Some(!straight);
            request.parent = *parent;
        }
        Act::Edit(EditArguments {
            component,
            straight,
        }) => {
            let best = texts.best().await?;
            let name = component_of(component.as_deref(), &best)?;
            let before = best[&name].as_str().unwrap_or_default();
            let after = edited(before, environment)?;
            if after == before {
                return Err(CommandError::Usage(
                    "the text was not changed, and nothing is done".to_owned(),
                ));
            }
            request.components = Some(Map::from_iter([(name, json!(after))]));
            request.gated = Some(!straight);
        }
        Act::Veto { candidate } => request.candidate = Some(*candidate),
        Act::Hint { text } => request.text = Some(text.clone()),
        Act::Exclude { example } => request.example = Some(example_of(example)),
        Act::Pause | Act::Resume | Act::Stop => {}
        Act::Extend(extend) => request.limits = Some(limits(extend)),
    }
    Ok(request)
}

/// Numbers name generated examples, other texts those of a dataset.
fn example_of(text: &str) -> ExampleId {
    let number: Result<u64, _> = text.parse();
    number.map_or_else(|_| ExampleId::from(text), ExampleId::from)
}

fn component_of(named: Option<&str>, texts: &Map<String, Value>) -> Result<String, CommandError> {
    let quoted: Vec<String> = texts.keys().map(|name| format!("`{name}`")).collect();
    let listed = quoted.join(", ");
    match (named, texts.keys().next()) {
        (Some(name), _) if texts.contains_key(name) => Ok(name.to_owned()),
        (Some(name), _) => Err(CommandError::Usage(format!(
            "the run has no component `{name}`; it has {listed}"
        ))),
        (None, Some(only)) if texts.len() == 1 => Ok(only.clone()),
        (None, _) => Err(CommandError::Usage(format!(
            "the run has the components {listed}; name one with --component"
        ))),
    }
}

fn limits(extend: &ExtendArguments) -> BTreeMap<String, Value> {
    let all = [
        ("max_rollouts", json!(extend.max_rollouts)),
        ("max_reflection_calls", json!(extend.max_reflection_calls)),
        ("max_tokens", json!(extend.max_tokens)),
        ("max_cost_usd", json!(extend.max_cost_usd)),
        ("max_seconds", json!(extend.max_seconds)),
        ("max_iterations", json!(extend.max_iterations)),
        ("max_candidates", json!(extend.max_candidates)),
    ];
    let given = all.into_iter().filter(|(_, value)| !value.is_null());
    given.map(|(key, value)| (key.to_owned(), value)).collect()
}

fn read_text(file: &Path) -> Result<String, CommandError> {
    let unreadable = |error: &dyn std::fmt::Display| {
        CommandError::Usage(format!("cannot read {}: {error}", file.display()))
    };
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin()
            .take(MOST_BYTES + 1)
            .read_to_string(&mut text)
    } else {
        open_named(file).and_then(|opened| opened.take(MOST_BYTES + 1).read_to_string(&mut text))
    };
    read.map_err(|error| unreadable(&error))?;
    if text.len() as u64 > MOST_BYTES {
        return Err(unreadable(&format!("it is larger than {MOST_BYTES} bytes")));
    }
    let text = text.trim_end_matches(['\n', '\r']);
    if text.trim().is_empty() {
        return Err(unreadable(&"it is empty"));
    }
    Ok(text.to_owned())
}

/// The text after the user edited it.
fn edited(before: &str, environment: &Environment) -> Result<String, CommandError> {
    let editor = ["VISUAL", "EDITOR"];
    let editor = editor.iter().find_map(|name| environment.get(name));
    let editor = editor.unwrap_or("vi");
    let file = EditedFile::new(before)?;
    // An editor may be given with options, such as `code --wait`.
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or("vi");
    let status = Command::new(program).args(words).arg(&file.0).status();
    let failed = |why: String| {
        CommandError::Usage(format!(
            "the editor `{editor}` {why}; set EDITOR to another one, or use `gepa steer RUN inject FILE`"
        ))
    };
    let status = status.map_err(|error| failed(format!("did not start: {error}")))?;
    if !status.success() {
        return Err(failed("failed".to_owned()));
    }
    read_text(&file.0)
}

/// A file that is removed when the text has been read.
struct EditedFile(PathBuf);

impl EditedFile {
    fn new(text: &str) -> Result<Self, CommandError> {
        let name = format!(
            "gepa-{}.txt",
            gepa_engine::RunId::fresh(gepa_engine::Timestamp::now())
        );
        let path = std::env::temp_dir().join(name);
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        let written = options
            .open(&path)
            .and_then(|mut file| file.write_all(format!("{text}\n").as_bytes()));
        written.map_err(|error| {
            CommandError::Usage(format!("cannot write {}: {error}", path.display()))
        })?;
        Ok(Self(path))
    }
}

impl Drop for EditedFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
