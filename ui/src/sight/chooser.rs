//! The desktop's own dialog for choosing a picture, through its portal (org.freedesktop.portal.FileChooser).

use std::path::PathBuf;

/// The file that the person chooses, `None` if none; in words why there is no dialog. Blocks as long as it is open.
#[cfg(target_os = "linux")]
pub(super) fn choose() -> Result<Option<PathBuf>, String> {
    use ashpd::desktop::ResponseError;
    use ashpd::desktop::file_chooser::{FileFilter, SelectedFiles};

    let pictures = FileFilter::new("Pictures").mimetype("image/png").mimetype("image/jpeg");
    let asked = SelectedFiles::open_file().title("Picture of a code").modal(true).multiple(false).filter(pictures);
    let chosen = futures::executor::block_on(async { asked.send().await?.response() });
    match chosen {
        Ok(files) => files.uris().first().map(|uri| path(uri.as_str())).transpose(),
        Err(ashpd::Error::Response(ResponseError::Cancelled)) => Ok(None),
        Err(why) => {
            tracing::debug!("the portal opens no dialog: {why}");
            Err("This desktop opens no dialog for files. Copy the picture, and press Paste.".into())
        }
    }
}

#[cfg(target_os = "linux")]
fn path(uri: &str) -> Result<PathBuf, String> {
    let path = url::Url::parse(uri).ok().and_then(|url| url.to_file_path().ok());
    path.ok_or_else(|| "That picture is not on this computer. Copy it here first.".into())
}

/// Says that there is none yet.
#[cfg(not(target_os = "linux"))]
pub(super) fn choose() -> Result<Option<PathBuf>, String> {
    Err("Files cannot be chosen on this system yet. Copy the picture, and press Paste.".into())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::path;

    #[test]
    fn only_files_of_this_computer_are_opened() {
        assert_eq!(path("file:///tmp/a%20code.png"), Ok("/tmp/a code.png".into()));
        for elsewhere in ["https://example.org/a.png", "file://server/a.png", "smb://x/a.png", "a.png", ""] {
            assert!(path(elsewhere).is_err(), "{elsewhere}");
        }
    }
}
