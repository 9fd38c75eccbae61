//! Enums whose values have names: the words of the command line, of arms, and of settings and headers on disk.

/// An enum of which each value has a name.
pub trait Words: Copy + PartialEq + 'static {
    /// Each value, its name, and what it is in a line.
    const WORDS: &'static [(Self, &'static str, &'static str)];

    /// The value's name.
    fn name(self) -> &'static str {
        Self::WORDS.iter().find(|(value, ..)| *value == self).expect("every value has a name").1
    }

    /// The value of a name.
    fn of_name(name: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(_, word, _)| *word == name).map(|(value, ..)| *value)
    }
}

/// Defines an enum with a name for each value, by which it is displayed and serialised: [`Words`]. `default VALUE` may follow.
macro_rules! words {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[doc = $help:literal])+ $value:ident = $word:literal,)+ }
        $(default $default:ident)?
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        $vis enum $name { $($(#[doc = $help])+ $value,)+ }

        impl $crate::words::Words for $name {
            const WORDS: &'static [($name, &'static str, &'static str)] =
                &[$(($name::$value, $word, concat!($($help),+))),+];
        }

        $(impl Default for $name {
            fn default() -> $name {
                $name::$default
            }
        })?

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad($crate::words::Words::name(*self))
            }
        }

        #[cfg(feature = "gan")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str($crate::words::Words::name(*self))
            }
        }

        #[cfg(feature = "gan")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                let word = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                $crate::words::Words::of_name(&word).ok_or_else(|| {
                    serde::de::Error::unknown_variant(&word, &[$($word),+])
                })
            }
        }
    };
}

pub(crate) use words;
