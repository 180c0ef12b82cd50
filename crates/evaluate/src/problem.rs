//! Why something cannot be done, as a message that is worded when its reader's language is known.

use model::message::{Language, render};

/// A code of the message catalogue and what goes into its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub code: &'static str,
    pub params: Vec<(&'static str, String)>,
}

impl Problem {
    pub(crate) fn new<const N: usize>(
        code: &'static str,
        params: [(&'static str, &dyn ToString); N],
    ) -> Self {
        let params = params.map(|(name, value)| (name, value.to_string()));
        Self { code, params: params.into() }
    }

    #[must_use]
    pub fn render(&self, language: Language) -> String {
        render(self.code, &self.params, language)
    }
}
