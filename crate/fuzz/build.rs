//! Link flags of a program that offers Node-API.

fn main() {
    // The binding looks Node-API up in the program at run time.
    println!("cargo::rustc-link-arg-bins=-rdynamic");
}
