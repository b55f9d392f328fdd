//! Which plant is in: none, or the one that the environment names.

use crate::Plant;

/// Whether the bug of this name is planted: see [`Plant`].
#[macro_export]
macro_rules! planted {
    ($name:ident) => {
        $crate::Plant::$name.is_planted()
    };
}

#[cfg(not(feature = "on"))]
impl Plant {
    /// False: no bug is planted in this build.
    #[inline(always)]
    #[must_use]
    pub const fn is_planted(self) -> bool {
        false
    }
}

#[cfg(feature = "on")]
impl Plant {
    /// True if the environment variable `PONDHAWK_PLANT`, which is read once, names this bug.
    ///
    /// # Panics
    /// If it names a bug that there is not: a test of that would show nothing.
    #[must_use]
    pub fn is_planted(self) -> bool {
        static CHOSEN: std::sync::OnceLock<Option<Plant>> = std::sync::OnceLock::new();
        *CHOSEN.get_or_init(|| {
            let name = std::env::var("PONDHAWK_PLANT").ok().filter(|name| !name.is_empty())?;
            let plant = Plant::ALL.iter().find(|plant| plant.name() == name);
            Some(*plant.unwrap_or_else(|| panic!("PONDHAWK_PLANT: there is no plant `{name}`")))
        }) == Some(self)
    }
}

#[cfg(test)]
mod tests {
    use crate::Plant;

    #[test]
    fn names_are_unique_and_nothing_is_planted_by_itself() {
        for (at, plant) in Plant::ALL.iter().enumerate() {
            assert!(Plant::ALL[..at].iter().all(|other| other.name() != plant.name()), "{plant:?}");
            assert!(!plant.place().is_empty() && !plant.what().is_empty() && !plant.breaks().is_empty());
        }
        // With the feature one may have been asked for.
        let planted = Plant::ALL.iter().filter(|plant| plant.is_planted()).count();
        assert!(planted <= usize::from(cfg!(feature = "on")));
    }
}
