//! Ranks: processes, or threads, that train one network together. Each has its rows of every batch; what belongs to the whole batch, as the
//! statistics of batch normalisation and the gradients, is summed over all of them.
//!
//! Sums have one order, that of ranks, so that as many ranks always find the same bits; one alone computes what it would without all this. A
//! [`Link`] is what carries bytes between them: MPI with the feature `mpi`, or [`threads`] of one process.

#[cfg(feature = "mpi")]
pub mod mpi;
mod threads;

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytemuck::Pod;

use crate::backend::HostVec;

pub use threads::threads;

/// What carries bytes between ranks. Every rank makes the same calls in the same order.
pub trait Link: Send + Sync {
    /// This rank, from 0.
    fn rank(&self) -> usize;

    /// How many there are.
    fn count(&self) -> usize;

    /// Gives everybody's bytes, as many of each rank, in the order of ranks.
    fn all_gather(&self, own: &[u8]) -> Vec<u8>;

    /// Gives part `k` of everybody's bytes to rank `k`: of as many parts as there are ranks, all of one length. Gives what this rank was
    /// given, in the order of ranks.
    fn all_to_all(&self, own: &[u8]) -> Vec<u8>;
}

/// The ranks that train together; or one alone.
#[derive(Clone, Default)]
pub struct Ranks(Option<Arc<dyn Link>>);

/// What a thread works as.
#[derive(Default)]
struct Place {
    ranks: Ranks,
    /// Whether its batches are its rows of larger ones.
    sharing: bool,
}

thread_local! {
    static PLACE: RefCell<Place> = const { RefCell::new(Place { ranks: Ranks(None), sharing: false }) };
}

/// The ranks among which this thread is one: see [`Ranks::within`].
pub fn current() -> Ranks {
    PLACE.with_borrow(|place| place.ranks.clone())
}

/// The ranks whose rows of one batch this thread computes just now: see [`Ranks::sharing`]. None where a batch is whole.
pub(crate) fn shared() -> Option<Ranks> {
    PLACE.with_borrow(|place| (place.sharing && !place.ranks.is_alone()).then(|| place.ranks.clone()))
}

impl Place {
    /// Runs `work` in this place.
    fn hold<R>(self, work: impl FnOnce() -> R) -> R {
        struct Restore(Place);
        impl Drop for Restore {
            fn drop(&mut self) {
                PLACE.set(std::mem::take(&mut self.0));
            }
        }
        let _restore = Restore(PLACE.replace(self));
        work()
    }
}

impl Ranks {
    /// Those of a link; one alone where it links no others.
    pub fn of(link: Arc<dyn Link>) -> Ranks {
        Ranks(Some(link).filter(|link| link.count() > 1))
    }

    /// Whether there are no others.
    pub fn is_alone(&self) -> bool {
        self.0.is_none()
    }

    /// This rank, from 0.
    pub fn rank(&self) -> usize {
        self.0.as_ref().map_or(0, |link| link.rank())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.as_ref().map_or(1, |link| link.count())
    }

    /// This rank's rows of a batch that is split evenly.
    pub fn rows(&self, batch: usize) -> Range<usize> {
        let each = batch / self.count();
        self.rank() * each..(self.rank() + 1) * each
    }

    /// Runs `work` as one of these ranks, its batches whole.
    pub fn within<R>(&self, work: impl FnOnce() -> R) -> R {
        Place { ranks: self.clone(), sharing: false }.hold(work)
    }

    /// Runs `work`, whose batches are this rank's rows of larger ones: batch normalisation takes the statistics of all rows, and gradients are
    /// the mean over ranks. Every rank does the same at the same time.
    pub fn sharing<R>(&self, work: impl FnOnce() -> R) -> R {
        Place { ranks: self.clone(), sharing: true }.hold(work)
    }

    /// Sums each element over ranks, in their order.
    pub fn sum(&self, values: HostVec) -> HostVec {
        match (&self.0, values) {
            (None, values) => values,
            (Some(link), HostVec::F32(values)) => HostVec::F32(sum(&**link, values)),
            (Some(link), HostVec::F64(values)) => HostVec::F64(sum(&**link, values)),
        }
    }

    /// Whether any rank says so.
    pub fn any(&self, own: bool) -> bool {
        self.0.as_ref().map_or(own, |link| link.all_gather(&[u8::from(own)]).contains(&1))
    }

    /// Everybody's text, in the order of ranks.
    pub fn texts(&self, own: &str) -> Vec<String> {
        self.bytes(own.as_bytes()).iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }

    /// The first rank whose text is not that of rank 0.
    pub fn odd_one(&self, own: &str) -> Option<usize> {
        let texts = self.texts(own);
        texts.iter().position(|text| *text != texts[0])
    }

    /// Everybody's bytes, however many, in the order of ranks.
    pub fn bytes(&self, own: &[u8]) -> Vec<Vec<u8>> {
        let Some(link) = &self.0 else { return vec![own.to_vec()] };
        let lengths = link.all_gather(&(own.len() as u64).to_le_bytes());
        let length = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes")) as usize;
        let lengths: Vec<usize> = lengths.chunks_exact(size_of::<u64>()).map(length).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        if longest == 0 {
            return vec![Vec::new(); lengths.len()];
        }
        let mut padded = own.to_vec();
        padded.resize(longest, 0);
        let all = link.all_gather(&padded);
        all.chunks_exact(longest).zip(lengths).map(|(bytes, length)| bytes[..length].to_vec()).collect()
    }

    /// The bytes of rank 0.
    pub fn of_first(&self, own: &[u8]) -> Vec<u8> {
        self.bytes(if self.rank() == 0 { own } else { &[] }).swap_remove(0)
    }
}

/// Up to so many bytes everybody gets everything and adds it up; more are added up in parts, one a rank, and handed on.
const FEW: usize = 16 << 10;

fn sum<T: Pod + std::ops::AddAssign>(link: &dyn Link, mut values: Vec<T>) -> Vec<T> {
    let (count, length) = (link.count(), values.len());
    if length == 0 {
        return values;
    }
    if length * size_of::<T>() <= FEW {
        return added(&link.all_gather(bytemuck::cast_slice(&values)), length);
    }
    let part = length.div_ceil(count);
    values.resize(part * count, T::zeroed());
    let given = link.all_to_all(bytemuck::cast_slice(&values));
    let mut whole: Vec<T> =
        bytemuck::pod_collect_to_vec(&link.all_gather(bytemuck::cast_slice(&added::<T>(&given, part))));
    whole.truncate(length);
    whole
}

/// The sum of as many runs of elements as there are, from the first to the last.
fn added<T: Pod + std::ops::AddAssign>(bytes: &[u8], length: usize) -> Vec<T> {
    let all: Vec<T> = bytemuck::pod_collect_to_vec(bytes);
    let mut sum = all[..length].to_vec();
    for values in all[length..].chunks_exact(length) {
        sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += *value);
    }
    sum
}

impl fmt::Debug for Ranks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rank {} of {}", self.rank(), self.count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each of so many ranks finds.
    fn each<R: Send>(count: usize, work: impl Fn(&Ranks) -> R + Sync) -> Vec<R> {
        let ranks = threads(count);
        std::thread::scope(|scope| {
            let running: Vec<_> = ranks.iter().map(|ranks| scope.spawn(|| work(ranks))).collect();
            running.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    #[test]
    fn sums_are_those_in_the_order_of_ranks_however_long() {
        let value =
            |rank: usize, index: usize| ((rank * 31 + index * 7) as f32).sin() * 10f32.powi(rank as i32 * 3 - 4);
        for count in [1, 2, 3, 4] {
            for length in [0, 1, 5, 4096, 4097, 10_001] {
                let own = |rank: usize| (0..length).map(|index| value(rank, index)).collect::<Vec<f32>>();
                let expected: Vec<f32> = (0..length)
                    .map(|index| (1..count).fold(value(0, index), |sum, rank| sum + value(rank, index)))
                    .collect();
                for found in each(count, |ranks| ranks.sum(HostVec::F32(own(ranks.rank())))) {
                    let HostVec::F32(found) = found else { panic!("another precision") };
                    assert!(found == expected, "{count} ranks, {length} elements");
                }
            }
        }
    }

    #[test]
    fn wishes_texts_and_bytes_reach_everybody() {
        assert_eq!(each(3, |ranks| ranks.any(ranks.rank() == 2)), [true; 3]);
        assert_eq!(each(3, |ranks| ranks.any(false)), [false; 3]);
        for odd in each(3, |ranks| ranks.odd_one(if ranks.rank() == 1 { "b" } else { "aaa" })) {
            assert_eq!(odd, Some(1));
        }
        assert!(each(3, |ranks| ranks.odd_one("same")).iter().all(Option::is_none));
        assert_eq!(each(2, |ranks| ranks.of_first(&[7, 8])), [vec![7, 8], vec![7, 8]]);
        assert_eq!(
            each(2, |ranks| ranks.bytes(&vec![5; ranks.rank()])),
            [vec![vec![], vec![5]], vec![vec![], vec![5]]]
        );
        assert_eq!(each(4, |ranks| ranks.rows(12)), [0..3, 3..6, 6..9, 9..12]);
    }

    #[test]
    fn a_batch_is_shared_only_within() {
        assert!(current().is_alone() && shared().is_none());
        each(2, |ranks| {
            ranks.within(|| {
                assert!(current().count() == 2 && shared().is_none());
                ranks.sharing(|| {
                    assert_eq!(shared().unwrap().count(), 2);
                    // As while a kernel waits: a task of somebody else's that is done meanwhile is of no ranks, or of its own.
                    Ranks::default().within(|| {
                        assert!(current().is_alone() && shared().is_none());
                        ranks.within(|| assert!(shared().is_none()));
                    });
                    assert_eq!(shared().unwrap().count(), 2);
                });
                assert!(shared().is_none());
            });
            assert!(current().is_alone());
        });
        Ranks::default().sharing(|| assert!(shared().is_none(), "alone"));
    }
}
