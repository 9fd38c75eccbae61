//! How storages take memory and give it back, without any memory.

/// What a [`Ledger`] gave: where it stands, in units of the ledger's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Where it begins, where the ledger has places.
    pub place: Option<usize>,
    /// How much it is.
    pub size: usize,
}

/// A device's rules of taking memory and giving it back.
pub trait Ledger: Send {
    /// Takes memory for so many elements.
    fn take(&mut self, length: usize) -> Extent;

    /// Gives it back.
    fn give(&mut self, extent: Extent);

    /// The most bytes that were held so far.
    fn peak(&self) -> u64;
}

/// Memory that is held as long as it is in use, and no more than was asked for.
pub(in crate::backend) struct Plain {
    element: usize,
    live: usize,
    peak: usize,
}

impl Plain {
    /// For elements of so many bytes.
    pub(in crate::backend) fn new(element: usize) -> Plain {
        Plain { element, live: 0, peak: 0 }
    }
}

impl Ledger for Plain {
    fn take(&mut self, length: usize) -> Extent {
        let size = length * self.element;
        self.live += size;
        self.peak = self.peak.max(self.live);
        Extent { place: None, size }
    }

    fn give(&mut self, extent: Extent) {
        self.live -= extent.size;
    }

    fn peak(&self) -> u64 {
        self.peak as u64
    }
}
