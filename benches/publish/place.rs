//! The folders that commands run in, and what they find there.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::door::{self, Counts};
use crate::ran::{Ran, timed, watched};

const FILES: usize = 20_000;
const FILE_SIZE: usize = 50_000;

pub(crate) struct Place {
    folder: tempfile::TempDir,
    /// Where the mark lies in the program.
    mark: u64,
    round: AtomicU64,
    pub(crate) registry: String,
    pub(crate) engine: String,
    registry_door: String,
    to_registry: Arc<Counts>,
    to_engine: Arc<Counts>,
}

impl Place {
    /// Makes the flows' project with the program, and beside it a build context for the others.
    pub(crate) fn new(mark: &[u8], with_data: bool) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let variable = |name| std::env::var(name).unwrap();
        let (registry, engine) = (variable("FLOWIMAGE_TEST_REGISTRY"), variable("DOCKER_HOST"));
        let to_registry = Arc::new(Counts::default());
        let to_engine = Arc::new(Counts::default());
        let registry_door = door::to_registry(registry.clone(), to_registry.clone());
        let socket = engine
            .strip_prefix("unix://")
            .expect("an engine on a socket")
            .to_owned();
        door::to_engine(socket, &folder.path().join("engine.sock"), to_engine.clone());
        let program = std::env::current_exe().unwrap();
        let bytes = fs::read(&program).unwrap();
        let place = Self {
            mark: bytes.windows(mark.len()).position(|it| it == mark).unwrap() as u64,
            round: AtomicU64::new(u64::from(std::process::id()) << 20),
            registry,
            engine,
            registry_door,
            to_registry,
            to_engine,
            folder,
        };
        for folder in [
            "project/target",
            "project/benches/data",
            "context",
            "context-data/data",
        ] {
            fs::create_dir_all(place.path(folder)).unwrap();
        }
        let write = |path: &str, text: &str| fs::write(place.path(path), text).unwrap();
        write("project/target/CACHEDIR.TAG", "");
        write("project/Cargo.toml", "[package]\nname = \"flowimage\"\n");
        write("project/flowimage.toml", "[registry]\nbases = \"bases\"\n");
        write(
            "context/Dockerfile",
            "FROM debian:bookworm-slim\nARG FLOW=flow_01\nCOPY app /opt/flow/flow\nENV FLOW=$FLOW\nENTRYPOINT [\"/opt/flow/flow\"]\n",
        );
        write(
            "context-data/Dockerfile",
            "FROM debian:bookworm-slim\nCOPY data /opt/data\nCOPY app /opt/flow/flow\nENTRYPOINT [\"/opt/flow/flow\"]\n",
        );
        for copy in [place.program(), place.app(), place.path("context-data/app")] {
            fs::copy(&program, copy).unwrap();
        }
        if with_data {
            place.write_data();
        }
        place.bring_bases();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.path("project/target/flow")
    }

    fn app(&self) -> PathBuf {
        self.path("context/app")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path("project/benches/data")
    }

    pub(crate) fn program_size(&self) -> u64 {
        fs::metadata(self.program()).unwrap().len()
    }

    /// The base in a layout for us, and in buildah's own storage for it. The engine has it.
    fn bring_bases(&self) {
        let base = std::env::var("FLOWIMAGE_TEST_BASE").unwrap();
        let archive = self.path("base.tar");
        timed(
            Command::new("docker")
                .args(["save", "-o"])
                .arg(&archive)
                .arg(&base),
        );
        let layout = format!("oci:{}:{base}", self.path("project/bases").display());
        let from = format!("docker-archive:{}", archive.display());
        timed(Command::new("skopeo").args(["--insecure-policy", "copy", "-q", &from, &layout]));
        let storage = "buildah --root $BUILDAH/root --runroot $BUILDAH/run";
        timed(&mut self.shell(&format!("{storage} pull -q docker-archive:../base.tar"), false));
    }

    /// A gigabyte in 20,000 files, half of it noise and half text.
    fn write_data(&self) {
        let mut noise = Noise(0x2545_f491_4f6c_dd1d);
        let words = b"delay airport carrier airline weather flight region report minute morning ";
        for number in 0..FILES {
            let name = format!("{:03}/{number:05}.csv", number / 100);
            let (ours, theirs) = (
                self.data().join(&name),
                self.path("context-data/data").join(&name),
            );
            for path in [&ours, &theirs] {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
            }
            let mut bytes = vec![0; FILE_SIZE];
            if number % 2 == 0 {
                noise.fill(&mut bytes);
            } else {
                for chunk in bytes.chunks_mut(8) {
                    let at = usize::try_from(noise.next() % (words.len() as u64 - 8)).unwrap();
                    chunk.copy_from_slice(&words[at..][..chunk.len()]);
                }
            }
            fs::write(&ours, bytes).unwrap();
            fs::hard_link(ours, theirs).unwrap();
        }
    }

    /// Changes the program as a new build does: some bytes in its middle.
    pub(crate) fn change_program(&self, is_ours: bool) {
        let mut bytes = [0; 16];
        Noise(self.next_round()).fill(&mut bytes);
        let programs = match is_ours {
            true => vec![self.program()],
            false => vec![self.app(), self.path("context-data/app")],
        };
        for program in programs {
            let file = File::options().write(true).open(program).unwrap();
            file.write_all_at(&bytes, self.mark).unwrap();
        }
    }

    /// Makes everybody forget what they know: the gigabyte is published for the first time.
    pub(crate) fn forget(&self) {
        let round = self.next_round();
        let first = self.data().join("000/00000.csv");
        let mut file = File::options().write(true).open(first).unwrap();
        file.write_all(&round.to_le_bytes()).unwrap();
        let _ = fs::remove_dir_all(self.path("project/target/flowimage"));
        let _ = fs::remove_file(self.path("project/flowimage.lock"));
    }

    /// Removes from the registry and the engine what a first publication left there.
    pub(crate) fn tidy(&self) {
        let store = PathBuf::from(std::env::var("FLOWIMAGE_TEST_REGISTRY_STORE").unwrap());
        large_files(&store, &mut |path| fs::remove_file(path).unwrap());
        timed(&mut self.shell(
            "for i in $(docker images --format '{{.Repository}}:{{.Tag}}' | grep /fresh-); do docker rmi -f $i; done; \
             docker builder prune -af",
            false,
        ));
    }

    fn next_round(&self) -> u64 {
        self.round.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A number that no other round of any run has.
    pub(crate) fn round(&self) -> u64 {
        self.round.load(Ordering::Relaxed)
    }

    pub(crate) fn run(&self, text: &str, is_ours: bool) -> Ran {
        timed(&mut self.shell(text, is_ours))
    }

    /// Runs a command behind doors, and gives what went through them.
    pub(crate) fn run_counted(&self, text: &str, is_ours: bool) -> (Ran, String) {
        for counts in [&self.to_registry, &self.to_engine] {
            counts.clear();
        }
        let mut command = self.shell(text, is_ours);
        command
            .env("REGISTRY", &self.registry_door)
            .env(
                "DOCKER_HOST",
                format!("unix://{}", self.path("engine.sock").display()),
            )
            .stdout(Stdio::null());
        let ran = watched(&mut command);
        let counts = format!(
            "registry {} (ours alone: an engine pushes by itself), engine {}",
            self.to_registry, self.to_engine
        );
        (ran, counts)
    }

    fn shell(&self, text: &str, is_ours: bool) -> Command {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", text])
            .current_dir(self.path(if is_ours { "project" } else { "context" }))
            // Debian's docker has BuildKit's client inside; later ones want a plugin for it.
            .env("PATH", format!("/usr/bin:{}", std::env::var("PATH").unwrap()))
            .env("PROGRAM", self.program())
            .env("REGISTRY", &self.registry)
            .env("BUILDAH", self.path("buildah"))
            .env(
                "PREFECT1",
                std::env::var_os("FLOWIMAGE_BENCH_PREFECT1").unwrap_or_default(),
            )
            .env(
                "PREFECT1_STORAGE",
                concat!(env!("CARGO_MANIFEST_DIR"), "/benches/publish/prefect1.py"),
            )
            .env("ROUND", self.round().to_string())
            .env("BUILDAH_ISOLATION", "chroot")
            .env_remove("CARGO_MANIFEST_DIR");
        command
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Its storage holds mounts and folders of another's making.
        let storage = self.path("buildah");
        let _ = Command::new("buildah")
            .args(["--root", &format!("{}/root", storage.display())])
            .args(["--runroot", &format!("{}/run", storage.display()), "rmi", "-af"])
            .output();
    }
}

fn large_files(folder: &Path, each: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            large_files(&entry.path(), each);
        } else if entry.metadata().unwrap().len() > 100 << 20 {
            each(&entry.path());
        }
    }
}

/// Bytes that do not compress, the same each time.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        it ^ (it >> 31)
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let word = self.next().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}
