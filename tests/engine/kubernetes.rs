//! Manifests of registered flows, checked against the schemas that Kubernetes publishes.

use std::process::Command;

use crate::test_flow::{TestFlow, outcome};
use crate::{output, setting};

#[test]
fn manifests_name_the_digest_and_fit_the_published_schema() {
    let flow = TestFlow::new("cluster", &setting("DOCKER_HOST"));
    std::fs::write(
        flow.root().join("flowimage.toml"),
        r#"
[kubernetes]
namespace = "flows"
env = { TARGET = "on" }
secrets = { PASSWORD = "orders-db/password" }
cpu = "500m"
memory = "512Mi"
"#,
    )
    .unwrap();
    let registry = setting("FLOWIMAGE_TEST_REGISTRY");
    let folder = flow.root().join("k8s");
    let register = [
        "register",
        "--registry",
        &registry,
        "--kubernetes",
        folder.to_str().unwrap(),
    ];
    for status in ["registered", "unchanged"] {
        let ended = flow.command(&register).output().unwrap();
        let line = outcome(&ended);
        assert_eq!(
            (line["status"].as_str(), ended.status.code()),
            (Some(status), Some(0)),
            "{line:#}"
        );
        let manifest = std::fs::read_to_string(folder.join("cluster.yaml")).unwrap();
        let image = line["image"].as_str().unwrap();
        assert!(image.ends_with(line["digest"].as_str().unwrap()), "{line:#}");
        for wanted in [
            &format!("image: {image}\n"),
            "kind: CronJob\n",
            "schedule: \"*/15 * * * *\"\n",
            "namespace: flows\n",
            "runAsUser: 65532\n",
        ] {
            assert!(manifest.contains(wanted), "{wanted}: {manifest}");
        }
        let validate =
            output(Command::new(setting("FLOWIMAGE_TEST_KIT")).args(["tool", "kubernetes-validate"]));
        output(
            Command::new(validate.trim())
                .arg("--strict")
                .arg(folder.join("cluster.yaml")),
        );
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

#[test]
fn what_no_cluster_can_run_is_said_before_anything_is_built() {
    let flow = TestFlow::new("cluster", &setting("DOCKER_HOST"));
    let folder = flow.root().join("k8s");
    let ended = flow
        .command(&["register", "--kubernetes", folder.to_str().unwrap()])
        .output()
        .unwrap();
    let line = outcome(&ended);
    assert_eq!(
        (line["error"]["stage"].as_str(), ended.status.code()),
        (Some("plan"), Some(1)),
        "{line:#}"
    );
    assert_eq!(
        line["error"]["advice"],
        "declare `registry_url`, or use `--registry`"
    );
    assert!(!folder.exists() && !flow.root().join("flowimage.lock").exists());
}
