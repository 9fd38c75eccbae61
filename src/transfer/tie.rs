//! What ties a transferred generator to the source's, class by class: what both make of the same latents is to be of the same class, as far as
//! a classifier that learned on the source and went on on the target can say.
//!
//! `w E_z[KL(p_s || p_t)]`, p_s what the classifier says of G_s(z) and p_t of G_t(z), over the latents for which it is sure of the former. Of
//! p_s nothing is differentiated, so that this is the cross-entropy of p_t, up to a constant. Each side goes through the frozen
//! classifier by the statistics of its own batch, as the domains did when it learned.

use crate::classifier::Classifier;
use crate::error::Result;
use crate::gan::Generator;
use crate::nn::Mode;
use crate::options::{About, Range, Takes};
use crate::random::{Purpose, generator, normal};
use crate::tensor::{Tensor, no_grad};

/// The option of methods that have it.
pub(super) const AGREE: About = About {
    name: "agree",
    value: "WEIGHT",
    takes: Takes::Number(Range::NotNegative),
    default: "0",
    help: "Weight of the divergence of what the label predictor says of both generators' images of the same latents; 0 for none",
};

/// Less sure than this of the source's side, a latent ties nothing.
const SURE: f64 = 0.9;
/// Latents of which it is said how many tie.
const SAID: usize = 512;
const BATCH: usize = 64;

/// How many latents tie both generators, in a sentence: neither the source's nor the classifier changes any more.
///
/// # Errors
/// The device's first failure.
pub(super) fn note(classifier: &Classifier, source: &Generator, latent: usize, seed: u64) -> Result<String> {
    let device = source.parameters()[0].device();
    let key = (seed, Purpose::SampleLatents, 0);
    let mut tied = 0;
    for start in (0..SAID).step_by(BATCH) {
        let rows = normal(&mut generator(seed, Purpose::SampleLatents, 0, start as u64), BATCH * latent);
        let latents = Tensor::from_slice(&device, &rows, [BATCH, latent]);
        let most = no_grad(|| {
            let condition = source.conditions().draw(&device, key, start, BATCH, None);
            let images = source.forward(&latents, condition.as_ref(), Mode::UNTRACKED);
            classifier.forward(&images, Mode::UNTRACKED).logits.softmax(1).max_axes(&[1], false)
        });
        tied += most.to_vec::<f64>()?.into_iter().filter(|&share| share > SURE).count();
    }
    let how = if tied == 0 { "none: nothing is tied".to_string() } else { format!("{tied}, which are tied") };
    Ok(format!("agree: of {SAID} latents the label predictor is surer than {SURE} of the source's side of {how}"))
}

/// The term of the generator's loss, a scalar, of images `[n, h, w, c]` of both sides; 0 where the classifier is sure of none of the source's.
pub(super) fn term(classifier: &Classifier, source: &Tensor, target: &Tensor, weight: f64) -> Tensor {
    let wanted = no_grad(|| {
        let said = classifier.forward(source, Mode::UNTRACKED).logits.softmax(1);
        let sure = (said.max_axes(&[1], true) - SURE).step();
        said * sure
    });
    classifier.forward(target, Mode::UNTRACKED).logits.cross_entropy_with(&wanted) * weight
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;
    use crate::classifier::{Design, Input};
    use crate::grad;
    use crate::nn::NormKind;
    use crate::random::Network;

    const DESIGN: Design = Design { size: 16, channels: 1, width: 4, norm: NormKind::Batch, input: Input::Channels };

    #[test]
    fn sides_are_tied_where_the_classifier_is_sure_of_the_sources() {
        let device = Device::reference();
        let classifier = Classifier::new(&device, &DESIGN, 2, 3, Network::Predictor);
        let images = |seed: u64| {
            let values = normal(&mut generator(seed, Purpose::Latents, 0, 0), 12 * 256);
            Tensor::from_slice(&device, &values, [12, 16, 16, 1]).tanh()
        };
        let [source, target] = [1, 2].map(images);
        // As it is drawn it is sure of nothing.
        assert_eq!(term(&classifier, &source, &target, 1.0).item().unwrap(), 0.0);
        // Sharper, of some images.
        for parameter in classifier.parameters().into_iter().rev().take(2) {
            let shape = parameter.get().shape().to_vec();
            let count = parameter.get().len();
            let values: Vec<f64> = normal(&mut generator(5, Purpose::Weights, 0, count as u64), count)
                .into_iter()
                .map(|v| 4.0 * f64::from(v))
                .collect();
            parameter.set(Tensor::from_slice(&device, &values, &shape));
        }
        let rows = |images: &Tensor| {
            let logits = classifier.forward(images, Mode::UNTRACKED).logits.log_softmax(1);
            logits.to_vec::<f64>().unwrap().chunks_exact(2).map(<[f64]>::to_vec).collect::<Vec<_>>()
        };
        let (said, found) = (rows(&source), rows(&target));
        let is_sure = |row: &[f64]| row.iter().any(|share| share.exp() > SURE);
        let sure = said.iter().filter(|row| is_sure(row)).count();
        assert!((1..12).contains(&sure), "the test looks at both kinds: {said:?}");
        let each = said.iter().zip(&found).filter(|(row, _)| is_sure(row));
        let expected: f64 =
            each.map(|(s, t)| -s.iter().zip(t).map(|(s, t)| s.exp() * t).sum::<f64>()).sum::<f64>() / 12.0;
        let tied = term(&classifier, &source, &target, 3.0);
        assert!((tied.item().unwrap() - 3.0 * expected).abs() < 1e-9, "{tied:?}, not 3 times {expected}");
        let slopes = grad(tied, &[&target, &source]);
        let most = |slopes: &Tensor| slopes.to_vec::<f64>().unwrap().into_iter().map(f64::abs).fold(0.0, f64::max);
        assert!(most(&slopes[0]) > 0.0 && most(&slopes[1]) == 0.0, "the source's side is given");
    }
}
