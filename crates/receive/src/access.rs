//! Tokens: which there are, and which a sender shows, in the form of its protocol.

use std::fmt;

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use ring::digest::{SHA256, digest};
use subtle::{Choice, ConstantTimeEq as _};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The tokens that open a receiver; by default none is needed. Only what they hash to is in memory.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Tokens(Option<Vec<[u8; 32]>>);

impl fmt::Debug for Tokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Tokens({:?})", self.0.as_ref().map(Vec::len))
    }
}

/// What became of the question who somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Granted,
    /// No token was shown.
    Missing,
    /// What was shown is no token of ours.
    Wrong,
}

impl Tokens {
    /// One of these is needed; where there is none of them, nobody is let in.
    pub fn new<'a>(tokens: impl IntoIterator<Item = &'a str>) -> Self {
        Self(Some(tokens.into_iter().map(hash).collect()))
    }

    /// Judges a header `Authorization`, and a token that came in another way. How long it takes does not tell
    /// which token was nearly right.
    pub fn judge(&self, authorization: Option<&str>, other: Option<&str>) -> Access {
        let Some(tokens) = &self.0 else { return Access::Granted };
        let shown: Vec<String> = authorization.map(shown).unwrap_or_default();
        let mut shown = shown.iter().map(String::as_str).chain(other).peekable();
        if shown.peek().is_none() {
            return Access::Missing;
        }
        let is_one = shown.fold(Choice::from(0), |is_one, token| {
            let hash = hash(token);
            tokens.iter().fold(is_one, |is_one, known| is_one | known.as_slice().ct_eq(&hash))
        });
        if bool::from(is_one) { Access::Granted } else { Access::Wrong }
    }
}

fn hash(token: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    hash
}

/// The tokens that a header may mean: `Bearer T`, `Splunk T`, the password of `Basic`, and of `ApiKey` the key
/// as it is and what is behind its id.
fn shown(authorization: &str) -> Vec<String> {
    let authorization = authorization.trim();
    let (scheme, value) = authorization.split_once(' ').unwrap_or((authorization, ""));
    let value = value.trim();
    let behind_colon = || {
        let decoded = String::from_utf8(BASE64.decode(value).ok()?).ok()?;
        Some(decoded.split_once(':')?.1.to_owned())
    };
    let is = |name: &str| scheme.eq_ignore_ascii_case(name);
    if is("bearer") || is("splunk") {
        vec![value.to_owned()]
    } else if is("basic") {
        behind_colon().into_iter().collect()
    } else if is("apikey") {
        behind_colon().into_iter().chain([value.to_owned()]).collect()
    } else {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_in_every_form() {
        let tokens = Tokens::new(["hush", "other"]);
        let check = |authorization: &str, expected| {
            assert_eq!(tokens.judge(Some(authorization), None), expected, "{authorization}");
        };
        check("Bearer hush", Access::Granted);
        check("bearer  other ", Access::Granted);
        check("Splunk hush", Access::Granted);
        check("Basic dTpodXNo", Access::Granted); // u:hush
        check("ApiKey aWQ6aHVzaA==", Access::Granted); // id:hush
        check("ApiKey hush", Access::Granted);
        check("Bearer hus", Access::Wrong);
        check("Basic aHVzaA==", Access::Missing); // hush
        check("hush", Access::Missing);
        check("", Access::Missing);
        assert_eq!(tokens.judge(None, None), Access::Missing);
        assert_eq!(tokens.judge(None, Some("hush")), Access::Granted);
        assert_eq!(tokens.judge(Some("Bearer x"), Some("y")), Access::Wrong);
        assert_eq!(Tokens::default().judge(None, None), Access::Granted);
        assert_eq!(Tokens::new([]).judge(Some("Bearer "), None), Access::Wrong);
        assert_eq!(format!("{tokens:?}"), "Tokens(Some(2))");
    }
}
