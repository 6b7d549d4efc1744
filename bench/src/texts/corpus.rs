//! Public collections of labelled texts, read from the folder that holds them.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A collection of texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Corpus {
    /// Questions by the kind of their answer, six kinds.
    Trec,
    /// Messages that are spam or not.
    Sms,
    /// Messages to a bank by intent; the first ten intents by name.
    Banking10,
    /// The first thirty of them.
    Banking30,
}

/// No collection has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no collection of texts is called `{0}`; there are: trec, sms, banking10, banking30")]
pub struct UnknownCorpus(String);

/// Why a collection could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CorpusError {
    /// A file could not be read.
    #[error("{} could not be read; name the folder with the datasets", .0.display())]
    File(PathBuf, #[source] io::Error),
    /// A table is broken.
    #[error("{} is no table with the columns text and category", .0.display())]
    Table(PathBuf, #[source] csv::Error),
}

/// A text and its label.
pub(super) type Labelled = (String, String);

impl Corpus {
    /// All collections.
    pub const ALL: [Self; 4] = [Self::Trec, Self::Sms, Self::Banking10, Self::Banking30];

    /// The name used in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trec => "trec",
            Self::Sms => "sms",
            Self::Banking10 => "banking10",
            Self::Banking30 => "banking30",
        }
    }

    /// Its texts in lower case.
    pub(super) fn read(self, folder: &Path) -> Result<Vec<Labelled>, CorpusError> {
        match self {
            Self::Trec => trec(folder),
            Self::Sms => sms(folder),
            Self::Banking10 => banking(folder, 10),
            Self::Banking30 => banking(folder, 30),
        }
    }
}

impl fmt::Display for Corpus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Corpus {
    type Err = UnknownCorpus;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|corpus| corpus.as_str() == name);
        found.ok_or_else(|| UnknownCorpus(name.to_owned()))
    }
}

fn trec(folder: &Path) -> Result<Vec<Labelled>, CorpusError> {
    let mut rows = Vec::new();
    for name in ["TREC.train", "TREC.test"] {
        let path = folder.join("trec").join(name);
        let bytes = fs::read(&path).map_err(|error| CorpusError::File(path, error))?;
        // The file is in Latin-1, whose bytes are the code points.
        let text: String = bytes.into_iter().map(char::from).collect();
        let lines = text.lines().filter_map(|line| {
            let (label, text) = line.trim().split_once(' ')?;
            let (coarse, _) = label.split_once(':')?;
            Some((text.to_lowercase(), coarse.to_owned()))
        });
        rows.extend(lines);
    }
    Ok(rows)
}

fn sms(folder: &Path) -> Result<Vec<Labelled>, CorpusError> {
    let path = folder.join("sms_spam/sms.tsv");
    let text = fs::read_to_string(&path).map_err(|error| CorpusError::File(path, error))?;
    let lines = text.lines().filter_map(|line| {
        let (label, text) = line.split_once('\t')?;
        Some((text.to_lowercase(), label.to_owned()))
    });
    Ok(lines.collect())
}

fn banking(folder: &Path, intents: usize) -> Result<Vec<Labelled>, CorpusError> {
    let mut rows: Vec<Labelled> = Vec::new();
    for name in ["train.csv", "test.csv"] {
        let path = folder.join("banking77").join(name);
        let bytes = fs::read(&path).map_err(|error| CorpusError::File(path.clone(), error))?;
        let mut reader = csv::Reader::from_reader(bytes.as_slice());
        for row in reader.deserialize::<Labelled>() {
            let (text, label) = row.map_err(|error| CorpusError::Table(path.clone(), error))?;
            rows.push((text.to_lowercase(), label));
        }
    }
    let mut labels: Vec<String> = rows.iter().map(|(_, label)| label.clone()).collect();
    labels.sort_unstable();
    labels.dedup();
    labels.truncate(intents);
    rows.retain(|(_, label)| labels.contains(label));
    Ok(rows)
}
