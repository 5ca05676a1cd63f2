//! `y7`: see [`y7ke_node::cli`].

fn main() -> std::process::ExitCode {
    y7ke_node::cli::main()
}
