//! Asks the agent whether a feature is licensed, with the standard library and `serde_json` alone.
//!
//! `cargo run --example ask -- /run/entitled/entitled.sock reports`

use std::{
    error::Error,
    io::{Read, Write},
    os::unix::net::UnixStream,
    time::Duration,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let socket = arguments.next().unwrap_or_else(|| "/run/entitled/entitled.sock".to_owned());
    let feature = arguments.next().unwrap_or_else(|| "reports".to_owned());

    let status = get(&socket, "/v1/status")?;
    println!(
        "{}: {}",
        status["state"].as_str().unwrap_or("?"),
        status["message"].as_str().unwrap_or("?")
    );
    let feature = get(&socket, &format!("/v1/features/{feature}"))?;
    let granted = feature["entitled"] == true && feature["value"] != false;
    println!("{} is {}", feature["name"], if granted { "granted" } else { "not granted" });
    Ok(())
}

/// One HTTP/1.0 request: the answer ends with the connection, so its body needs no parsing.
fn get(socket: &str, path: &str) -> Result<serde_json::Value, Box<dyn Error>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or("no HTTP answer")?;
    Ok(serde_json::from_str(body)?)
}
