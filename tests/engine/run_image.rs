//! `run --image`: the registered image on the engine.

use crate::common::Project;
use crate::setting;

#[test]
fn run_image_is_what_is_registered_wherever_that_is() {
    let project = Project::new();
    let engine = setting("DOCKER_HOST");
    let registry = format!("{}/run-image", setting("FLOWIMAGE_TEST_REGISTRY"));
    for place in [&["--no-push"][..], &["--registry", &registry]] {
        let run = |arguments: &[&str]| {
            let mut command = project.command(&[arguments, place].concat());
            command.env("DOCKER_HOST", &engine).output().unwrap()
        };
        let wanted = ["run", "sorted-airlines", "--image", "--param", "reverse=true"];
        let before = run(&wanted);
        assert_eq!(before.status.code(), Some(1));
        let said = String::from_utf8(before.stderr).unwrap();
        assert!(
            said.starts_with("error: `sorted-airlines` is not registered at "),
            "{said}"
        );
        assert!(
            run(&["register", "sorted-airlines", "--no-check"])
                .status
                .success()
        );
        let inside = run(&wanted);
        let said = String::from_utf8_lossy(&inside.stderr);
        assert_eq!(inside.status.code(), Some(0), "{said}");
        let here = project.run(&["run", "sorted-airlines", "--param", "reverse=true"]);
        assert_eq!(inside.stdout, here.stdout, "{said}");
        // The flow's own exit status and words are passed on.
        let unfit = run(&["run", "sorted-airlines", "--image", "--param", "reverse=3"]);
        let said = String::from_utf8(unfit.stderr).unwrap();
        assert_eq!(unfit.status.code(), Some(2));
        assert!(
            said.contains("the parameters of `sorted-airlines` do not fit"),
            "{said}"
        );
    }
}
