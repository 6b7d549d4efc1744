//! Config files beside their data, in folders of their own.

use std::path::Path;

use gepa_configs::{ConfigError, ConfigSource, Dialects, TaskConfig};
use gepa_models::Environment;

/// A data set of 6 rows, two for each set, and what is wrong with a task over it.
pub(crate) struct Task<'t> {
    pub(crate) file: &'t str,
    pub(crate) data: &'t str,
    /// Further lines of `[dataset]`.
    pub(crate) dataset: &'t str,
    pub(crate) system: &'t str,
    pub(crate) user: &'t str,
    pub(crate) scorer: &'t str,
}

impl Default for Task<'_> {
    fn default() -> Self {
        Self {
            file: "data.csv",
            data: "text,answer\na,1\nb,2\nc,3\nd,4\ne,5\nf,6\n",
            dataset: "",
            system: "Answer.",
            user: "{text}",
            scorer: "kind = 'exact'",
        }
    }
}

impl Task<'_> {
    pub(crate) fn load(&self) -> Result<TaskConfig, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(self.file), self.data).unwrap();
        self.load_in(folder.path())
    }

    pub(crate) fn load_in(&self, folder: &Path) -> Result<TaskConfig, ConfigError> {
        self.edited_in(folder, |config| config)
    }

    /// Loads the config after `edit` has changed its text.
    pub(crate) fn edited_in(
        &self,
        folder: &Path,
        edit: impl FnOnce(String) -> String,
    ) -> Result<TaskConfig, ConfigError> {
        let config = format!(
            "[dataset]\npath = '{}'\n{}\n[dataset.split]\ntrain = {{ count = 2 }}\n\
             pareto = {{ count = 2 }}\nvalidation = {{ count = 2 }}\n\
             [[prompt.messages]]\nrole = 'system'\ncomponent = 'instruction'\npattern = '{}'\n\
             [[prompt.messages]]\nrole = 'user'\npattern = '{}'\n\
             [scorer]\n{}\n[policy]\nprovider = 'rulebook'\nmodel = 'rulebook'\n\
             [search]\nminibatch_size = 2\n[budget]\nmax_rollouts = 100\n",
            self.file, self.dataset, self.system, self.user, self.scorer
        );
        let file = folder.join("config.toml");
        std::fs::write(&file, edit(config)).unwrap();
        let no_dialects: Dialects = &[];
        ConfigSource {
            file: &file,
            environment: &Environment::default(),
            overrides: &[],
            dialects: no_dialects,
        }
        .load()
    }

    /// The task is refused in words that hold all of `parts`.
    pub(crate) fn refused(&self, parts: &[&str]) {
        let message = self.load().unwrap_err().to_string();
        for part in parts {
            assert!(message.contains(part), "`{part}` is not in: {message}");
        }
    }
}
