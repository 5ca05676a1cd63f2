//! What draws the window: never a renderer that leaves it blank.
//!
//! ```text
//! auto, software ─────────────────────────────────────▶ software
//! gl ─▶ known for this boot and display? ── works ────▶ gl
//!          │ no                         └── does not ─▶ software, in words
//!          └▶ child: y7ke --probe-gl draws a frame that nobody sees and reads it back, within 5 s
//! ```
//!
//! * The GL renderer without a working GL paints nothing and says nothing: only pixels that were read back count.
//! * The probe is a process of its own: a driver that hangs or crashes takes no window with it.
//! * `auto` is software: measured here, its window stands after 31 ms instead of 98 ms, a frame of the list costs
//!   1 ms, and it takes 34 MB instead of 146 MB. Whoever has a very large screen asks for gl.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::rc::Rc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use clap::ValueEnum;
use slint::winit_030::WinitWindowAccessor;
use slint::{BackendSelector, ComponentHandle, Rgba8Pixel, SharedPixelBuffer};

use crate::ui::ProbeWindow;

/// How long a driver may take to draw one small frame.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Wanted {
    /// What is best here.
    #[default]
    Auto,
    /// The processor.
    Software,
    /// OpenGL, where it draws.
    Gl,
}

/// What draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renderer {
    /// The processor.
    Software,
    /// OpenGL.
    Gl,
}

impl Renderer {
    /// Its name in Slint.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Software => "software",
            Self::Gl => "femtovg",
        }
    }
}

/// Chooses; looks at GL only if it is asked for.
pub fn choose(wanted: Wanted) -> Renderer {
    if wanted != Wanted::Gl {
        return Renderer::Software;
    }
    let memory = Memory::here();
    let works = memory.as_ref().and_then(Memory::recall).unwrap_or_else(|| {
        let works = probe();
        memory.iter().for_each(|memory| memory.keep(works));
        works
    });
    if works {
        return Renderer::Gl;
    }
    tracing::warn!("OpenGL draws nothing on this display, so the window is drawn by the processor");
    Renderer::Software
}

/// Whether a child of ours drew something with GL and read it back.
fn probe() -> bool {
    let child = std::env::current_exe().and_then(|program| {
        let mut command = Command::new(program);
        command.arg("--probe-gl").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
    });
    let mut child = match child {
        Ok(child) => child,
        Err(why) => {
            tracing::warn!("OpenGL cannot be tried out: {why}");
            return false;
        }
    };
    let (tell, told) = channel();
    let waiting = std::thread::spawn(move || tell.send(child.wait()));
    // The child ends by itself; a little more than its own patience, for a machine that is busy.
    match told.recv_timeout(2 * PATIENCE) {
        Ok(ended) => {
            drop(waiting);
            ended.is_ok_and(|status| status.success())
        }
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => false,
    }
}

/// The child: success only with the right pixels in hand.
pub fn probe_child() -> ExitCode {
    std::thread::spawn(|| {
        let (_held, never) = channel::<()>();
        if never.recv_timeout(PATIENCE).is_err() {
            std::process::exit(1);
        }
    });
    match draw_once() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) | Err(_) => ExitCode::FAILURE,
    }
}

/// Draws two colours in a window that is never shown, and looks for both.
fn draw_once() -> Result<bool, slint::PlatformError> {
    let selector = BackendSelector::new().backend_name("winit".into()).renderer_name(Renderer::Gl.name().into());
    selector.select()?;
    let window = ProbeWindow::new()?;
    let drawn = Rc::new(Cell::new(false));
    let (weak, found) = (window.as_weak(), Rc::clone(&drawn));
    let looking = slint::spawn_local(async move {
        let Some(window) = weak.upgrade() else { return };
        if window.window().winit_window().await.is_ok() {
            found.set(window.window().take_snapshot().is_ok_and(|shot| has_both(&shot)));
        }
        if let Err(fault) = slint::quit_event_loop() {
            tracing::debug!("the probe's loop does not end: {fault}");
        }
    });
    looking.map_err(|fault| slint::PlatformError::Other(fault.to_string()))?;
    slint::run_event_loop_until_quit()?;
    Ok(drawn.get())
}

/// Warm on the left, cold on the right, as `ProbeWindow` says.
fn has_both(shot: &SharedPixelBuffer<Rgba8Pixel>) -> bool {
    let pixels = shot.as_slice();
    let warm = |pixel: &Rgba8Pixel| pixel.r > pixel.b.saturating_add(80);
    let cold = |pixel: &Rgba8Pixel| pixel.b > pixel.r.saturating_add(80);
    pixels.iter().any(warm) && pixels.iter().any(cold)
}

/// What was found out, until the machine is started again: drivers change with a start.
struct Memory {
    file: PathBuf,
    key: String,
}

impl Memory {
    fn here() -> Option<Self> {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let file = directories::ProjectDirs::from("", "", "y7ke")?.cache_dir().join("gl");
        let display = |name| std::env::var(name).unwrap_or_default();
        Some(Self { file, key: format!("{} {} {}", boot.trim(), display("WAYLAND_DISPLAY"), display("DISPLAY")) })
    }

    fn recall(&self) -> Option<bool> {
        verdict(&std::fs::read_to_string(&self.file).ok()?, &self.key)
    }

    fn keep(&self, works: bool) {
        let folder = self.file.parent().unwrap_or(Path::new("."));
        let words = format!("{}\n{}\n", self.key, if works { "works" } else { "fails" });
        if let Err(why) = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&self.file, words)) {
            tracing::debug!("not remembered whether OpenGL works: {why}");
        }
    }
}

/// What a file says, if it speaks of this boot and display.
fn verdict(words: &str, key: &str) -> Option<bool> {
    match words.strip_prefix(key)? {
        "\nworks\n" => Some(true),
        "\nfails\n" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pixels_of_both_colours_count() {
        let filled = |colours: [[u8; 3]; 2]| {
            let mut shot = SharedPixelBuffer::<Rgba8Pixel>::new(2, 1);
            for (pixel, [r, g, b]) in shot.make_mut_slice().iter_mut().zip(colours) {
                *pixel = Rgba8Pixel { r, g, b, a: 255 };
            }
            shot
        };
        assert!(has_both(&filled([[0xFF, 0x6B, 0x5E], [0x0E, 0x7C, 0x86]])));
        assert!(has_both(&filled([[0xFF, 0x6B, 0x5E], [0x3C, 0xC4, 0xCF]])));
        for blank in [[[0; 3]; 2], [[255; 3]; 2], [[255, 0, 0], [255, 0, 0]]] {
            assert!(!has_both(&filled(blank)));
        }
    }

    #[test]
    fn a_verdict_holds_for_one_boot_and_one_display() {
        let key = "4b1c  :0";
        assert_eq!(verdict("4b1c  :0\nworks\n", key), Some(true));
        assert_eq!(verdict("4b1c  :0\nfails\n", key), Some(false));
        for other in ["", "4b1c  :01\nworks\n", "4b1c  :0\nworks", "4b1d  :0\nworks\n"] {
            assert_eq!(verdict(other, key), None, "{other:?}");
        }
    }

    #[test]
    fn nothing_is_tried_where_gl_is_not_asked_for() {
        assert_eq!(choose(Wanted::Auto), Renderer::Software);
        assert_eq!(choose(Wanted::Software), Renderer::Software);
    }
}
