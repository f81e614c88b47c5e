//! Where the gallery's images are made: a small flow's image, a few programs and libraries compiled once, and one
//! step of a Dockerfile for each image.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::common::{Project, example};
use crate::{docker, output, setting};

pub(super) struct Workshop {
    project: Project,
}

/// The images that others are made of, named after this process.
fn name(of: &str) -> String {
    format!("flowimage-gallery/{}:{of}", std::process::id())
}

impl Workshop {
    /// Makes the healthy images that all others differ from in one thing.
    pub(super) fn open() -> Self {
        setting("FLOWIMAGE_TEST_ENV");
        let kit = setting("FLOWIMAGE_TEST_KIT");
        output(Command::new(kit).args(["image", "python"]));
        let project = Project::new();
        fs::hard_link(example("checks"), project.path("target/checks")).unwrap();
        let workshop = Self { project };
        workshop.tools();
        let context = workshop.project.path("context");
        let mut command = workshop.flow(&[
            "dockerfile",
            "airport-report",
            "--context",
            context.to_str().unwrap(),
        ]);
        output(&mut command);
        docker(&["build", "-q", "-t", &name("flow"), context.to_str().unwrap()]);
        build(
            "healthy",
            &format!(
                "FROM {} AS busybox\nFROM {} AS tools\nFROM {}\nCOPY --from=busybox /bin/ /bin/\nCOPY --from=tools / /\n\
                 SHELL [\"/bin/sh\", \"-c\"]\n",
                setting("FLOWIMAGE_TEST_BUSYBOX"),
                name("tools"),
                name("flow"),
            ),
        );
        build(
            "python",
            &format!(
                "FROM {} AS flow\nFROM {}\nCOPY --from=flow /opt/flow/flow /opt/flow/flow\nWORKDIR /usr/lib/python3/dist-packages\n\
                 RUN mkdir -p /home/flow widget widget-1.2.dist-info && chown 65532 /home/flow \\\n\
                 && echo 'flow:x:65532:65532::/home/flow:' >> /etc/passwd && echo 'x = 1' > widget/__init__.py \\\n\
                 && printf 'Metadata-Version: 2.1\\nName: widget\\nVersion: 1.2\\n' > widget-1.2.dist-info/METADATA \\\n\
                 && echo widget > widget-1.2.dist-info/top_level.txt\n\
                 USER 65532:65532\nENTRYPOINT [\"/opt/flow/flow\"]\n",
                name("flow"),
                setting("FLOWIMAGE_TEST_PYTHON"),
            ),
        );
        workshop
    }

    pub(super) fn close(self) {
        for image in ["python", "healthy", "flow", "tools"] {
            docker(&["rmi", "-f", &name(image)]);
        }
    }

    /// Builds an image of these lines upon a healthy one, checks it, and removes it. Steps run as root, and the user
    /// is restored where the lines do not set one.
    pub(super) fn check(&self, flow: &str, image: &str, lines: &str) -> (Value, i32) {
        let base = match flow {
            "sorted-widgets" => "python",
            _ => "healthy",
        };
        let user = match lines.contains("USER ") {
            true => "",
            false => "USER 65532:65532\n",
        };
        build(image, &format!("FROM {}\nUSER root\n{lines}\n{user}", name(base)));
        let mut command = self.flow(&["check", flow, "--image", &name(image), "--json"]);
        let answer = command.output().unwrap();
        docker(&["rmi", "-f", &name(image)]);
        let text = String::from_utf8(answer.stdout).unwrap();
        let line = text
            .lines()
            .next_back()
            .and_then(|line| serde_json::from_str(line).ok());
        let said = String::from_utf8_lossy(&answer.stderr).into_owned();
        (line.unwrap_or(Value::String(said)), answer.status.code().unwrap())
    }

    fn flow(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.project.path("target/checks"));
        command
            .args(arguments)
            .current_dir(self.project.path("."))
            .env("DOCKER_HOST", setting("DOCKER_HOST"))
            .env_remove("CARGO_MANIFEST_DIR");
        command
    }

    /// What the flow leans on, and what breaks it, as an image without anything else.
    fn tools(&self) {
        let root = self.project.path("tools");
        for folder in ["bin", "usr/lib", "opt/tools", "opt/report", "spare"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        let write = |path: &str, text: &str| fs::write(root.join(path), text).unwrap();
        write("opt/report/licence", "valid\n");
        write("opt/report/template", "report of\n");
        script(&root.join("opt/tools/report-check"), "exit 0");
        script(&root.join("opt/tools/report-script"), "exit 0");
        let cc = |arguments: &[&str], source: &str| {
            let file = root.join("source.c");
            fs::write(&file, source).unwrap();
            output(
                Command::new("cc")
                    .arg("source.c")
                    .args(arguments)
                    .current_dir(&root),
            );
            fs::remove_file(file).unwrap();
        };
        let library = |path: &str, name: &str, more: &[&str]| {
            let soname = format!("-Wl,-soname,{name}");
            cc(
                &[&["-shared", "-fPIC", "-nostdlib", "-o", path, &soname], more].concat(),
                "int f(void) { return 0; }",
            );
        };
        library("usr/lib/libreporttool.so.7", "libreporttool.so.7", &[]);
        library("usr/lib/libdriverdep.so.3", "libdriverdep.so.3", &[]);
        let needed = |path: &'static str| ["-Wl,--no-as-needed", path];
        library(
            "usr/lib/libreportdriver.so",
            "libreportdriver.so",
            &needed("usr/lib/libdriverdep.so.3"),
        );
        let program = "int main(void) { return 0; }";
        cc(
            &[
                &["-o", "opt/tools/report-tool"][..],
                &needed("usr/lib/libreporttool.so.7"),
            ]
            .concat(),
            program,
        );
        cc(
            &[
                "-o",
                "spare/musl",
                "-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1",
            ],
            program,
        );
        cc(
            &["-O0", "-o", "spare/crash"],
            "int main(void) { return *(volatile int *)0; }",
        );
        // A C library of the future, and a program that was linked with it.
        write("spare/future.map", "GLIBC_2.99 { global: f; };");
        let future = ["-Wl,-soname,libc.so.6", "-Wl,--version-script=spare/future.map"];
        cc(
            &[
                &["-shared", "-fPIC", "-nostdlib", "-o", "spare/libc.so.6"][..],
                &future,
            ]
            .concat(),
            "int f(void) { return 0; }",
        );
        let start = "int f(void); void _start(void) { f(); }";
        cc(
            &[
                "-nostdlib",
                "-o",
                "spare/newer",
                "spare/libc.so.6",
                "-Wl,--dynamic-linker=/lib64/ld-linux-x86-64.so.2",
            ],
            start,
        );
        // The same library as one that is needed, without what is needed of it.
        write("spare/old.map", "GCC_0.1 { global: f; };");
        library(
            "spare/libgcc_s.so.1",
            "libgcc_s.so.1",
            &["-Wl,--version-script=spare/old.map"],
        );
        for (from, to) in [
            ("opt/tools/report-tool", "spare/arm64"),
            ("usr/lib/libreportdriver.so", "spare/driver-arm64"),
        ] {
            let mut bytes = fs::read(root.join(from)).unwrap();
            // e_machine of the ELF header: EM_AARCH64.
            bytes[18] = 183;
            fs::write(root.join(to), bytes).unwrap();
            output(Command::new("chmod").arg("755").arg(root.join(to)));
        }
        // The flow binary, as it was before its declaration was changed.
        let mut bytes = fs::read(example("checks")).unwrap();
        let words = b"A report of the airports, for a region.";
        let at: Vec<_> = (0..bytes.len() - words.len())
            .filter(|at| bytes[*at..].starts_with(words))
            .collect();
        assert!(!at.is_empty());
        at.into_iter().for_each(|at| bytes[at] = b'B');
        fs::write(root.join("spare/stale"), bytes).unwrap();
        fs::copy(example("library"), root.join("spare/other")).unwrap();
        for name in ["stale", "other"] {
            output(
                Command::new("strip")
                    .arg("--strip-debug")
                    .arg(root.join("spare").join(name)),
            );
            output(
                Command::new("chmod")
                    .arg("755")
                    .arg(root.join("spare").join(name)),
            );
        }
        let mut tar = Command::new("tar");
        tar.args(["--numeric-owner", "--owner=0", "--group=0", "-C"])
            .arg(&root);
        let mut tar = tar
            .args(["-cf", "-", "."])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut import = Command::new("docker");
        output(
            import
                .args(["import", "-", &name("tools")])
                .stdin(tar.stdout.take().unwrap()),
        );
        assert!(tar.wait().unwrap().success());
    }
}

fn script(path: &Path, line: &str) {
    fs::write(path, format!("#!/bin/sh\n{line}\n")).unwrap();
    output(Command::new("chmod").arg("755").arg(path));
}

/// An image of a Dockerfile that copies nothing from here.
fn build(image: &str, dockerfile: &str) {
    let mut build = Command::new("docker")
        // No step of another image's: with the last name of that one it would be gone under our hands.
        .args(["build", "-q", "--no-cache", "-t", &name(image), "-"])
        .env("DOCKER_BUILDKIT", "0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    build
        .stdin
        .take()
        .unwrap()
        .write_all(dockerfile.as_bytes())
        .unwrap();
    let built = build.wait_with_output().unwrap();
    assert!(
        built.status.success(),
        "{image}: {dockerfile}{}",
        String::from_utf8_lossy(&built.stderr)
    );
}
