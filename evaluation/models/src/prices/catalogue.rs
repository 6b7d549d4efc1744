//! A dated list of prices, as data that can be replaced.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde::Deserialize;

use crate::ModelSetupError;
use crate::endpoint::canonical_name;
use crate::settings::PriceSettings;
use crate::text_file::read_text;

/// Largest catalogue that is read from a file, in bytes.
const LARGEST_FILE: u64 = 16 << 20;

static BUILT_IN: LazyLock<PriceCatalogue> = LazyLock::new(|| {
    serde_json::from_str(include_str!("catalogue.json")).expect("a test reads the catalogue")
});

/// The prices of models on a given day.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct PriceCatalogue {
    /// The day up to which the prices were looked up, as `2025-12-31`.
    pub as_of: String,
    /// One row per model.
    pub prices: Vec<PriceSettings>,
}

/// A price file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PriceCatalogueError {
    /// The file cannot be read: correct the path or its permissions.
    #[error("cannot read the price file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is too large to be a price file.
    #[error("the price file {} has more than 16 MiB", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file is not a catalogue: give it `as_of` and a list `prices` with the keys of `[[prices]]`.
    #[error("the price file {} does not work: {source}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What is wrong, and in which line.
        source: serde_json::Error,
    },
    /// A price is out of range.
    #[error("the price file {} does not work: {source}", path.display())]
    Price {
        /// The file.
        path: PathBuf,
        /// Which price.
        source: ModelSetupError,
    },
}

impl PriceCatalogue {
    /// The catalogue this program was built with.
    pub fn built_in() -> &'static Self {
        &BUILT_IN
    }

    /// Reads a catalogue of the same form as the built-in one from a JSON file.
    pub fn read(path: &Path) -> Result<Self, PriceCatalogueError> {
        let read = |source| PriceCatalogueError::Read {
            path: path.to_owned(),
            source,
        };
        let size = std::fs::metadata(path).map_err(read)?.len();
        if size > LARGEST_FILE {
            let path = path.to_owned();
            return Err(PriceCatalogueError::TooLarge { path });
        }
        let text = read_text(path, LARGEST_FILE).map_err(read)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let catalogue: Self =
            serde_json::from_str(text).map_err(|source| PriceCatalogueError::Syntax {
                path: path.to_owned(),
                source,
            })?;
        for price in &catalogue.prices {
            price.check().map_err(|source| PriceCatalogueError::Price {
                path: path.to_owned(),
                source,
            })?;
        }
        Ok(catalogue)
    }

    /// The row of a provider's model; names with a date after them have the price of their family.
    pub fn find(&self, provider: &str, model: &str) -> Option<&PriceSettings> {
        row_of(provider, model, &self.prices)
    }
}

/// The row of a provider's model, under its name or under the name of its family.
pub(super) fn row_of<'p>(
    provider: &str,
    model: &str,
    rows: &'p [PriceSettings],
) -> Option<&'p PriceSettings> {
    let provider = canonical_name(provider);
    [model, without_date(model)].into_iter().find_map(|name| {
        rows.iter()
            .find(|row| canonical_name(&row.provider) == provider && row.model == name)
    })
}

/// `gpt-4o` for `gpt-4o-2024-08-06`, `gpt-4o-20240806` and `gpt-4o-latest`: dated releases cost what
/// their family costs.
fn without_date(model: &str) -> &str {
    const FORMS: [&str; 4] = ["-0000-00-00", "-00000000", "@00000000", "-latest"];
    FORMS
        .iter()
        .find_map(|form| {
            let start = model.len().checked_sub(form.len())?;
            let end = &model.as_bytes()[start..];
            let fits = end
                .iter()
                .zip(form.bytes())
                .all(|(byte, pattern)| match pattern {
                    b'0' => byte.is_ascii_digit(),
                    literal => *byte == literal,
                });
            fits.then(|| &model[..start])
        })
        .unwrap_or(model)
}
