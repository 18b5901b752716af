//! Entry point.
#![allow(dead_code)]
mod command;
mod failure;
mod program;

fn main() {}
