//! `y7` under test: a workspace test run does not build another package's binary, so this one is ours.

fn main() -> std::process::ExitCode {
    y7ke_node::cli::main()
}
