//! What ties a transferred generator to the source's, class by class: what both make of the same latents is to be of the same class, as far as
//! a classifier that learned on the source and went on on the target can say.
//!
//! `w E_z[KL(p_s || p_t)]`, p_s what the classifier says of G_s(z) and p_t of G_t(z), over the latents for which it is sure of the former. Of
//! p_s nothing is differentiated, so that this is the cross-entropy of p_t, up to a constant. Each side goes through the frozen
//! classifier by the statistics of its own batch, as the domains did when it learned.

use crate::classifier::Classifier;
use crate::nn::Mode;
use crate::options::{About, Range, Takes};
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
/// Statistics that a pass leaves as they are.
const UNTRACKED: Mode = Mode::Train { momentum: 0.0 };

/// The term of the generator's loss, a scalar, of images `[n, h, w, c]` of both sides; 0 where the classifier is sure of none of the source's.
pub(super) fn term(classifier: &Classifier, source: &Tensor, target: &Tensor, weight: f64) -> Tensor {
    let wanted = no_grad(|| {
        let said = classifier.forward(source, UNTRACKED).logits.softmax(1);
        let sure = (said.max_axes(&[1], true) - SURE).step();
        said * sure
    });
    classifier.forward(target, UNTRACKED).logits.cross_entropy_with(&wanted) * weight
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
        let device = Device::cpu();
        let classifier = Classifier::new(&device, &DESIGN, 2, 3, Network::Predictor);
        let values =
            |shift: usize| (0..4 * 256).map(|i| ((i * 31 + shift) % 17) as f32 / 8.5 - 1.0).collect::<Vec<_>>();
        let [source, target] = [0, 5].map(|shift| Tensor::from_slice(&device, &values(shift), [4, 16, 16, 1]));
        // As it is drawn it is sure of nothing.
        assert_eq!(term(&classifier, &source, &target, 1.0).item().unwrap(), 0.0);
        // Sharper, it is sure of its own classes.
        let weight = classifier.parameters().into_iter().find(|p| p.name().ends_with("linear.weight"));
        let last = weight.or(classifier.parameters().into_iter().rev().nth(1)).unwrap();
        let shape = last.get().shape().to_vec();
        let sharp: Vec<f32> = (0..last.get().len()).map(|i| if i % 2 == 0 { 40.0 } else { -40.0 }).collect();
        last.set(Tensor::from_slice(&device, &sharp, &shape));
        let tied = term(&classifier, &source, &target, 1.0);
        assert!(tied.item().unwrap() > 0.0);
        let twice = term(&classifier, &source, &target, 2.0);
        assert!((twice.item().unwrap() - 2.0 * tied.item().unwrap()).abs() < 1e-4);
        let slopes = grad(tied, &[&target, &source]);
        assert!(slopes[1].to_vec::<f32>().unwrap().iter().all(|&slope| slope == 0.0), "the source's side is given");
        let own = term(&classifier, &source, &source, 1.0).item().unwrap();
        assert!(own < 0.4, "sides that are alike agree: {own}");
    }
}
