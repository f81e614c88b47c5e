//! Rules across the flows of one program, which no single expansion can see.

use crate::Declaration;

/// Finds flows that cannot stand in one program: two of one name, or two of one `image` that say different things of
/// it. Each declaration comes with its package, since a `flowimage.toml` may be a package's own.
pub fn check(flows: &[(&str, &Declaration)]) -> Vec<String> {
    let mut mistakes = Vec::new();
    for (index, (package, flow)) in flows.iter().enumerate() {
        for (other_package, other) in &flows[..index] {
            if flow.name == other.name {
                mistakes.push(format!(
                    "two flows are named `{}`, one in package `{other_package}`, one in `{package}`: give one of them \
                     another `name`",
                    flow.name
                ));
            }
        }
        // With the first of its image is enough: the others were compared with that one too.
        let first = flows[..index]
            .iter()
            .find(|(it, other)| it == package && flow.image.is_some() && flow.image == other.image);
        if let (Some((_, first)), Some(image)) = (first, &flow.image) {
            for key in differences(first, flow) {
                mistakes.push(format!(
                    "`{}` and `{}` are of the image `{image}`, but differ in `{key}`: say it in `[image.{image}]`, or take \
                     one of them out of the image",
                    first.name, flow.name
                ));
            }
        }
    }
    mistakes
}

/// Keys of the image in which two flows differ. What only the orchestrator sees, and what checks look for, may differ.
fn differences(one: &Declaration, other: &Declaration) -> Vec<&'static str> {
    let same = [
        ("registry_url", one.registry_url == other.registry_url),
        ("image_name", one.image_name == other.image_name),
        ("image_tag", one.image_tag == other.image_tag),
        ("base_image", one.base_image == other.base_image),
        ("dockerfile", one.dockerfile == other.dockerfile),
        ("dockerignore", one.dockerignore == other.dockerignore),
        (
            "system_dependencies",
            one.system_dependencies == other.system_dependencies,
        ),
        (
            "python_dependencies",
            one.python_dependencies == other.python_dependencies,
        ),
        ("python_version", one.python_version == other.python_version),
        ("files", one.files == other.files),
        ("env_vars", one.env_vars == other.env_vars),
        (
            "extra_dockerfile_commands",
            one.extra_dockerfile_commands == other.extra_dockerfile_commands,
        ),
        ("build_args", one.build_args == other.build_args),
        ("secrets", one.secrets == other.secrets),
        ("local_image", one.local_image == other.local_image),
        ("libraries", one.libraries == other.libraries),
        ("flow_directory", one.flow_directory == other.flow_directory),
        ("user", one.user == other.user),
        ("platform", one.platform == other.platform),
        ("labels", one.labels == other.labels),
    ];
    same.into_iter()
        .filter(|(_, same)| !same)
        .map(|(key, _)| key)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(text: &str) -> Declaration {
        toml::from_str(&format!(
            "flow_directory = \"/opt/flow\"\nbase_image = {{ inferred = \"scratch\" }}\n{text}"
        ))
        .unwrap()
    }

    #[test]
    fn names_are_given_once() {
        let (a, b) = (flow("name = \"a\""), flow("name = \"b\""));
        assert_eq!(check(&[("p", &a), ("p", &b)]), Vec::<String>::new());
        assert_eq!(
            check(&[("p", &a), ("q", &a)]),
            ["two flows are named `a`, one in package `p`, one in `q`: give one of them another `name`"]
        );
    }

    #[test]
    fn flows_of_one_image_agree_on_it() {
        let a =
            flow("name = \"a\"\nimage = \"etl\"\nuser = \"1\"\nschedule = \"@daily\"\nconcurrency_limit = 1");
        let b = flow("name = \"b\"\nimage = \"etl\"\nuser = \"2\"");
        let c = flow("name = \"c\"\nimage = \"other\"\nuser = \"3\"");
        assert_eq!(
            check(&[("p", &a), ("p", &b), ("p", &c)]),
            [
                "`a` and `b` are of the image `etl`, but differ in `user`: say it in `[image.etl]`, or take one of them out \
                 of the image"
            ]
        );
        assert_eq!(
            check(&[("p", &a), ("q", &b)]),
            Vec::<String>::new(),
            "each package has images of its own"
        );
    }
}
