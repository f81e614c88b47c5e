//! `kill -9` in the middle of a registration with real changes, in each stage, and the command after it.
//!
//! A stage is known by what it leaves on disk or in the registry while it lasts. How often: `FLOWIMAGE_TEST_KILLS`,
//! once by default. Where it is set, nothing else uses the engine meanwhile.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::Project;
use crate::{docker, output, setting};

/// A project whose flow is registered once, so that every kill comes in the middle of a change.
struct Killed {
    project: Project,
    repository: String,
    kills: u32,
    /// The processes that were killed.
    dead: Vec<u32>,
    /// The engine's images before anything of this was there.
    images: Vec<String>,
}

impl Killed {
    fn new(name: &str) -> Self {
        let killed = Self {
            project: Project::new(),
            repository: format!("killed/{name}-{}", std::process::id()),
            kills: 0,
            dead: Vec::new(),
            images: lines(&docker(&["images", "-aq", "--no-trunc"])),
        };
        killed.finish();
        killed
    }

    fn command(&self) -> Command {
        let registry = format!("{}/{}", setting("FLOWIMAGE_TEST_REGISTRY"), self.repository);
        let mut command = self.project.command(&["register", "late-departures", "--json"]);
        command
            .args(["--registry", &registry])
            .env("DOCKER_HOST", setting("DOCKER_HOST"));
        command
    }

    /// Changes what the flow copies: some megabytes, so that every stage lasts.
    fn change(&mut self) {
        self.kills += 1;
        let mut seed = u64::from(self.kills);
        let noise: Vec<u8> = (0..4 << 20)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 56) as u8
            })
            .collect();
        fs::write(self.project.path("examples/config/airports.toml"), noise).unwrap();
    }

    /// Kills a registration in the stage. A stage may be over in the blink of an eye: then another change is tried.
    fn kill(&mut self, traces: impl Fn(&Self) -> Vec<PathBuf>) {
        let caught = (0..20).any(|_| self.try_to_kill(&traces));
        assert!(caught, "it was never caught in the stage");
        self.look();
    }

    /// Starts a registration and kills it as soon as there is another trace of the stage than before; `false` where
    /// it was done by then.
    fn try_to_kill(&mut self, traces: &impl Fn(&Self) -> Vec<PathBuf>) -> bool {
        self.change();
        let before = traces(self);
        let mut child = self
            .command()
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let limit = Instant::now() + Duration::from_secs(120);
        while traces(self).iter().all(|trace| before.contains(trace)) {
            if let Some(ended) = child.try_wait().unwrap() {
                assert!(ended.success(), "it failed by itself: {ended:?}");
                return false;
            }
            assert!(Instant::now() < limit, "it never came into the stage");
            std::thread::sleep(Duration::from_micros(200));
        }
        self.dead.push(child.id());
        was_killed(&mut child)
    }

    /// The catalog is valid, and the registry serves what it says is registered.
    fn look(&self) {
        let text = fs::read_to_string(self.project.path("flowimage.lock")).unwrap();
        let catalog: toml::Table = toml::from_str(&text).unwrap();
        let targets = catalog["flow"]["late-departures"].as_table().unwrap();
        for registration in targets.values() {
            let image = format!(
                "docker://{}/{}/late-departures@{}",
                setting("FLOWIMAGE_TEST_REGISTRY"),
                self.repository,
                registration["digest"].as_str().unwrap()
            );
            output(Command::new("skopeo").args(["inspect", "--tls-verify=false", "--raw", &image]));
        }
    }

    /// The next command goes through, and nothing of the killed one is left.
    fn finish(&self) {
        let ended = self.command().output().unwrap();
        let said = String::from_utf8_lossy(&ended.stdout);
        assert!(ended.status.success(), "{said}");
        self.look();
        let left: Vec<_> = fs::read_dir(self.project.path("."))
            .unwrap()
            .flatten()
            .map(|entry| entry.file_name().into_string().unwrap())
            .filter(|name| name.starts_with(".flowimage"))
            .collect();
        assert!(left.is_empty(), "{left:?}");
        self.look_at_the_engine();
    }

    /// Nothing of this project and of the killed processes is in the engine, and nothing that has no label of ours.
    fn look_at_the_engine(&self) {
        let checked = docker(&["images", "--format", "{{.Repository}}"]);
        assert!(!checked.contains(&self.project.mark()), "{checked}");
        let format = "{{.Label \"dev.flowimage.owner\"}} {{.Image}}";
        let containers = docker(&["ps", "-a", "--filter", "label=dev.flowimage", "--format", format]);
        for dead in &self.dead {
            let theirs = lines(&containers)
                .into_iter()
                .filter(|it| it.starts_with(&format!("{dead}-")));
            assert_eq!(theirs.collect::<Vec<_>>(), [""; 0]);
        }
        if times().is_none() {
            return;
        }
        for image in lines(&docker(&["images", "-aq", "--no-trunc"])) {
            let labels = docker(&["image", "inspect", "-f", "{{json .Config.Labels}}", &image]);
            let is_ours = labels.contains("\"dev.flowimage");
            assert!(is_ours || self.images.contains(&image), "{image} {labels}");
        }
    }

    /// Files of the project's products.
    fn products(&self, folder: &str) -> Vec<PathBuf> {
        files(&self.project.path("target/flowimage").join(folder))
    }
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

/// How often to kill, where that is said.
fn times() -> Option<u32> {
    let times = std::env::var("FLOWIMAGE_TEST_KILLS").ok()?;
    Some(times.parse().unwrap())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn was_killed(child: &mut Child) -> bool {
    use std::os::unix::process::ExitStatusExt;
    child.kill().unwrap();
    child.wait().unwrap().signal() == Some(9)
}

fn kill_often(name: &str, traces: impl Fn(&Killed) -> Vec<PathBuf>) {
    let mut killed = Killed::new(name);
    for _ in 0..times().unwrap_or(1) {
        killed.kill(&traces);
        killed.finish();
    }
}

#[test]
fn in_build() {
    kill_often("build", |killed| {
        let mut traces = killed.products("images/tmp");
        traces.retain(|path| path.to_string_lossy().contains("/blob-"));
        traces
    });
}

#[test]
fn in_check() {
    // The first thing a check does is to read the layers it does not know.
    kill_often("check", |killed| killed.products("layers-seen"));
}

#[test]
fn in_publish() {
    kill_often("publish", |killed| {
        let uploads = Path::new(&setting("FLOWIMAGE_TEST_REGISTRY_STORE"))
            .join("docker/registry/v2/repositories")
            .join(&killed.repository)
            .join("late-departures/_uploads");
        // The upload that asks whether it may push, before the build, has no data.
        let mut traces = files(&uploads);
        traces.retain(|upload| fs::metadata(upload.join("data")).is_ok_and(|data| data.len() > 0));
        traces
    });
}

#[test]
fn in_register() {
    kill_often("register", |killed| {
        // What the image was made of is written down just before the catalog is.
        let written = |path: &Path| fs::metadata(path).and_then(|it| it.modified()).ok();
        let catalog = written(&killed.project.path("flowimage.lock"));
        let mut traces = killed.products("registered");
        traces.retain(|path| written(path) > catalog);
        traces
    });
}
