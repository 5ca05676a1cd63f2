//! From the command line to a window.
