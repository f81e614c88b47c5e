//! Image references against the grammar of a real engine.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use flowimage_model::reference::ImageReference;

use crate::declared::generator::Generator;
use crate::kit::setting;

/// Whether the engine takes a text for a reference: it then says that it has no such image.
///
/// A connection for each: the engine may close one that it kept open at any moment.
fn engine_takes(text: &str) -> bool {
    let host = setting("DOCKER_HOST");
    let path = host.strip_prefix("unix://").expect("a socket");
    let mut engine = UnixStream::connect(path).unwrap();
    let escaped: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let request =
        format!("GET /v1.41/images/{escaped}/json HTTP/1.0\r\nHost: engine\r\nConnection: close\r\n\r\n");
    engine.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    engine.read_to_string(&mut answer).unwrap();
    match answer.split(' ').nth(1) {
        Some("404") if answer.contains("No such image") || answer.contains("no such image") => true,
        Some("200") => true,
        Some("400") => false,
        _ => panic!("{text}: {answer}"),
    }
}

/// Hosts in brackets are left out: engines before 23.0 take none.
fn reference(generator: &mut Generator) -> String {
    const HOSTS: [&str; 12] = [
        "",
        "",
        "",
        "gcr.io/",
        "localhost/",
        "localhost:5000/",
        "127.0.0.1:5000/",
        "10.0.0.1/",
        "Host.example/",
        "a-.b/",
        "host:port/",
        "xn--n3h.com:443/",
    ];
    const NAMES: [&str; 18] = [
        "debian",
        "a",
        "0",
        "a.b",
        "a__b",
        "a___b",
        "a--b",
        "a_-b",
        "-a",
        "a-",
        "A",
        "a..b",
        "a_b/c.d",
        "library/x",
        "é",
        "a b",
        "a$b",
        "dev/etl/orders",
    ];
    const TAGS: [&str; 12] = [
        "", "", "", ":1", ":latest", ":A_b.c-d", ":", ":.x", ":-x", ":a:b", ":é", ":_x",
    ];
    const DIGESTS: [&str; 7] = [
        "",
        "",
        "",
        "",
        "@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "@sha256:e3b0c442",
        "@sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
    ];
    let mut text = String::new();
    for part in [&HOSTS[..], &NAMES, &TAGS, &DIGESTS] {
        text += generator.one(part);
    }
    if generator.below(4) == 0 {
        // One character somewhere that may or may not fit there.
        let at = text
            .char_indices()
            .map(|(at, _)| at)
            .nth(generator.below(text.chars().count()))
            .unwrap();
        text.insert_str(at, generator.one(&["-", "_", ".", ":", "@", "x", "X", "7", "+"]));
    }
    text
}

#[test]
fn generated_references_are_taken_where_the_engine_takes_them() {
    let mut generator = Generator::new(41);
    let (mut taken, mut refused) = (0, 0);
    while taken < 150 || refused < 150 {
        let text = reference(&mut generator);
        let ours = text.parse::<ImageReference>().is_ok();
        assert_eq!(ours, engine_takes(&text), "{text}");
        if ours {
            taken += 1;
        } else {
            refused += 1;
        }
    }
    let tag = "t".repeat(128);
    for (text, expected) in [(format!("a:{tag}"), true), (format!("a:{tag}t"), false)] {
        assert_eq!(engine_takes(&text), expected);
        assert_eq!(text.parse::<ImageReference>().is_ok(), expected);
    }
}
