//! Settings that 0.1 wrote are read, mean what they meant, and stand in headers as they stood.

use graft::run::Settings;
use graft::transfer::Plan;
use serde_json::json;

const PLAIN: &str = r#"
data = "synthetic:strokes"
subset = 40
subset-plain = false
steps = 4
device = "cpu"
threads = 1
checkpoint-every = 500
sample-every = 250
tensorboard = false

[recipe]
seed = 3
batch = 8
lr = 0.0002
d-lr = 0.0002
beta1 = 0.5
d-steps = 1
loss = "wasserstein-gp"
gp = 10.0
r1 = 0.0
augment = ["color", "cutout"]
ema = 0.995

[recipe.architecture]
size = 32
channels = 1
features = 4
latent = 8
classes = 0
d_norm = "layer"
"#;

/// The recipe in the header of that run's checkpoint.
const PLAIN_HEADER: &str = r#"{"architecture":{"channels":1,"classes":0,"d_norm":"layer","features":4,"latent":8,"size":32},"augment":["color","cutout"],"batch":8,"beta1":0.5,"d-lr":0.0002,"d-steps":1,"ema":0.995,"gp":10.0,"loss":"wasserstein-gp","lr":0.0002,"r1":0.0,"seed":3}"#;

const TRGAN: &str = r#"
source = "synthetic:strokes"
source-steps = 3
feature-steps = 3
target = "synthetic:street"
subset = 20
subset-plain = false
steps = 4
scratch = false
device = "cpu"
threads = 1
checkpoint-every = 500
sample-every = 250

[arm]
name = "trgan"
method = "trgan"

[arm.options]
allow-colour-blind = "false"
anchor = "l2sp"
anchor-weight = "auto"
d-init = "source"
freeze-d = "0"
lecam = "0.1"
lr = "0.0002"

[recipe]
seed = 3
batch = 8
lr = 0.0002
d-lr = 0.0002
beta1 = 0.5
d-steps = 1
loss = "non-saturating"
gp = 0.0
r1 = 1.0
augment = []
ema = 0.995

[recipe.architecture]
size = 32
channels = 3
features = 4
latent = 8
classes = 0
d_norm = "none"
"#;

/// The recipe in the header of that run's checkpoint, and its method's options.
const TRGAN_HEADER: [&str; 2] = [
    r#"{"architecture":{"channels":3,"classes":0,"d_norm":"none","features":4,"latent":8,"size":32},"augment":[],"batch":8,"beta1":0.5,"d-lr":0.0002,"d-steps":1,"ema":0.995,"gp":0.0,"lecam":0.1,"loss":"non-saturating","lr":0.0002,"r1":1.0,"seed":3}"#,
    r#"{"allow-colour-blind":"false","anchor":"l2sp","anchor-weight":"auto","d-init":"source","freeze-d":"0"}"#,
];

#[test]
fn settings_of_0_1_are_read_and_written_as_they_were() {
    let plain: Settings = toml::from_str(PLAIN).unwrap();
    plain.recipe.check().unwrap();
    assert_eq!(json!(plain.recipe).to_string(), PLAIN_HEADER);
    assert_eq!(toml::Table::try_from(&plain).unwrap(), PLAIN.parse::<toml::Table>().unwrap());

    let plan: Plan = toml::from_str(TRGAN).unwrap();
    plan.check().unwrap();
    let recipe = plan.arm.recipe(&plan.recipe).unwrap();
    let mut options = plan.arm.choices().unwrap().values();
    // What came later is off.
    assert_eq!(options.remove("agree").as_deref(), Some("0"));
    assert_eq!([json!(recipe).to_string(), json!(options).to_string()], TRGAN_HEADER);
    let mut resolved = plan.arm.resolved().unwrap();
    let mut written = toml::Table::try_from(&plan).unwrap();
    let of_arm = written["arm"]["options"].as_table_mut().unwrap();
    for (name, value) in [("ada", "0"), ("augment", "none")] {
        assert_eq!(resolved.options.remove(name).as_deref(), Some(value));
        assert_eq!(of_arm.remove(name).and_then(|found| found.as_str().map(str::to_string)).as_deref(), Some(value));
    }
    assert_eq!(resolved.options.remove("agree").as_deref(), Some("0"));
    let known = TRGAN.parse::<toml::Table>().unwrap();
    assert_eq!(json!(resolved.options), json!(known["arm"]["options"]));
    assert_eq!(written, known);
}

#[test]
fn settings_that_cannot_be_are_refused_by_name() {
    for (was, is, part) in [
        ("batch = 8", "batch = 1", "batch takes a whole number from 2"),
        ("d-lr = 0.0002", "d-lr = -0.0002", "d-lr takes a number above 0"),
        ("gp = 0.0", "gp = 1.0", "gp goes with wasserstein-gp"),
        ("size = 32", "size = 48", "size takes 16, 32, 64, 128 or 256"),
        ("anchor = \"l2sp\"", "anchor = \"l3\"", "anchor takes none, l2sp or cdc, not l3"),
        ("d_norm = \"none\"", "d_norm = \"batch\"", "d-norm batch mixes"),
    ] {
        let plan: Plan = toml::from_str(&TRGAN.replace(was, is)).unwrap();
        let error = plan.check().unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(part), "{error}");
    }
}
