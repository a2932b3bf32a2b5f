//! The relay as a program of its own.

fn main() -> std::process::ExitCode {
    nexscope_relay::program::main("nexscope-relay", std::env::args())
}
