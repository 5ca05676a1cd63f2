//! `y7ke`: the desktop. See `y7ke::start`.

fn main() -> std::process::ExitCode {
    y7ke::start::main()
}
