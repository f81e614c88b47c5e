#![no_main]
//! Image references, registry URLs and names: what is taken reads back as itself.

use flowimage_model::reference::{ImageName, ImageReference, ImageTag, RegistryUrl};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(reference) = text.parse::<ImageReference>() {
        assert_eq!(reference.to_string().parse(), Ok(reference.clone()));
        assert_eq!(reference.canonical().parse(), Ok(reference.clone()));
        assert!(reference.repository().len() + reference.registry().len() < 256);
    }
    if let Ok(url) = text.parse::<RegistryUrl>() {
        assert_eq!(url.to_string().parse(), Ok(url.clone()));
        let (name, tag) = ("etl/orders", "v1");
        if let (Ok(name), Ok(tag)) = (name.parse::<ImageName>(), tag.parse::<ImageTag>())
            && let Ok(tagged) = url.tagged(&name, &tag)
        {
            assert_eq!(tagged.canonical().parse(), Ok(tagged));
        }
    }
    let _ = text.parse::<ImageName>();
    let _ = text.parse::<ImageTag>();
});
