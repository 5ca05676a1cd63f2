//! The theme's figures: contrast of words and signs in both schemes, and no literal beside the theme.

mod common;

use std::path::{Path, PathBuf};

use slint::{Color, ComponentHandle};
use y7ke::ui::{Look, MainWindow, Theme};

/// WCAG 2: relative luminance.
fn luminance(color: Color) -> f64 {
    let channel = |value: u8| {
        let value = f64::from(value) / 255.0;
        if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(color.red()) + 0.7152 * channel(color.green()) + 0.0722 * channel(color.blue())
}

/// `over` with its alpha on `ground`.
fn on(over: Color, ground: Color) -> Color {
    let mix = |over_part: u8, ground_part: u8| {
        let alpha = f64::from(over.alpha()) / 255.0;
        (f64::from(over_part) * alpha + f64::from(ground_part) * (1.0 - alpha)).round() as u8
    };
    Color::from_rgb_u8(
        mix(over.red(), ground.red()),
        mix(over.green(), ground.green()),
        mix(over.blue(), ground.blue()),
    )
}

fn contrast(words: Color, ground: Color) -> f64 {
    let (a, b) = (luminance(words), luminance(ground));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

fn check(name: &str, words: Color, ground: Color, least: f64) {
    let contrast = contrast(on(words, ground), ground);
    assert!(contrast >= least, "{name}: {contrast:.2} is less than {least}");
}

#[test]
fn words_have_four_and_a_half_to_one_and_signs_three() {
    common::rig::platform();
    let window = MainWindow::new().expect("the testing backend has windows");
    let theme = window.global::<Theme<'_>>();
    for look in [Look::Light, Look::Dark] {
        theme.set_look(look);
        assert_eq!(theme.get_dark(), look == Look::Dark);
        let (canvas, side, raised, own) = (theme.get_canvas(), theme.get_side(), theme.get_raised(), theme.get_own());
        let chosen = on(theme.get_chosen(), side);
        for (ground_name, ground) in
            [("canvas", canvas), ("side", side), ("raised", raised), ("own", own), ("chosen", chosen)]
        {
            check(&format!("{look:?} text on {ground_name}"), theme.get_text(), ground, 4.5);
            check(&format!("{look:?} quiet on {ground_name}"), theme.get_quiet(), ground, 4.5);
            check(&format!("{look:?} accent sign on {ground_name}"), theme.get_accent(), ground, 3.0);
            check(&format!("{look:?} danger sign on {ground_name}"), theme.get_danger(), ground, 3.0);
        }
        for (ground_name, ground) in [("canvas", canvas), ("raised", raised)] {
            check(&format!("{look:?} danger words on {ground_name}"), theme.get_danger(), ground, 4.5);
            check(&format!("{look:?} accent words on {ground_name}"), theme.get_accent(), ground, 4.5);
        }
        check(&format!("{look:?} accent words on side"), theme.get_accent(), side, 4.5);
        for (name, sign) in [("good", theme.get_good()), ("warn", theme.get_warn())] {
            check(&format!("{look:?} {name} on side"), sign, side, 3.0);
            check(&format!("{look:?} {name} on canvas"), sign, canvas, 3.0);
        }
        check(&format!("{look:?} words on accent"), theme.get_on_accent(), theme.get_accent(), 4.5);
        check(
            &format!("{look:?} words on accent under the pointer"),
            theme.get_on_accent(),
            theme.get_accent_strong(),
            4.5,
        );
        check(&format!("{look:?} words of a toast"), theme.get_on_toast(), theme.get_toast(), 4.5);
        check(&format!("{look:?} sign of a toast"), theme.get_toast_danger(), theme.get_toast(), 3.0);
        check(&format!("{look:?} read tick"), canvas, theme.get_quiet(), 3.0);
        check(&format!("{look:?} find field"), theme.get_quiet(), on(theme.get_press(), side), 4.5);
        for degrees in (0..360).step_by(15) {
            check(&format!("initials on hue {degrees}"), theme.get_on_hue(), theme.invoke_hue(degrees as f32), 4.5);
        }
    }
}

fn slint_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder of the screens") {
        let path = entry.expect("a file of the screens").path();
        if path.is_dir() {
            slint_files(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "slint") && !path.ends_with("theme.slint") {
            found.push(path);
        }
    }
}

/// A colour or a size as a number.
fn literal(word: &str) -> bool {
    let word = word.trim_matches(|c: char| "();,{}+-*/".contains(c));
    let color = word.strip_prefix('#').is_some_and(|hex| hex.len() >= 3 && hex.chars().all(|c| c.is_ascii_hexdigit()));
    let size = word.strip_suffix("px").is_some_and(|number| number.parse::<f64>().is_ok_and(|number| number != 1.0));
    let time = word.strip_suffix("ms").is_some_and(|number| number.parse::<f64>().is_ok());
    color || size || time
}

#[test]
fn no_literal_colour_or_size_stands_beside_the_theme() {
    let mut files = Vec::new();
    slint_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("ui"), &mut files);
    assert!(files.len() > 10);
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a file of the screens");
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or(line);
            let found = code.split_whitespace().find(|word| literal(word));
            assert_eq!(found, None, "{}:{}", file.display(), number + 1);
        }
    }
}
