use std::fs;

use super::*;

const IMAGE: &str =
    "registry.example/dev/orders@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn workload<'a>(schedule: Option<&'a Schedule>, cluster: &'a KubernetesTable) -> Workload<'a> {
    Workload {
        flow: "orders",
        description: Some("Copies orders: \"all\" of them"),
        image: IMAGE,
        declaration: "sha256:aa",
        user: Some(65532),
        schedule,
        cluster,
    }
}

fn cluster() -> KubernetesTable {
    KubernetesTable {
        namespace: Some("flows".to_owned()),
        service_account: Some("mover".to_owned()),
        image_pull_secrets: vec!["login".to_owned()],
        env: BTreeMap::from([("TARGET".parse().unwrap(), "yes".to_owned())]),
        secrets: BTreeMap::from([("PASSWORD".parse().unwrap(), "orders-db/password".parse().unwrap())]),
        cpu: Some("500m".to_owned()),
        memory: Some("512Mi".to_owned()),
    }
}

#[test]
fn a_job_says_no_more_than_it_must() {
    let text = manifest(&workload(None, &KubernetesTable::default())).unwrap();
    assert_eq!(text, include_str!("../tests/manifests/job.yaml"));
}

#[test]
fn a_cron_job_has_what_the_cluster_adds() {
    let schedule = "30 6 * * mon-fri Europe/Amsterdam".parse().unwrap();
    let text = manifest(&workload(Some(&schedule), &cluster())).unwrap();
    assert_eq!(text, include_str!("../tests/manifests/cron_job.yaml"));
}

#[test]
fn intervals_that_cron_knows() {
    let cron =
        |text: &str| super::cron(&text.parse::<Schedule>().unwrap().rhythm).map_err(|it| it.to_string());
    assert_eq!(cron("every 1m").as_deref(), Ok("* * * * *"));
    assert_eq!(cron("every 15m").as_deref(), Ok("*/15 * * * *"));
    assert_eq!(cron("every 1h").as_deref(), Ok("0 * * * *"));
    assert_eq!(cron("every 6h").as_deref(), Ok("0 */6 * * *"));
    assert_eq!(cron("every 1d").as_deref(), Ok("0 0 * * *"));
    for none in ["every 30s", "every 7m", "every 90m", "every 5h", "every 2d"] {
        assert!(cron(none).unwrap_err().contains("does not divide"), "{none}");
    }
}

#[test]
fn what_a_cluster_does_not_take_is_said() {
    let cluster = KubernetesTable::default();
    let long = "a".repeat(53);
    for name in ["Orders", "orders.daily", "-orders", "orders_daily", "", &long] {
        let named = Workload {
            flow: name,
            ..workload(None, &cluster)
        };
        let error = manifest(&named).unwrap_err();
        assert!(matches!(error, ManifestError::Name { .. }), "{name}: {error}");
        assert!(error.advice().unwrap().contains("at most 52"));
    }
    let local = Workload {
        image: "orders",
        ..workload(None, &cluster)
    };
    let error = manifest(&local).unwrap_err();
    assert!(matches!(error, ManifestError::NoRegistry { .. }), "{error}");
}

#[test]
fn a_manifest_is_written_whole_over_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("k8s");
    let cluster = KubernetesTable::default();
    for _ in 0..2 {
        let path = write(&workload(None, &cluster), &below).unwrap();
        assert_eq!(path, below.join("orders.yaml"));
        assert_eq!(
            fs::read_to_string(path).unwrap(),
            include_str!("../tests/manifests/job.yaml")
        );
    }
    assert_eq!(fs::read_dir(&below).unwrap().count(), 1);
    let error = write(&workload(None, &cluster), Path::new("/proc/none")).unwrap_err();
    assert!(error.to_string().contains("/proc/none/orders.yaml"), "{error}");
}
