//! Which changes of a setup are noticed.

use super::*;

const IDENTITY: &str = "usb:046d:0825 at 0 port 1";

fn setup(settings: &str, facts: &Facts) -> Setup {
    let table: toml::Table = settings.parse().expect("the test's own text");
    let spec = SourceSpec::parse("camera", table).expect("a type").expect("valid settings");
    Setup::of(&spec, facts)
}

#[test]
fn another_device_format_resolution_or_setting_is_named_with_both_values() {
    let is = |identity: Option<&str>, note: Option<&str>| Facts {
        identity: identity.map(str::to_owned),
        notes: note.iter().map(|note| (*note).to_owned()).collect(),
        ..Facts::default()
    };
    let same = is(Some(IDENTITY), None);
    let measured = setup("", &same);
    assert_eq!(measured.check(&setup("", &same)), Ok(()));
    for (settings, facts, field, was, now) in [
        ("", is(Some("usb:other"), None), "device", "046d", "other"),
        ("", is(None, None), "device", "046d", "none"),
        ("format = 'grey'", same.clone(), "format", "yuyv", "grey"),
        ("width = 320", same.clone(), "resolution", "1280x720", "320x720"),
        ("fps = 15", same.clone(), "settings", "at 10 frames", "at 15 frames"),
        ("lock-settings = false", same.clone(), "settings", "held", "as the camera likes"),
        ("", is(Some(IDENTITY), Some("gain moves")), "settings", "", "gain moves"),
    ] {
        let mismatch = measured.check(&setup(settings, &facts)).expect_err(field);
        assert_eq!(mismatch.field, field);
        assert!(mismatch.measured.contains(was) && mismatch.now.contains(now), "{mismatch}");
    }
}
