//! What the adapter was given and is not known to have ended, the oldest first: a wait for it has a limit, and says what hangs.

use std::collections::VecDeque;
use std::time::Duration;

/// How long a card may take for one submission, once those before it have ended. Drivers give up on their own after seconds, where they do.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// And an adapter in software, on a machine that may have much else to do.
pub const PATIENCE_WITH_SOFTWARE: Duration = Duration::from_secs(600);

/// Submissions in their order.
#[derive(Default)]
pub struct Underway {
    submissions: VecDeque<Submission>,
    began: u64,
}

struct Submission {
    number: u64,
    index: wgpu::SubmissionIndex,
    kernels: Vec<&'static str>,
}

impl Underway {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.submissions.len()
    }

    /// Takes note of a submission of these kernels, in their order.
    pub fn began(&mut self, index: wgpu::SubmissionIndex, kernels: Vec<&'static str>) {
        self.began += 1;
        self.submissions.push_back(Submission { number: self.began, index, kernels });
    }

    /// The oldest: a number for [`Underway::ended`], and what to wait for.
    pub fn oldest(&self) -> Option<(u64, wgpu::SubmissionIndex)> {
        self.submissions.front().map(|oldest| (oldest.number, oldest.index.clone()))
    }

    /// Takes note that the submission of a number has ended, and so have those before it.
    pub fn ended(&mut self, number: u64) {
        while self.submissions.front().is_some_and(|oldest| oldest.number <= number) {
            self.submissions.pop_front();
        }
    }

    /// What to say where the oldest has not ended for so long.
    pub fn hung(&self, patience: Duration) -> String {
        let kernels = self.submissions.front().map_or("copies alone".to_string(), |oldest| listed(&oldest.kernels));
        format!(
            "the GPU has ended nothing for {} s; it was given {kernels}; restart the program, with a smaller batch where it happens again",
            patience.as_secs_f64()
        )
    }
}

/// Names in the order in which they first come, with how often they do.
fn listed(kernels: &[&'static str]) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for kernel in kernels {
        match counts.iter_mut().find(|(name, _)| name == kernel) {
            Some((_, count)) => *count += 1,
            None => counts.push((kernel, 1)),
        }
    }
    let one =
        |(name, count): (&str, usize)| if count == 1 { name.to_string() } else { format!("{count} times {name}") };
    match counts.is_empty() {
        true => "copies alone".to_string(),
        false => counts.into_iter().map(one).collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_listed_in_the_order_of_their_first_with_their_count() {
        assert_eq!(listed(&["matmul", "adam", "matmul", "fill"]), "2 times matmul, adam, fill");
        assert_eq!(listed(&[]), "copies alone");
    }
}
