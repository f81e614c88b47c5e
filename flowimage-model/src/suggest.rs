//! "Did you mean": the known word that a mistyped one probably stands for.

/// The candidate most like `word`, or `None` where none is near enough to be more help than noise.
///
/// Near is Jaro-Winkler at 0.8 or more without regard to case, clap's measure and close to its limit, and for words
/// of three letters and less one edit at most.
pub fn suggest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const NEAR: f64 = 0.8;
    const LONGEST: usize = 64;
    if word.is_empty() || word.len() > LONGEST {
        return None;
    }
    let word = word.to_lowercase();
    let mut best = None;
    let mut best_score = NEAR;
    for candidate in candidates {
        let known = candidate.to_lowercase();
        let short = word.chars().count().min(known.chars().count()) <= 3;
        if short && strsim::damerau_levenshtein(&word, &known) > 1 {
            continue;
        }
        let score = if short {
            NEAR + strsim::jaro_winkler(&word, &known)
        } else {
            strsim::jaro_winkler(&word, &known)
        };
        if score > best_score || (best.is_none() && score >= NEAR) {
            best = Some(candidate);
            best_score = score;
        }
    }
    best
}

/// What to write in place of a word that is none of these: the one it is most like, else any of them.
pub(crate) fn instead(word: &str, known: &[&str]) -> String {
    match suggest(word, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("expected one of: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_word_meant() {
        let known = [
            "RUN",
            "COPY",
            "ENTRYPOINT",
            "ENV",
            "EXPOSE",
            "FROM",
            "registry_url",
        ];
        for (typed, meant) in [
            ("RUNN", "RUN"),
            ("run", "RUN"),
            ("COPPY", "COPY"),
            ("ENTRYPONT", "ENTRYPOINT"),
            ("FORM", "FROM"),
            ("EXPOSES", "EXPOSE"),
            ("registry", "registry_url"),
            ("ENVV", "ENV"),
        ] {
            assert_eq!(suggest(typed, known), Some(meant), "{typed}");
        }
    }

    #[test]
    fn is_silent_where_nothing_is_near() {
        for typed in ["", "banana", "xyz", &"R".repeat(1000)] {
            assert_eq!(suggest(typed, ["RUN", "COPY"]), None, "{typed}");
        }
    }
}
